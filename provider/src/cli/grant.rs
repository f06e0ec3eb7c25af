//! `countersign grant`.

use clap::{Args, Subcommand};
use countersign_protocol::{ClientId, Denied, Subject, id::GrantId};
use countersign_provider::{
    authority::{Authority, GrantInfo, Which},
    store::Kind,
};
use serde_json::{Value, json};

use super::{Failure, Output, listing, place};
use crate::config::{Config, by_name};

/// What can be done with grants.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the grants that are kept; one that its only token carries is in no list
    List(Of),
    /// Revoke a grant, or all of a user, of a client, or of a user with a client
    Revoke {
        /// The grant's id
        #[arg(required_unless_present_any = ["subject", "client"], conflicts_with_all = ["subject", "client"])]
        id: Option<String>,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose grants.
#[derive(Args)]
pub(crate) struct Of {
    /// Those of this user, by subject
    #[arg(long, value_parser = by_name::<Subject>)]
    subject: Option<Subject>,
    /// Those of this client
    #[arg(long, value_parser = by_name::<ClientId>)]
    client: Option<ClientId>,
}

/// Does it.
pub(crate) async fn run(command: Command, config: &Config, output: Output) -> Result<(), Failure> {
    let provider = place::reach(config, Kind::Grant).await?;
    let authority = provider.authority();
    match command {
        Command::List(of) => list(authority, of, output).await,
        Command::Revoke { id: Some(id), .. } => revoke(authority, &id, output).await,
        Command::Revoke { id: None, of } => end(authority, of, output).await,
    }
}

async fn list(authority: &Authority, of: Of, output: Output) -> Result<(), Failure> {
    let which = match (&of.subject, &of.client) {
        (Some(subject), _) => Which::Subject(subject.clone()),
        (None, Some(client)) => Which::Client(client.clone()),
        (None, None) => Which::All,
    };
    let mut grants = listing::all(async |page| authority.list_grants(&which, page).await).await?;
    if let Some(client) = &of.client {
        grants.retain(|info| info.grant.client == *client);
    }
    let values: Vec<_> = grants.iter().map(describe).collect();
    let lines: Vec<_> = grants.iter().map(line).collect();
    output.show(&values, lines.join("\n"))
}

async fn revoke(authority: &Authority, id: &str, output: Output) -> Result<(), Failure> {
    let unknown = || Failure::NoGrant(id.into());
    let parsed: GrantId = id.parse().map_err(|_| unknown())?;
    match authority.revoke_grant(parsed).await {
        Err(Denied::TokenUnknown) => Err(unknown()),
        done => {
            done?;
            output.show(&json!({ "grant": id, "done": "revoked" }), format!("grant {id} revoked"))
        }
    }
}

async fn end(authority: &Authority, of: Of, output: Output) -> Result<(), Failure> {
    let Of { subject, client } = of;
    match (&subject, &client) {
        (Some(subject), Some(client)) => authority.end_grants_of(client, subject).await?,
        (Some(subject), None) => authority.end_grants_of_subject(subject).await?,
        (None, Some(client)) => authority.end_grants_of_client(client).await?,
        (None, None) => {}
    }
    output.show(
        &json!({ "subject": subject, "client": client, "done": "revoked" }),
        "all of these grants are revoked",
    )
}

fn describe(info: &GrantInfo) -> Value {
    let grant = &info.grant;
    json!({
        "grant": info.id.to_string(),
        "client": grant.client,
        "subject": grant.subject,
        "grant_type": grant.grant_type,
        "scope": grant.scope,
        "issued": grant.issued.to_string(),
        "ends": grant.cap.to_string(),
        "holds": info.holds,
    })
}

fn line(info: &GrantInfo) -> String {
    let grant = &info.grant;
    let subject = grant.subject.as_ref().map_or("-", Subject::as_str);
    let ended = if info.holds { "" } else { "  ended" };
    format!(
        "{}  {}  {subject}  {}  {}{ended}",
        info.id, grant.client, grant.grant_type, grant.scope
    )
}
