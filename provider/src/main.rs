//! The command `countersign`.

use std::process::ExitCode;

mod cli;
mod config;
mod demo;
mod log;
mod serve;

fn main() -> ExitCode {
    cli::run()
}
