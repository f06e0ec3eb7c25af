//! What goes to standard output and standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;
use serde_json::Value;

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
            return write(harmless(&format!("{words}\n")).as_bytes());
        }
        let json = serde_json::to_string(value).map_err(io::Error::from);
        let json = json.map_err(|error| Failure::Pipe("standard output", error))?;
        write(format!("{json}\n").as_bytes())
    }
}

/// Without what would move a terminal's cursor: names come from anybody.
fn harmless(words: &str) -> String {
    let replace = |c: char| if c.is_control() && c != '\n' { '?' } else { c };
    words.chars().map(replace).collect()
}

/// The members of an object, a line each, in words.
pub(super) fn members(value: &Value) -> String {
    let members = value.as_object().into_iter().flatten();
    let said = members.filter(|(_, value)| !value.is_null());
    let lines = said.map(|(name, value)| format!("{name}: {}", plain(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A value without quotes and brackets.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
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
