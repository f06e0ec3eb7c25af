//! `countersign key`.

use clap::Subcommand;
use countersign_provider::{
    clock::Clock,
    keys::{KeyInfo, KeyState, Keys},
    store::Kind,
};
use serde_json::json;

use super::{Failure, Output, place};
use crate::config::Config;

/// What can be done with the server's keys.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the keys, the oldest first
    List,
    /// Make the next key, which becomes the active one after a minute
    Rotate,
    /// Throw all keys away and begin anew, when the master key is lost or a key has leaked: every session ends
    Reset,
}

/// Does it.
pub(crate) async fn run(command: Command, config: &Config, output: Output) -> Result<(), Failure> {
    if let Command::Reset = command {
        return reset(config, output).await;
    }
    let provider = place::reach(config, Kind::Key).await?;
    let keys = provider.authority().keys();
    match command {
        Command::Rotate => {
            let next = keys.rotate().await?;
            output.show(&next, line(&next))
        }
        _ => show(keys, output),
    }
}

/// The ring may be one that cannot be opened, so that no provider can be put together.
async fn reset(config: &Config, output: Output) -> Result<(), Failure> {
    place::check_reachable(config, Kind::Key)?;
    let clock = Clock::system();
    let keys = Keys::reset(
        place::store(config, &clock)?,
        config.realm.as_str().into(),
        config.master_key()?,
        clock,
        config.policy.longest(),
    )
    .await?;
    show(&keys, output)
}

fn show(keys: &Keys, output: Output) -> Result<(), Failure> {
    let keys = keys.list();
    let lines: Vec<_> = keys.iter().map(line).collect();
    output.show(&json!(keys), lines.join("\n"))
}

fn line(key: &KeyInfo) -> String {
    let state = match key.state {
        KeyState::Next => "next, active from",
        KeyState::Active => "active since",
        KeyState::Retiring => "retiring, active since",
        KeyState::Gone => "gone, active since",
    };
    let gone = key.gone.map_or_else(String::new, |gone| format!(", gone {gone}"));
    format!("{}  {state} {}{gone}", key.id, key.active)
}
