//! Signing in, from the client's side: the authorization request
//! ([RFC 6749 §4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1)), what comes back from it, and the requests
//! to the token endpoint.
//!
//! The steps are values that only the step before can make: [`start`] gives the URL and a [`Pending`];
//! [`Pending::check`] turns the redirect that came back into a [`Returned`]; its [`form`](Returned::form) is what the
//! token endpoint gets, once: an exchange whose answer was lost is not repeated, the sign-in begins anew.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use crate::{
    discovery::{Checked, Distrust},
    form::{self, Form},
    id::{self, ClientId},
    pkce,
    scope::Scope,
    secret::Secret,
    session::refresh::Request,
    token::ErrorResponse,
};

/// An authorization request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Started {
    /// The URL to open in a browser: `https`, or `http` on this machine.
    pub url: String,
    /// What the answer is checked against.
    pub pending: Pending,
}

/// An authorization request whose answer is awaited. It must stay with whoever began it: the file or browser session
/// that keeps it is what binds the answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    state: Secret,
    verifier: Secret,
    issuer: String,
    names_issuer: bool,
    redirect_uri: String,
    scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_to: Option<ReturnTo>,
}

/// Where a page goes on after a sign-in: a path of its own origin, with query and fragment if need be. An address that
/// anybody else could have put there would make the page an open redirect
/// ([RFC 9700 §4.11](https://www.rfc-editor.org/rfc/rfc9700#section-4.11)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Reads a path; `None` for what a browser could read as another origin's address: it begins with one slash, no
    /// other and no backslash follows, and nothing in it is a control character, which browsers leave out.
    pub fn parse(path: &str) -> Option<Self> {
        let second = path.strip_prefix('/')?.as_bytes().first();
        let local = !matches!(second, Some(b'/' | b'\\'));
        (local && !path.bytes().any(|byte| byte.is_ascii_control())).then(|| Self(path.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Begins a sign-in by authorization code with PKCE. State and verifier have 256 bits each, of `random`.
///
/// [`Distrust`] when the provider offers no authorization endpoint or no `S256`.
pub fn start(
    provider: &Checked,
    client_id: &ClientId,
    redirect_uri: &str,
    scope: Option<&Scope>,
    random: &[[u8; 32]; 2],
) -> Result<Started, Distrust> {
    let endpoint = provider.authorization_endpoint()?;
    let (verifier, challenge) = pkce::pair(&random[0]);
    let state = id::encode(&random[1]);
    let parameters = [
        ("response_type", "code"),
        ("client_id", client_id.as_str()),
        ("redirect_uri", redirect_uri),
        ("state", &state),
        ("code_challenge", &challenge.text()),
        ("code_challenge_method", pkce::METHOD),
    ];
    let mut url = form::append_to_uri(endpoint, parameters);
    if let Some(scope) = scope {
        form::push(&mut url, "scope", scope.as_str());
    }
    let pending = Pending {
        verifier,
        issuer: provider.metadata().issuer.clone(),
        names_issuer: provider.metadata().authorization_response_iss_parameter_supported,
        redirect_uri: redirect_uri.to_owned(),
        scope: scope.cloned(),
        state: Secret::new(state),
        return_to: None,
    };
    Ok(Started { url, pending })
}

/// Why what came back is no code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback {
    /// It is not the answer to this request: its state is missing or another
    /// ([RFC 9700 §4.7](https://www.rfc-editor.org/rfc/rfc9700#section-4.7)), or it is no well-formed answer at all.
    /// Whoever sent it is not the provider; go on waiting.
    NotOurs,
    /// It names another issuer, or none although the provider announced that it would
    /// ([RFC 9207 §2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)): the sign-in must not go on.
    WrongIssuer,
    /// It has neither a code nor an error.
    Empty,
    /// The provider or the user refused ([RFC 6749 §4.1.2.1]).
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    Refused(ErrorResponse),
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("it is not the answer to this sign-in"),
            Self::WrongIssuer => f.write_str("the answer comes from another issuer"),
            Self::Empty => f.write_str("the answer has neither a code nor an error"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Callback {}

impl Pending {
    /// It, with where to go on.
    pub fn returning_to(self, return_to: Option<ReturnTo>) -> Self {
        Self { return_to, ..self }
    }

    /// Where to go on when the answer is here.
    pub fn return_to(&self) -> Option<&ReturnTo> {
        self.return_to.as_ref()
    }

    /// It as text, for a place that keeps no JSON.
    pub fn to_text(&self) -> Secret {
        Secret::new(form::encode([
            ("state", self.state.expose()),
            ("verifier", self.verifier.expose()),
            ("issuer", &self.issuer),
            ("names_issuer", if self.names_issuer { "1" } else { "0" }),
            ("redirect_uri", &self.redirect_uri),
            // An empty one is read as none.
            ("scope", self.scope.as_ref().map_or("", Scope::as_str)),
            ("return_to", self.return_to.as_ref().map_or("", ReturnTo::as_str)),
        ]))
    }

    /// Reads [`to_text`](Self::to_text); `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let form = Form::parse(text.as_bytes()).ok()?;
        let get = |name| form.get(name).ok().flatten();
        let (state, verifier) = (get("state")?, get("verifier")?);
        let (issuer, redirect_uri) = (get("issuer")?, get("redirect_uri")?);
        let names_issuer = get("names_issuer")? != "0";
        Some(Self {
            state: state.into(),
            verifier: verifier.into(),
            issuer: issuer.to_owned(),
            names_issuer,
            redirect_uri: redirect_uri.to_owned(),
            scope: get("scope").and_then(|scope| scope.parse().ok()),
            return_to: get("return_to").and_then(ReturnTo::parse),
        })
    }

    /// Checks the query of the redirect that came back.
    pub fn check(&self, query: &str) -> Result<Returned, Callback> {
        let form = Form::parse(query.as_bytes()).map_err(|_| Callback::NotOurs)?;
        let get = |name| form.get(name).map_err(|_| Callback::NotOurs);
        let state = get("state")?.map(Secret::from);
        if !state.is_some_and(|state| state.matches(&self.state)) {
            return Err(Callback::NotOurs);
        }
        match get("iss")? {
            Some(issuer) if issuer != self.issuer => return Err(Callback::WrongIssuer),
            None if self.names_issuer => return Err(Callback::WrongIssuer),
            _ => {}
        }
        if let Some(error) = get("error")? {
            let description = get("error_description")?;
            return Err(Callback::Refused(refusal(error, description)));
        }
        Ok(Returned {
            code: get("code")?.ok_or(Callback::Empty)?.into(),
            verifier: self.verifier.clone(),
            redirect_uri: self.redirect_uri.clone(),
            scope: self.scope.clone(),
        })
    }
}

fn refusal(error: &str, description: Option<&str>) -> ErrorResponse {
    let owned = |text: &str| text.to_owned().into();
    ErrorResponse { error: owned(error), error_description: description.map(owned) }.printable()
}

/// A code that passed [`Pending::check`].
#[derive(Debug)]
pub struct Returned {
    code: Secret,
    verifier: Secret,
    redirect_uri: String,
    scope: Option<Scope>,
}

impl Returned {
    /// The scope that was asked for.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// The parameters for the token endpoint
    /// ([RFC 6749 §4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3),
    /// [RFC 7636 §4.5](https://www.rfc-editor.org/rfc/rfc7636#section-4.5)).
    pub fn form(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("grant_type", "authorization_code"),
            ("code", self.code.expose()),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", self.verifier.expose()),
        ]
    }
}

/// The parameters for the token endpoint of a sign-in by password
/// ([RFC 6749 §4.3.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.3.2)).
pub fn password_form<'a>(
    username: &'a str,
    password: &'a Secret,
    scope: Option<&'a Scope>,
) -> Vec<(&'static str, &'a str)> {
    let mut form =
        vec![("grant_type", "password"), ("username", username), ("password", password.expose())];
    form.extend(scope.map(|scope| ("scope", scope.as_str())));
    form
}

impl Request {
    /// The parameters for the token endpoint.
    pub fn form(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::RefreshToken(token) => {
                vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())]
            }
            Self::ClientCredentials(scope) => {
                let mut form = vec![("grant_type", "client_credentials")];
                form.extend(scope.iter().map(|scope| ("scope", scope.as_str())));
                form
            }
        }
    }
}

