//! Where the browser client's bundle comes from and what is in it: a manifest beside the built files names the hash of
//! every source, so that a bundle that was not built anew after a change is found without building it.

pub mod manifest;
#[cfg(feature = "build")]
pub mod pack;
#[cfg(feature = "build")]
pub mod shrink;
#[cfg(feature = "build")]
pub mod steps;
pub mod weight;
