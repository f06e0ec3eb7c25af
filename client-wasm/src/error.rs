//! What can go wrong, and what to do next.

use std::fmt;

use countersign_protocol::{discovery::Distrust, session::Offline, token::ErrorResponse};

/// Why something failed. Its text ends with what to do next; [`code`](Error::code) is for programs.
///
/// No error holds a token, a code or a URL with one in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The page is neither https nor on this machine, or this is no page at all.
    NotSecure,
    /// An option of `open` or `login` is missing or makes no sense.
    Option(&'static str),
    /// The issuer, or what it says of itself, is not believed.
    Provider(Distrust),
    /// No answer came from the provider.
    Unreachable,
    /// The provider answers, but not to pages of this origin.
    OriginRefused,
    /// The provider's answer cannot be read.
    Unreadable,
    /// The provider answered with this status, which says nothing about the request.
    Status(u16),
    /// This page's address is a callback, and this tab did not ask for it: a bookmark, a used one, or a forged one.
    CallbackUnknown,
    /// The callback names another issuer, or none though the provider always names itself (RFC 9207).
    CallbackIssuer,
    /// The provider refused, or the user did (`access_denied`).
    Refused(ErrorResponse),
    /// Nobody is signed in.
    SignedOut,
    /// Somebody is signed in, but the token is over and cannot be renewed now.
    Offline(Offline),
    /// The request goes to an origin that is not in `api`.
    NotListed,
    /// The API could not be reached, refused this page's origin, or redirected.
    Api,
}

impl Error {
    /// One word for programs: the provider's own (`invalid_grant`, `access_denied`) where it refused, else one of
    /// this crate's, with dashes.
    pub fn code(&self) -> &str {
        match self {
            Self::NotSecure => "insecure-page",
            Self::Option(_) => "bad-option",
            Self::Provider(Distrust::IssuerDiffers) => "issuer-mismatch",
            Self::Provider(_) => "provider-untrusted",
            Self::Unreachable => "unreachable",
            Self::OriginRefused => "origin-refused",
            Self::Unreadable | Self::Status(_) => "bad-answer",
            Self::CallbackUnknown => "callback-unknown",
            Self::CallbackIssuer => "callback-issuer",
            Self::Refused(refusal) => &refusal.error,
            Self::SignedOut => "signed-out",
            Self::Offline(_) => "offline",
            Self::NotListed => "origin-not-listed",
            Self::Api => "api-unreachable",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSecure => f.write_str(
                "this page has no WebCrypto or Web Locks; serve it by https, or from localhost",
            ),
            Self::Option(what) => write!(f, "{what}; mend the options of the call"),
            Self::Provider(why) => {
                write!(f, "{why}; compare `issuer` with what the provider announces")
            }
            Self::Unreachable => f.write_str(
                "the provider cannot be reached; try again, and see that the page's policy lists it in connect-src",
            ),
            Self::OriginRefused => f.write_str(
                "the provider does not answer pages of this origin; add it to the client: \
                 countersign client add --origin",
            ),
            Self::Unreadable => {
                f.write_str("the provider's answer cannot be read; try again, then tell its operator")
            }
            Self::Status(status) => {
                write!(f, "the provider answered with status {status}; try again later")
            }
            Self::CallbackUnknown => f.write_str(
                "this sign-in was not begun in this tab, or is over; call login() to begin anew",
            ),
            Self::CallbackIssuer => f.write_str(
                "the sign-in was answered by another provider than the one asked; call login() to begin anew",
            ),
            Self::Refused(refusal) => write!(f, "the provider refused: {refusal}"),
            Self::SignedOut => f.write_str("nobody is signed in; call login()"),
            Self::Offline(why) => {
                write!(f, "the token cannot be renewed now: {why}; try again, the session goes on")
            }
            Self::NotListed => f.write_str(
                "the request goes to an origin that may not see the token; list it in `api`",
            ),
            Self::Api => f.write_str(
                "the API cannot be reached, does not answer pages of this origin, or redirects; \
                 ask for its final address",
            ),
        }
    }
}

impl std::error::Error for Error {}

impl From<Distrust> for Error {
    fn from(why: Distrust) -> Self {
        Self::Provider(why)
    }
}
