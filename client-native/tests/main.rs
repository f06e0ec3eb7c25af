//! The client against a provider that can be told to misbehave, over real sockets, files and processes.
#![cfg(test)]

mod fake;
mod hygiene;
mod leaving;
mod loopback;
mod requests;
mod secrecy;
mod sharing;
mod staying;
