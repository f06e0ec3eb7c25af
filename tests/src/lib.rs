//! What the end-to-end tests stand on: the real program in a process of its own, people with and without a browser,
//! applications that wait for their answer, a provider whose clock and whose answers a test holds in its hand.
//!
//! Everything listens on loopback, lives in temporary folders and ends with the value that stands for it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on says so by ending"
)]

pub mod application;
pub mod command;
pub mod embedded;
pub mod endpoint;
pub mod page;
pub mod port;
pub mod server;
pub mod visitor;

pub use self::{
    application::Application, command::Ran, embedded::Embedded, endpoint::Answer, page::Page,
    server::Server, visitor::Visitor,
};

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery staple";

/// The README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
