//! `countersign client`.

use std::{fmt::Write as _, time::Duration};

use clap::{Args, Subcommand};
use countersign_protocol::{ClientId, Secret, client::Client};
use countersign_provider::{
    authority::{Authority, Registered},
    store::Kind,
};
use serde_json::{Value, json};

use super::{Failure, Output, listing, output::members, place, secret};
use crate::config::{ClientSpec, Config, Span, by_name};

/// What can be done with clients.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a client; a secret is generated and shown once, unless it is public
    Add(Box<Add>),
    /// List the clients
    List,
    /// Show a client
    Show(One),
    /// Switch a client off; all that it holds ends
    Disable(One),
    /// Switch a client on again
    Enable(One),
    /// Delete a client; all that it holds ends
    Delete(One),
    /// Give a client a new secret, shown once
    RotateSecret {
        #[command(flatten)]
        one: One,
        /// How long the old secret holds
        #[arg(long, default_value = "0s", value_name = "DURATION")]
        overlap: Span,
        #[command(flatten)]
        input: Input,
    },
}

/// A client and where its secret comes from.
#[derive(Args)]
pub(crate) struct Add {
    #[command(flatten)]
    spec: ClientSpec,
    #[command(flatten)]
    input: Input,
}

/// Which client.
#[derive(Args)]
pub(crate) struct One {
    /// The client's id
    #[arg(value_parser = by_name::<ClientId>)]
    id: ClientId,
}

/// Where a secret comes from: never from the command line, which other users of the machine can see.
#[derive(Args)]
pub(crate) struct Input {
    /// Take the secret from standard input, a line, instead of generating one
    #[arg(long)]
    secret_stdin: bool,
}

/// Does it.
pub(crate) async fn run(command: Command, config: &Config, output: Output) -> Result<(), Failure> {
    let provider = place::reach(config, Kind::Client).await?;
    let authority = provider.authority();
    match command {
        Command::Add(add) => register(authority, &add, output).await,
        Command::List => list(authority, output).await,
        Command::Show(One { id }) => {
            let (client, disabled) = authority.show_client(&id).await?;
            let value = describe(&client, disabled);
            output.show(&value, members(&value))
        }
        Command::Disable(One { id }) => {
            authority.disable_client(&id, true).await?;
            done(output, &id, "disabled")
        }
        Command::Enable(One { id }) => {
            authority.disable_client(&id, false).await?;
            done(output, &id, "enabled")
        }
        Command::Delete(One { id }) => {
            authority.delete_client(&id).await?;
            done(output, &id, "deleted")
        }
        Command::RotateSecret { one: One { id }, overlap, input } => {
            rotate(authority, &id, overlap.into(), &input, output).await
        }
    }
}

async fn register(authority: &Authority, add: &Add, output: Output) -> Result<(), Failure> {
    let client = add.spec.client()?;
    let given = add.input.secret()?;
    if client.is_public() && given.is_some() {
        return Err(Failure::Input(
            "a public client has no secret; leave --secret-stdin or --public out".into(),
        ));
    }
    let shows = given.is_none();
    let Registered { client, secret } = authority.register(client, given).await?;
    let mut value = describe(&client, false);
    let mut words = format!("client_id      {}", client.client_id);
    if let Some(secret) = secret.filter(|_| shows) {
        value["client_secret"] = secret.expose().into();
        let _ = write!(words, "\n{}", only_now(&secret));
    }
    output.show(&value, words)
}

async fn rotate(
    authority: &Authority,
    id: &ClientId,
    overlap: Duration,
    input: &Input,
    output: Output,
) -> Result<(), Failure> {
    let given = input.secret()?;
    let shows = given.is_none();
    let secret = authority.rotate_secret(id, given, overlap).await?;
    if !shows {
        return done(output, id, "has the new secret");
    }
    output.show(
        &json!({ "client_id": id, "client_secret": secret.expose() }),
        format!("client_id      {id}\n{}", only_now(&secret)),
    )
}

fn only_now(secret: &Secret) -> String {
    format!(
        "client_secret  {}\nThe secret is shown this once; nobody can read it again.",
        secret.expose()
    )
}

async fn list(authority: &Authority, output: Output) -> Result<(), Failure> {
    let clients = listing::all(async |page| authority.list_clients(page).await).await?;
    let describe = |(client, disabled): &(Client, bool)| describe(client, *disabled);
    let line = |(client, disabled): &(Client, bool)| line(client, *disabled);
    let values: Vec<_> = clients.iter().map(describe).collect();
    let lines: Vec<_> = clients.iter().map(line).collect();
    output.show(&values, lines.join("\n"))
}

fn done(output: Output, id: &ClientId, what: &str) -> Result<(), Failure> {
    output.show(&json!({ "client_id": id, "done": what }), format!("client {id} {what}"))
}

/// What is registered, under the names of the registry of client metadata; of secrets nothing.
fn describe(client: &Client, disabled: bool) -> Value {
    let mut value = serde_json::to_value(client).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.remove("secrets");
        members.insert("disabled".into(), disabled.into());
    }
    value
}

fn line(client: &Client, disabled: bool) -> String {
    let grants: Vec<_> = client.grant_types.iter().map(|it| it.as_str()).collect();
    let kind = if client.is_public() { "public" } else { "confidential" };
    let off = if disabled { "  disabled" } else { "" };
    format!("{}  {kind}  {}{off}", client.client_id, grants.join(","))
}

impl Input {
    /// The secret from standard input, if it is to come from there.
    fn secret(&self) -> Result<Option<Secret>, Failure> {
        self.secret_stdin.then(secret::from_stdin).transpose()
    }
}
