//! The log: what happens, a line each, on standard error. Never a secret.

use std::{io::IsTerminal as _, panic};

use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    cli::Failure,
    config::{Config, LogFormat},
};

/// Begins the log of a server.
pub(crate) fn start(config: &Config) -> Result<(), Failure> {
    // What an operator must know; of what programs ask for by the thousand, only what fails.
    start_with(config, config.log.as_deref().unwrap_or("info"))
}

/// Begins the log of a command, whose answer and refusal say all: only if one is asked for.
pub(crate) fn start_if_asked(config: &Config) -> Result<(), Failure> {
    match &config.log {
        Some(filter) => start_with(config, filter),
        None => Ok(()),
    }
}

fn start_with(config: &Config, filter: &str) -> Result<(), Failure> {
    let wrong = |why: String| Failure::Log(filter.into(), why);
    let parsed = EnvFilter::try_new(filter).map_err(|error| wrong(error.to_string()))?;
    let lines = fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let begun = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| wrong(error.to_string()))?;
    log_panics();
    Ok(())
}

/// A defect of ours goes where everything else goes, with the request that met it.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let message = info.payload_as_str().unwrap_or_default();
        tracing::error!(place, message, "a defect: please report it");
    }));
}
