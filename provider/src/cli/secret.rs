//! Secrets from a person or a program: never from the command line, which other users of the machine can see.

use std::io::{self, BufRead as _, Read as _};

use countersign_protocol::Secret;
use zeroize::Zeroizing;

use super::Failure;

/// The longest line that is taken for a secret, in bytes.
const LONGEST: usize = 1024;

/// A line of standard input.
pub(super) fn from_stdin() -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::new());
    let mut input = io::stdin().lock().take(LONGEST as u64 + 2);
    let read = input.read_line(&mut text);
    read.map_err(|error| Failure::Pipe("standard input", error))?;
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    if secret.is_empty() || secret.expose().len() > LONGEST {
        return Err(Failure::Input(format!(
            "standard input holds no secret; give a line of 1 to {LONGEST} bytes"
        )));
    }
    Ok(secret)
}

/// What a person types twice, unseen.
pub(super) fn from_terminal() -> Result<Secret, Failure> {
    let ask = |prompt: &str| {
        let typed = rpassword::prompt_password(prompt).map(Secret::new);
        typed.map_err(|error| Failure::Pipe("the terminal", error))
    };
    let (first, again) = (ask("Password: ")?, ask("The same again: ")?);
    if first.matches(&again) {
        return Ok(first);
    }
    Err(Failure::Input("these were two different passwords; try again".into()))
}
