//! What each page must tell.

use countersign_protocol::{Denied, ErrorCode};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// What one page must tell, with the template that shows it.
pub trait View: Serialize + Sized {
    /// The template's file name.
    const TEMPLATE: &'static str;

    /// Values as they occur, on which a set of templates is tried when it is read.
    fn samples() -> Vec<Self>;

    /// The one foreign origin to which the answer to this page's form may redirect.
    fn form_origin(&self) -> Option<&str> {
        None
    }
}

/// Asks for username and password.
#[derive(Clone, Debug, Serialize)]
pub struct SignIn<'a> {
    /// Where the form goes.
    pub action: &'a str,
    /// The unfinished flow, sealed.
    pub flow: &'a str,
    /// The application's name.
    pub client: &'a str,
    /// The host (or scheme) to which the browser will return.
    pub return_host: &'a str,
    /// What stands in the field for the name.
    pub username: &'a str,
    /// Why the last attempt did not succeed.
    pub problem: Option<Problem>,
    /// See [`View::form_origin`].
    #[serde(skip)]
    pub form_origin: Option<&'a str>,
}

/// Why an attempt to sign in did not succeed. It never tells whether the account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Username or password is wrong, or the account may not sign in.
    CredentialsWrong,
    /// The brakes hold this account or address.
    TooManyAttempts,
    /// The provider has too much to do.
    Busy,
}

impl Problem {
    /// The problem that trying again may help against; `None` for any other refusal.
    pub const fn of(denied: &Denied) -> Option<Self> {
        match denied {
            Denied::CredentialsWrong => Some(Self::CredentialsWrong),
            Denied::TooManyAttempts(_) => Some(Self::TooManyAttempts),
            Denied::Busy(_) => Some(Self::Busy),
            _ => None,
        }
    }
}

/// Asks whether the application may have what it asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Consent<'a> {
    /// Where the form goes.
    pub action: &'a str,
    /// The unfinished flow, sealed.
    pub flow: &'a str,
    /// The application's name.
    pub client: &'a str,
    /// The host (or scheme) to which the browser will return.
    pub return_host: &'a str,
    /// Who is signed in.
    pub user: &'a str,
    /// The scopes that are asked for, one by one.
    pub scopes: Vec<&'a str>,
    /// See [`View::form_origin`].
    #[serde(skip)]
    pub form_origin: Option<&'a str>,
}

/// Asks whether to sign out.
#[derive(Clone, Debug, Serialize)]
pub struct SignOut<'a> {
    /// Where the form goes.
    pub action: &'a str,
    /// What the form must bring back, sealed.
    pub flow: &'a str,
    /// Who is signed in.
    pub user: &'a str,
}

/// Says that something is done, with nothing to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The sign-in session has ended, or there was none.
    SignedOut,
    /// The user chose to stay signed in.
    StillIn,
}

/// Carries the user on to the application.
///
/// It needs no JavaScript, and is no redirect: a browser that holds a form to its page's `form-action` holds the
/// redirects of its answer to it as well, and those of the application's own pages behind them.
#[derive(Clone, Debug, Serialize)]
pub struct Continue<'a> {
    /// The application's name.
    pub client: &'a str,
    /// The host (or scheme) to which the browser returns.
    pub return_host: &'a str,
    /// The redirect URI with the answer in its query.
    pub url: &'a str,
    /// Whether the page goes on by itself. For a scheme of the application's own it must not: whoever claimed that
    /// scheme on the device would get the answer without the user's doing
    /// ([RFC 8252 §8.6](https://www.rfc-editor.org/rfc/rfc8252#section-8.6)).
    pub automatic: bool,
}

/// Says why a request got no other page.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    /// The rule that was broken.
    pub denied: &'a Denied,
    /// The request's name in the log.
    pub request: Option<&'a str>,
}

impl View for SignIn<'_> {
    const TEMPLATE: &'static str = "sign_in.html";

    fn samples() -> Vec<Self> {
        let sample = |problem: Option<Problem>| Self {
            action: "/oauth/sign-in",
            flow: "sealed",
            client: "Corner Shop",
            return_host: "shop.example",
            username: if problem.is_some() { "alice" } else { "" },
            problem,
            form_origin: None,
        };
        let problems = [
            None,
            Some(Problem::CredentialsWrong),
            Some(Problem::TooManyAttempts),
            Some(Problem::Busy),
        ];
        problems.into_iter().map(sample).collect()
    }

    fn form_origin(&self) -> Option<&str> {
        self.form_origin
    }
}

impl View for Consent<'_> {
    const TEMPLATE: &'static str = "consent.html";

    fn samples() -> Vec<Self> {
        let sample = |scopes| Self {
            action: "/oauth/consent",
            flow: "sealed",
            client: "Corner Shop",
            return_host: "shop.example",
            user: "alice",
            scopes,
            form_origin: None,
        };
        vec![sample(vec!["profile", "email", "offline_access", "orders:read"]), sample(vec![])]
    }

    fn form_origin(&self) -> Option<&str> {
        self.form_origin
    }
}

impl View for SignOut<'_> {
    const TEMPLATE: &'static str = "sign_out.html";

    fn samples() -> Vec<Self> {
        vec![Self { action: "/oauth/logout", flow: "sealed", user: "alice" }]
    }
}

impl View for Notice {
    const TEMPLATE: &'static str = "notice.html";

    fn samples() -> Vec<Self> {
        vec![Self::SignedOut, Self::StillIn]
    }
}

impl View for Continue<'_> {
    const TEMPLATE: &'static str = "continue.html";

    fn samples() -> Vec<Self> {
        let sample = |automatic| Self {
            client: "Corner Shop",
            return_host: "shop.example",
            url: "https://shop.example/cb?code=c&state=s",
            automatic,
        };
        vec![sample(false), sample(true)]
    }
}

impl View for Failure<'_> {
    const TEMPLATE: &'static str = "error.html";

    fn samples() -> Vec<Self> {
        let sample = |denied| Self { denied, request: Some("0192f0c1") };
        vec![
            sample(&Denied::RedirectUriMismatch),
            sample(&Denied::FlowLost),
            sample(&Denied::ForeignForm),
            sample(&Denied::StoreUnavailable),
            sample(&Denied::Internal),
            Self { denied: &Denied::ClientUnknown, request: None },
        ]
    }
}

impl Serialize for Notice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let notice = match self {
            Self::SignedOut => "signed_out",
            Self::StillIn => "still_in",
        };
        let mut fields = serializer.serialize_struct("Notice", 1)?;
        fields.serialize_field("notice", notice)?;
        fields.end()
    }
}

impl Serialize for Failure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Failure", 4)?;
        fields.serialize_field("title", title(self.denied))?;
        fields.serialize_field("reason", &self.denied.to_string())?;
        fields.serialize_field("code", self.denied.code().as_str())?;
        fields.serialize_field("request", &self.request)?;
        fields.end()
    }
}

/// The text above an error: what the user can do about it.
fn title(denied: &Denied) -> &'static str {
    match (denied, denied.code()) {
        (Denied::FlowLost | Denied::AnsweredAlready, _) => "error_lost",
        (_, ErrorCode::Forbidden) => "error_forbidden",
        (_, ErrorCode::TemporarilyUnavailable | ErrorCode::TooManyRequests) => "error_wait",
        (_, ErrorCode::ServerError) => "error_fault",
        _ => "error_refused",
    }
}
