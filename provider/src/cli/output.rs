//! What goes to standard output and standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;

use super::Failure;

/// How a command answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// In JSON, or in words.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Answers with a value, or with the words for it.
    pub(crate) fn show(self, value: &impl Serialize, words: impl Display) -> Result<(), Failure> {
        if !self.json {
            return write(format!("{words}\n").as_bytes());
        }
        let json = serde_json::to_string(value).map_err(io::Error::from);
        let json = json.map_err(|error| Failure::Pipe("standard output", error))?;
        write(format!("{json}\n").as_bytes())
    }
}

/// Writes to standard output. Who closed it has read enough.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Pipe("standard output", error))
        }
        _ => Ok(()),
    }
}

/// Says on standard error, in one line, why it was refused.
pub(crate) fn complain(failure: &Failure) {
    let line = failure.to_string();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    // Nobody is left to be told when that fails.
    let _ = writeln!(io::stderr(), "countersign: {line}");
}
