//! The provider, tested from outside: a file an endpoint or part.
#![cfg(test)]

mod audit;
mod guard;
mod harness;
mod introspect;
mod metadata;
mod revoke;
mod store;
mod token;
