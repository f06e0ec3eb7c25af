//! The ways to sign in.

mod loopback;
mod page;

use std::fmt;

use countersign_protocol::{
    Secret,
    discovery::Checked,
    login::password_form,
    session::{
        Offline, Tokens,
        refresh::{Answer, Request},
    },
    token::TokenResponse,
};

pub use self::loopback::Loopback;
use crate::{client::Client, error::Error};

/// A way to sign in, for [`Client::login`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Login {
    /// By a browser on this machine.
    Loopback(Loopback),
    /// By username and password.
    Password(Password),
    /// As the client itself.
    ClientCredentials(ClientCredentials),
}

impl From<Loopback> for Login {
    fn from(loopback: Loopback) -> Self {
        Self::Loopback(loopback)
    }
}

impl From<Password> for Login {
    fn from(password: Password) -> Self {
        Self::Password(password)
    }
}

impl From<ClientCredentials> for Login {
    fn from(client_credentials: ClientCredentials) -> Self {
        Self::ClientCredentials(client_credentials)
    }
}

/// The user's name and password ([RFC 6749 §4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)), for a first-party
/// client that cannot show the provider's page. Second factors and passkeys are out of its reach: prefer [`Loopback`].
pub struct Password {
    username: String,
    password: Secret,
}

impl Password {
    /// The user's name and password, as they typed them.
    pub fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { username: username.into(), password: password.into() }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// The client's own secret, for a service that acts for nobody but itself
/// ([RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
#[derive(Clone, Copy, Debug)]
pub struct ClientCredentials;

impl Login {
    pub(crate) async fn run(self, client: &Client, provider: &Checked) -> Result<Tokens, Error> {
        let endpoint = provider.token_endpoint()?;
        match self {
            Self::Loopback(loopback) => {
                let returned = loopback.run(client, provider).await?;
                let since = client.now();
                let answer = client.ask(endpoint, returned.form()).await;
                Ok(Tokens::of_login(granted(answer)?, returned.scope(), since))
            }
            Self::Password(Password { username, password }) => {
                let since = client.now();
                let form = password_form(&username, &password, client.scope());
                let answer = client.ask(endpoint, form).await;
                Ok(Tokens::of_login(granted(answer)?, client.scope(), since))
            }
            Self::ClientCredentials(_) => by_client(client, endpoint).await,
        }
    }
}

async fn by_client(client: &Client, endpoint: &str) -> Result<Tokens, Error> {
    if !client.has_secret() {
        let what = "client credentials need `.client_secret(…)`";
        return Err(Error::Configuration(what.into()));
    }
    let request = Request::ClientCredentials(client.scope().cloned());
    let since = client.now();
    let answer = client.ask(endpoint, request.form()).await;
    Ok(Tokens::of_client(granted(answer)?, client.scope(), since))
}

/// The tokens. An answer that was lost is not asked for again: a code is sent once.
fn granted(answer: Answer) -> Result<TokenResponse, Error> {
    match answer {
        Answer::Tokens(tokens) => Ok(tokens),
        Answer::Refused(_, refusal) => Err(Error::Refused(refusal.printable())),
        Answer::Failed { status, .. } => Err(Offline::Provider(status).into()),
        Answer::NotSent => Err(Offline::Unreachable.into()),
        Answer::Lost => Err(Offline::Unanswered.into()),
    }
}