/// A request to an endpoint of the provider, with the client's authentication in it
/// ([RFC 6749 §2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The value of the `Authorization` header, if there is to be one.
    pub authorization: Option<Secret>,
    /// The body, `application/x-www-form-urlencoded`.
    pub body: Secret,
}

/// Adds a client's authentication to a form: its name alone when it has no secret, else `client_secret_basic`, or
/// `client_secret_post` where that is the only one of both that the endpoint announces in `methods`.
pub fn authenticate<'a>(
    form: Vec<(&'static str, &'a str)>,
    client_id: &'a ClientId,
    secret: Option<&'a Secret>,
    methods: &[String],
) -> Authenticated {
    let announced = |method: &str| methods.iter().any(|own| own == method);
    let post = announced("client_secret_post") && !announced("client_secret_basic");
    let mut form = form;
    let authorization = match secret {
        Some(secret) if !post => Some(basic(client_id, secret)),
        Some(secret) => {
            form.extend([("client_id", client_id.as_str()), ("client_secret", secret.expose())]);
            None
        }
        None => {
            form.push(("client_id", client_id.as_str()));
            None
        }
    };
    Authenticated { authorization, body: Secret::new(form::encode(form)) }
}

/// The value of an `Authorization` header for `Basic`: identifier and secret are form-encoded first
/// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
pub(crate) fn basic(client_id: &ClientId, secret: &Secret) -> Secret {
    let mut pair = String::new();
    form::encode_into(&mut pair, client_id.as_str());
    pair.push(':');
    form::encode_into(&mut pair, secret.expose());
    let pair = Secret::new(pair);
    Secret::new("Basic ".to_owned() + &Base64::encode_string(pair.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{Issuer, Metadata, PlainHttp};

    fn provider(names_issuer: bool) -> Checked {
        let metadata = Metadata {
            issuer: "https://id.example".into(),
            authorization_endpoint: Some("https://id.example/authorize?tenant=1".into()),
            token_endpoint: Some("https://id.example/token".into()),
            code_challenge_methods_supported: vec!["S256".into()],
            authorization_response_iss_parameter_supported: names_issuer,
            ..Metadata::default()
        };
        Issuer::parse("https://id.example", PlainHttp::Loopback).unwrap().check(metadata).unwrap()
    }

    fn client() -> ClientId {
        ClientId::new("cli").unwrap()
    }

    fn begun(names_issuer: bool, seed: u8) -> Started {
        let scope = "a b".parse().ok();
        let random = [[seed; 32], [seed + 1; 32]];
        let provider = provider(names_issuer);
        start(&provider, &client(), "http://127.0.0.1:9/cb", scope.as_ref(), &random).unwrap()
    }

    fn state(started: &Started) -> String {
        let (_, query) = started.url.split_once('?').unwrap();
        Form::parse(query.as_bytes()).unwrap().require("state").unwrap().to_owned()
    }

    #[test]
    fn the_request_has_all_that_the_specification_asks_for() {
        let started = begun(true, 1);
        let query = started.url.strip_prefix("https://id.example/authorize?").unwrap();
        let form = Form::parse(query.as_bytes()).unwrap();
        let state = id::encode(&[2; 32]);
        let challenge = pkce::pair(&[1; 32]).1.to_string();
        let expected = [
            ("tenant", "1"),
            ("response_type", "code"),
            ("client_id", "cli"),
            ("redirect_uri", "http://127.0.0.1:9/cb"),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", "a b"),
        ];
        assert_eq!(form.iter().collect::<Vec<_>>(), expected);
    }

    /// B5: an address that a browser reads as another origin's is no place to go on at.
    #[test]
    fn only_a_path_of_the_own_origin_is_returned_to() {
        for good in
            ["/", "/orders/7?open=1#total", "/a//b", "/?next=https://evil.test", "/@evil.test"]
        {
            let path = ReturnTo::parse(good);
            assert_eq!(path.as_ref().map(ReturnTo::as_str), Some(good));
            let pending = begun(true, 1).pending.returning_to(path.clone());
            let kept = Pending::from_text(pending.to_text().expose()).unwrap();
            assert_eq!(kept.return_to(), path.as_ref());
        }
        for bad in [
            "",
            "orders",
            "//evil.test",
            "/\\evil.test",
            "/\t/evil.test",
            "\t//evil.test",
            "/\n\\evil.test",
            " //evil.test",
            "\\/evil.test",
            "https://evil.test/",
            "javascript:alert(1)",
        ] {
            assert_eq!(ReturnTo::parse(bad), None, "{bad:?}");
        }
    }

    /// N2, B1: forged, replayed, mixed-up and broken answers.
    #[test]
    fn an_answer_counts_only_with_this_requests_state_and_issuer() {
        let started = begun(true, 1);
        let (own, other) = (state(&started), state(&begun(true, 7)));
        let issuer = "iss=https%3A%2F%2Fid.example";
        let empty = String::new();
        for (query, why) in [
            (empty, Callback::NotOurs),
            (format!("code=c&{issuer}"), Callback::NotOurs),
            (format!("code=c&state={other}&{issuer}"), Callback::NotOurs),
            (format!("code=c&state={}&{issuer}", &own[1..]), Callback::NotOurs),
            (format!("code=c&state={own}&state={own}&{issuer}"), Callback::NotOurs),
            (format!("code=c&code=d&state={own}&{issuer}"), Callback::NotOurs),
            (format!("code=%zz&state={own}&{issuer}"), Callback::NotOurs),
            (format!("code=c&state={own}"), Callback::WrongIssuer),
            (format!("code=c&state={own}&iss=https%3A%2F%2Fid.example%2F"), Callback::WrongIssuer),
            (format!("error=access_denied&state={own}"), Callback::WrongIssuer),
            (format!("code=&state={own}&{issuer}"), Callback::Empty),
        ] {
            assert_eq!(started.pending.check(&query).unwrap_err(), why, "{query}");
        }
        assert!(started.pending.check(&format!("code=c&state={own}&{issuer}")).is_ok());
    }

    #[test]
    fn an_issuer_that_was_not_announced_is_checked_all_the_same() {
        let started = begun(false, 1);
        let own = state(&started);
        assert!(started.pending.check(&format!("code=c&state={own}")).is_ok());
        let wrong = started.pending.check(&format!("code=c&state={own}&iss=https://evil.test"));
        assert_eq!(wrong.unwrap_err(), Callback::WrongIssuer);
    }

    #[test]
    fn a_refusal_is_told_in_printable_characters() {
        let started = begun(false, 1);
        let query =
            format!("error=access_denied&error_description=no%1b[31m&state={}", state(&started));
        let Err(Callback::Refused(refusal)) = started.pending.check(&query) else {
            panic!("{query}")
        };
        assert_eq!(refusal.to_string(), "access_denied: no[31m");
    }

    #[test]
    fn a_request_that_was_kept_as_text_still_checks_its_answer() {
        for names_issuer in [true, false] {
            let started = begun(names_issuer, 1);
            let kept = Pending::from_text(started.pending.to_text().expose()).unwrap();
            let json = |pending: &Pending| serde_json::to_string(pending).unwrap();
            assert_eq!(json(&kept), json(&started.pending));
        }
        assert!(Pending::from_text("state=a").is_none());
    }

    #[test]
    fn the_code_is_exchanged_with_its_verifier_and_redirect_uri() {
        let started = begun(false, 1);
        let returned = started.pending.check(&format!("code=c&state={}", state(&started))).unwrap();
        let verifier = pkce::pair(&[1; 32]).0;
        let expected = [
            ("grant_type", "authorization_code"),
            ("code", "c"),
            ("redirect_uri", "http://127.0.0.1:9/cb"),
            ("code_verifier", verifier.expose()),
        ];
        assert_eq!(returned.form(), expected);
    }

    #[test]
    fn a_client_authenticates_as_the_endpoint_announces() {
        let (id, secret) = (ClientId::new("a:b c").unwrap(), Secret::new("p%ü"));
        let list = |methods: &[&str]| methods.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let basic = |methods| authenticate(vec![("a", "1")], &id, Some(&secret), &list(methods));
        for methods in [&[][..], &["client_secret_basic", "client_secret_post"], &["none"]] {
            let request = basic(methods);
            // `a%3Ab+c:p%25%C3%BC`
            let header = "Basic YSUzQWIrYzpwJTI1JUMzJUJD";
            assert_eq!(request.authorization.unwrap().expose(), header);
            assert_eq!(request.body.expose(), "a=1");
        }
        let post = basic(&["client_secret_post", "none"]);
        assert!(post.authorization.is_none());
        assert_eq!(post.body.expose(), "a=1&client_id=a%3Ab+c&client_secret=p%25%C3%BC");
        let public = authenticate(vec![("a", "1")], &id, None, &list(&["client_secret_basic"]));
        assert!(public.authorization.is_none());
        assert_eq!(public.body.expose(), "a=1&client_id=a%3Ab+c");
    }
}
