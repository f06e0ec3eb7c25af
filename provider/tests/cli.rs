//! The command `countersign`, run as a person or a script runs it.

mod command;
mod configuration;
mod connection;
mod demo;
mod process;
mod serve;
