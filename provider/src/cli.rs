//! The commands. What they do stands in the library; here is what they are called, what they take and how they answer.
//!
//! # Adding a command
//! A variant of [`Command`], a file here with its flags and a function that answers by [`Output`] or fails with a
//! [`Failure`].

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

mod client;
mod doctor;
mod failure;
mod grant;
mod key;
mod listing;
mod output;
pub(crate) mod place;
mod secret;
mod user;

pub(crate) use self::{failure::Failure, output::Output};
use crate::{
    config::{Config, Place, Serving},
    log, serve,
};

/// An OAuth 2 provider: signs people in, gives tokens to applications and services.
#[derive(Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    place: Place,

    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve; creates what is missing
    Serve(Box<Serving>),
    #[command(flatten)]
    Manage(Manage),
    /// Look at everything that a server needs, and say what to do
    Doctor(Box<Serving>),
    /// Print a script that completes this command's words in a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What works on the store, also while servers use it.
#[derive(Subcommand)]
enum Manage {
    /// Add users, list, show, switch off, delete them, give them a new password
    #[command(subcommand)]
    User(user::Command),
    /// Register clients, list, show, switch off, delete them
    #[command(subcommand)]
    Client(client::Command),
    /// List and revoke grants
    #[command(subcommand)]
    Grant(grant::Command),
    /// List, rotate, reset the server's keys
    #[command(subcommand)]
    Key(key::Command),
}

/// Does what the command line says. The exit status is 0; 1 when it was refused, with one line on standard error; 2 when
/// the command line makes no sense.
pub(crate) fn run() -> ExitCode {
    let done = Serving::from_environment()
        .map_err(Failure::from)
        .and_then(|environment| execute(Cli::parse(), environment));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli, environment: Serving) -> Result<(), Failure> {
    let output = Output::new(cli.json);
    match cli.command {
        Command::Serve(serving) => {
            let config = Config::load(cli.place, *serving)?;
            log::start(&config)?;
            runtime()?.block_on(serve::serve(config, output))
        }
        Command::Manage(command) => {
            let config = Config::load(cli.place, environment)?;
            log::start_if_asked(&config)?;
            runtime()?.block_on(manage(command, &config, output))
        }
        Command::Doctor(serving) => {
            let config = Config::load(cli.place, *serving)?;
            log::start_if_asked(&config)?;
            runtime()?.block_on(doctor::run(&config, output))
        }
        Command::Completions { shell } => complete(shell),
    }
}

async fn manage(command: Manage, config: &Config, output: Output) -> Result<(), Failure> {
    match command {
        Manage::User(command) => user::run(command, config, output).await,
        Manage::Client(command) => client::run(command, config, output).await,
        Manage::Grant(command) => grant::run(command, config, output).await,
        Manage::Key(command) => key::run(command, config, output).await,
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::Threads)
}

fn complete(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "countersign", &mut script);
    output::write(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_put_together_well() {
        Cli::command().debug_assert();
    }
}
