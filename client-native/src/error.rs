//! What can go wrong, and what to do about it.

use std::borrow::Cow;

use countersign_protocol::{
    discovery::Distrust,
    login::Callback,
    session::{Offline, Out},
    token::ErrorResponse,
};

use crate::storage::StorageError;

/// Why something did not come about. [`Error::advice`] tells what to do next. No message holds a token, a code, a
/// password or a URL with one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client was built with a value that makes no sense.
    #[error("the client's configuration is wrong: {0}")]
    Configuration(Cow<'static, str>),
    /// The issuer's name or its metadata cannot be trusted.
    #[error("the provider is not to be trusted: {0}")]
    Distrust(#[from] Distrust),
    /// The tokens cannot be renewed, or a sign-in cannot go on, for now.
    #[error("offline: {0}")]
    Offline(Offline),
    /// Nobody is signed in any more.
    #[error("signed out: {0}")]
    SignedOut(Out),
    /// The provider refuses the sign-in: wrong password, denied consent, wrong client credentials.
    #[error("the provider refuses: {0}")]
    Refused(ErrorResponse),
    /// What came back from the browser must not be used.
    #[error("the sign-in was broken off: {0}")]
    Callback(Callback),
    /// Nobody came back from the browser in time.
    #[error("nobody finished the sign-in in time")]
    LoginTimedOut,
    /// The answers of a sign-in cannot be received on this machine.
    #[error("no port of 127.0.0.1 can be listened on")]
    Listen(#[source] std::io::Error),
    /// The place where the session is kept does not work. Nothing was lost by it.
    #[error("the kept session cannot be used")]
    Storage(#[from] StorageError),
    /// The request would have carried the token to an origin that is not on the list: add it by
    /// [`Builder::api`](crate::Builder::api) if it is yours.
    #[error("no token goes to {0}: it is not among the client's `.api(…)` origins")]
    Foreign(String),
    /// The API redirected more often than a request follows.
    #[error("the API redirects without end")]
    Redirects,
    /// The request itself failed, before or behind all that has to do with the session.
    #[error("the request failed")]
    Http(#[source] reqwest::Error),
}

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Ask again a little later; the session is still there.
    Retry,
    /// Let the user sign in (again).
    SignIn,
    /// Change the configuration of this client, of its storage or of the provider; asking again changes nothing.
    Reconfigure,
    /// Ask no more: the API or the caller is at fault.
    GiveUp,
}

impl Error {
    /// What to do next.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Offline(Offline::Refused(_))
            | Self::Configuration(_)
            | Self::Distrust(_)
            | Self::Listen(_)
            | Self::Storage(_)
            | Self::Foreign(_) => Advice::Reconfigure,
            Self::SignedOut(_) | Self::Callback(_) | Self::LoginTimedOut => Advice::SignIn,
            Self::Refused(refusal) => match refusal.error.as_ref() {
                "invalid_grant" | "access_denied" | "login_required" => Advice::SignIn,
                _ => Advice::Reconfigure,
            },
            Self::Redirects => Advice::GiveUp,
            Self::Http(error) if error.is_builder() => Advice::GiveUp,
            Self::Offline(_) | Self::Http(_) => Advice::Retry,
        }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl From<Out> for Error {
    fn from(out: Out) -> Self {
        Self::SignedOut(out)
    }
}
