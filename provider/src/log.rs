//! The log: what happens, a line each, on standard error. Never a secret.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    cli::Failure,
    config::{Config, LogFormat},
};

/// Begins the log.
pub(crate) fn start(config: &Config) -> Result<(), Failure> {
    let wrong = |why: String| Failure::Log(config.log.clone(), why);
    let filter = EnvFilter::try_new(&config.log).map_err(|error| wrong(error.to_string()))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| wrong(error.to_string()))
}
