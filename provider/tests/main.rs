//! The provider, tested from outside: a file an endpoint or part.
#![cfg(test)]

mod store;
