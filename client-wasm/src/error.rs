//! What can go wrong, and what to do next.

use std::fmt;

use countersign_protocol::{discovery::Distrust, session::Offline, token::ErrorResponse};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::js::text;

pub(crate) type Result<T> = std::result::Result<T, Thrown>;

/// Why something failed. Its text ends with what to do next.
///
/// No error holds a token, a code or a URL with one in it.
#[derive(Clone, Debug)]
pub struct Error {
    code: String,
    message: String,
}

impl Error {
    /// One word for programs: the provider's own (`invalid_grant`, `access_denied`) where it refused, else one of this
    /// crate's, with dashes: `oauth_client.d.ts` lists them.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<JsValue> for Error {
    /// What the shell throws.
    fn from(thrown: JsValue) -> Self {
        let text = |name| text(&thrown, name).unwrap_or_default();
        Self { code: text("code"), message: text("message") }
    }
}

/// Why something failed, as it is decided here.
#[derive(Debug)]
pub enum Failure {
    /// One of [`OWN`], by its code.
    Own(&'static str),
    /// An option of `open` or `login` is missing or makes no sense.
    Option(&'static str),
    /// The issuer, or what it says of itself, is not believed.
    Provider(Distrust),
    /// The provider answered with this status, which says nothing about the request.
    Status(u16),
    /// The provider refused, or the user did (`access_denied`).
    Refused(ErrorResponse),
    /// Somebody is signed in, but the token is over and cannot be renewed now.
    Offline(Offline),
}

/// What needs no more than a text, by its code. No text holds a token, a code or a URL with one in it.
const OWN: [(&str, &str); 11] = [
    (
        "insecure-page",
        "this page has no WebCrypto or Web Locks; serve it by https, or from localhost",
    ),
    (
        "unreachable",
        "the provider cannot be reached; try again, and see that the page's policy lists it in connect-src",
    ),
    (
        "origin-refused",
        "the provider does not answer pages of this origin; add it to the client: countersign client add --origin",
    ),
    ("bad-answer", "the provider's answer cannot be read; try again, then tell its operator"),
    (
        "callback-unknown",
        "this sign-in was not begun in this tab, or is over; call login() to begin anew",
    ),
    (
        "callback-issuer",
        "the sign-in was answered by another provider than the one asked; call login() to begin anew",
    ),
    ("signed-out", "nobody is signed in; call login()"),
    (
        "origin-not-listed",
        "the request goes to an origin that may not see the token; list it in `api`",
    ),
    (
        "api-unreachable",
        "the API cannot be reached, does not answer pages of this origin, or redirects; see that it runs, \
         lets this origin in, and is asked at its final address",
    ),
    (
        "storage-blocked",
        "sessionStorage is blocked or full, and a sign-in by redirect needs it; let the browser keep data of this site",
    ),
    (
        "bad-option",
        "the address or the options of the request make no sense, or its mode is no-cors, which carries no token; \
         mend the options of the call",
    ),
];

impl Failure {
    /// One of the client's own, by its code.
    pub(crate) fn own(code: &str) -> Self {
        let own = OWN.iter().find(|own| own.0 == code);
        Self::Own(own.unwrap_or(&OWN[0]).0)
    }

    /// One word for programs: the provider's own (`invalid_grant`, `access_denied`) where it refused, else one of
    /// this client's, with dashes.
    fn code(&self) -> &str {
        match self {
            Self::Own(code) => code,
            Self::Option(_) => "bad-option",
            Self::Provider(Distrust::IssuerDiffers) => "issuer-mismatch",
            Self::Provider(_) => "provider-untrusted",
            Self::Status(_) => "bad-answer",
            Self::Refused(refusal) => &refusal.error,
            Self::Offline(_) => "offline",
        }
    }

    fn message(&self) -> String {
        let why: String;
        let (before, between, after): (&str, &str, &str) = match self {
            Self::Own(code) => {
                (OWN.iter().find(|own| own.0 == *code).map_or("", |own| own.1), "", "")
            }
            Self::Option(what) => (what, "", "; mend the options of the call"),
            Self::Provider(distrust) => {
                why = distrust.text();
                (&why, "", "; compare `issuer` with what the provider announces")
            }
            Self::Status(status) => {
                why = status.to_string();
                ("the provider answered with status ", &why, "; try again later")
            }
            Self::Refused(refusal) => {
                why = refusal.text();
                ("the provider refused: ", &why, "; call login() to try again")
            }
            Self::Offline(offline) => {
                why = offline.text();
                ("the token cannot be renewed now: ", &why, "; try again, the session goes on")
            }
        };
        let mut message = before.to_owned();
        message.push_str(between);
        message.push_str(after);
        message
    }
}

/// A [`Failure`] as the shell catches it. Made at once, it is a mere handle.
#[derive(Debug)]
pub struct Thrown(JsValue);

impl From<Failure> for Thrown {
    fn from(why: Failure) -> Self {
        Self(failure(why.code(), &why.message()))
    }
}

impl From<Distrust> for Thrown {
    fn from(why: Distrust) -> Self {
        Failure::Provider(why).into()
    }
}

impl From<Thrown> for JsValue {
    fn from(thrown: Thrown) -> Self {
        thrown.0
    }
}

#[wasm_bindgen(module = "/src/error.js")]
extern "C" {
    /// A JavaScript error with `name` and `code`.
    fn failure(code: &str, message: &str) -> JsValue;
}

#[cfg(test)]
mod tests {
    use super::OWN;

    /// A code that is misspelled would be another error's.
    #[test]
    fn every_code_that_is_used_has_a_text() {
        let sources = [
            include_str!("client.js"),
            include_str!("session.js"),
            include_str!("login.rs"),
            include_str!("session.rs"),
            include_str!("transport.rs"),
        ];
        let used = sources.into_iter().flat_map(|source| {
            let calls = source.split("tab.error(").chain(source.split("Failure::Own("));
            calls.flat_map(|rest| {
                rest.lines().next().unwrap_or_default().split('"').skip(1).step_by(2)
            })
        });
        let used: Vec<_> = used.filter(|it| it.contains('-') || *it == "unreachable").collect();
        assert!(used.len() > 10, "{used:?}");
        for code in used {
            assert!(OWN.iter().any(|own| own.0 == code), "{code}");
        }
    }
}
