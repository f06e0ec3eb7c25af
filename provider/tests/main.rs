//! The provider, tested from outside: a file an endpoint or part.
#![cfg(test)]

mod audit;
mod authorize;
mod browser;
#[cfg(feature = "cli")]
mod cli;
mod consent;
mod examples;
mod guard;
mod harness;
mod introspect;
mod limit;
mod logout;
mod metadata;
mod people;
mod revoke;
mod script;
mod seeds;
mod sign_in;
mod store;
mod token;
mod users;
