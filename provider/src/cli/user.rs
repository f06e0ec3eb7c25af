//! `countersign user`.

use std::io::IsTerminal as _;

use clap::{Args, Subcommand};
use countersign_protocol::{Secret, username::Username};
use countersign_provider::{
    authority::{Authority, NewPassword, NewUser, UserInfo},
    store::Kind,
};
use serde_json::{Value, json};

use super::{Failure, Output, listing, output::members, place, secret};
use crate::config::Config;

/// What can be done with users.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a user; without --password-stdin it asks on a terminal, else a generated password is shown once
    Add(Add),
    /// List the users
    List,
    /// Show a user
    Show(One),
    /// Switch a user off; all that they agreed to ends
    Disable(One),
    /// Switch a user on again
    Enable(One),
    /// Delete a user; all that they agreed to ends
    Delete(One),
    /// Give a user a new password; all that they agreed to ends
    Password {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        input: Input,
    },
}

/// A user to be added.
#[derive(Args)]
pub(crate) struct Add {
    #[command(flatten)]
    one: One,
    /// Their e-mail address
    #[arg(long)]
    email: Option<String>,
    /// What they are called
    #[arg(long, value_name = "WORDS")]
    display_name: Option<String>,
    /// They may manage the provider
    #[arg(long)]
    admin: bool,
    #[command(flatten)]
    input: Input,
}

/// Which user.
#[derive(Args)]
pub(crate) struct One {
    /// The name that the user signs in with
    name: String,
}

/// Where a password comes from: never from the command line, which other users of the machine can see.
#[derive(Args)]
pub(crate) struct Input {
    /// Take the password from standard input, a line
    #[arg(long)]
    password_stdin: bool,
}

/// Does it.
pub(crate) async fn run(command: Command, config: &Config, output: Output) -> Result<(), Failure> {
    let provider = place::reach(config, Kind::User).await?;
    let authority = provider.authority();
    match command {
        Command::Add(add) => register(authority, add, output).await,
        Command::List => list(authority, output).await,
        Command::Show(One { name }) => {
            let user = authority.show_user(&name).await?;
            let value = describe(&user);
            output.show(&value, members(&value))
        }
        Command::Disable(One { name }) => {
            authority.disable_user(&name, true).await?;
            done(output, &name, "disabled")
        }
        Command::Enable(One { name }) => {
            authority.disable_user(&name, false).await?;
            done(output, &name, "enabled")
        }
        Command::Delete(One { name }) => {
            authority.delete_user(&name).await?;
            done(output, &name, "deleted")
        }
        Command::Password { one, input } => change(authority, &one.name, &input, output).await,
    }
}

async fn register(authority: &Authority, add: Add, output: Output) -> Result<(), Failure> {
    let password = add.input.password()?;
    let added = authority.add_user(NewUser {
        username: add.one.name,
        password,
        name: add.display_name,
        email: add.email,
        admin: add.admin,
    });
    let added = added.await?;
    let mut value = describe(&added.user);
    let mut words = members(&value);
    if let Some(password) = added.password {
        value["password"] = password.expose().into();
        words = format!("{words}\n{}", only_now(&password));
    }
    output.show(&value, words)
}

async fn change(
    authority: &Authority,
    name: &str,
    input: &Input,
    output: Output,
) -> Result<(), Failure> {
    // Before anybody types a password in vain.
    authority.show_user(name).await?;
    let generated = authority.set_password(name, input.password()?).await?;
    match generated {
        None => done(output, name, "has the new password"),
        Some(password) => output
            .show(&json!({ "username": name, "password": password.expose() }), only_now(&password)),
    }
}

fn only_now(password: &Secret) -> String {
    format!(
        "password: {}\nThe password is shown this once; nobody can read it again.",
        password.expose()
    )
}

async fn list(authority: &Authority, output: Output) -> Result<(), Failure> {
    let users = listing::all(async |page| authority.list_users(page).await).await?;
    let values: Vec<_> = users.iter().map(describe).collect();
    let lines: Vec<_> = users.iter().map(line).collect();
    output.show(&values, lines.join("\n"))
}

fn done(output: Output, name: &str, what: &str) -> Result<(), Failure> {
    output.show(&json!({ "username": name, "done": what }), format!("user {} {what}", shown(name)))
}

/// A name as it is kept, so that nothing in it moves a terminal's cursor.
fn shown(name: &str) -> String {
    Username::new(name).map_or_else(String::new, |name| name.to_string())
}

fn describe(user: &UserInfo) -> Value {
    let profile = &user.profile;
    json!({
        "username": profile.username,
        "subject": user.subject,
        "name": profile.name,
        "email": profile.email,
        "admin": profile.admin,
        "disabled": user.disabled,
        "has_password": user.has_password,
        "created": user.created.map(|created| created.to_string()),
    })
}

fn line(user: &UserInfo) -> String {
    let profile = &user.profile;
    let email = profile.email.as_deref().unwrap_or("-");
    let admin = if profile.admin { "  admin" } else { "" };
    let off = if user.disabled { "  disabled" } else { "" };
    format!("{}  {}  {email}{admin}{off}", profile.username, user.subject)
}

impl Input {
    /// From standard input, from the terminal, or generated where there is none.
    fn password(&self) -> Result<NewPassword, Failure> {
        if self.password_stdin {
            return secret::from_stdin().map(NewPassword::Given);
        }
        if std::io::stdin().is_terminal() {
            return secret::from_terminal().map(NewPassword::Given);
        }
        Ok(NewPassword::Generated)
    }
}
