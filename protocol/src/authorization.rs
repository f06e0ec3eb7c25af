//! The authorization request and its answer ([RFC 6749 §4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1),
//! [RFC 9700 §2.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1)).
//!
//! A request is read in two steps, because where an error goes depends on them. [`Destination::find`] settles who asks
//! and where the user returns to: what fails there is shown to the user, and nobody is redirected. [`Request::check`]
//! settles the rest: what fails there goes back to the client with `error`, `state` and `iss`.

use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, GrantType},
    error::Denied,
    form::{self, Form},
    id::ClientId,
    pkce::{self, Challenge},
    policy::Policy,
    scope::Scope,
    time::Timestamp,
};

/// The longest `state`, in bytes. It travels with the user through every page.
pub const MAX_STATE: usize = 4096;
/// The longest authorization request, in bytes.
pub const MAX_REQUEST: usize = 12 * 1024;

/// Who asks ([RFC 6749 §2.2](https://www.rfc-editor.org/rfc/rfc6749#section-2.2)). An error is for a page.
pub fn client_id(form: &Form<'_>) -> Result<ClientId, Denied> {
    ClientId::new(form.require("client_id")?).ok_or(Denied::ClientUnknown)
}

/// Where the answer goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The registered address.
    pub redirect_uri: String,
    /// Whether the request named it.
    #[serde(rename = "named")]
    pub redirect_uri_named: bool,
    /// What the client wants to get back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// What the client gets back at its redirect URI.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The code ([RFC 6749 §4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)).
    Code(&'a str),
    /// A refusal ([RFC 6749 §4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    Denied(&'a Denied),
}

impl Destination {
    /// Settles where the answer goes. An error is for a page: no address is trusted yet.
    pub fn find(form: &Form<'_>, client: &Client) -> Result<Self, Denied> {
        let asked = form.get("redirect_uri")?;
        // Empty is not the same as omitted here: it is an address, and it is not registered.
        if asked.is_none() && form.has("redirect_uri") {
            return Err(Denied::RedirectUriMismatch);
        }
        let redirect_uri = client.redirect_uri(asked)?.to_owned();
        let state = form.get("state").ok().flatten().filter(|state| state.len() <= MAX_STATE);
        Ok(Self {
            redirect_uri,
            redirect_uri_named: asked.is_some(),
            state: state.map(str::to_owned),
        })
    }

    /// The address with the answer in its query: the code or error, `state`, and the issuer
    /// ([RFC 9207 §2](https://www.rfc-editor.org/rfc/rfc9207#section-2)).
    pub fn location(&self, answer: Answer<'_>, issuer: &str) -> String {
        let answer = match answer {
            Answer::Code(code) => ("code", code),
            Answer::Denied(denied) => ("error", denied.code().as_str()),
        };
        let state = self.state.as_deref().map(|state| ("state", state));
        let pairs = [Some(answer), state, Some(("iss", issuer))];
        form::append_to_uri(&self.redirect_uri, pairs.into_iter().flatten())
    }

    /// The origin that a page's form may end at: `https://app.example`; `None` for a native client's own scheme.
    pub fn origin(&self) -> Option<&str> {
        let uri = self.redirect_uri.as_str();
        let scheme = ["https://", "http://"].into_iter().find(|scheme| uri.starts_with(scheme))?;
        let behind = &uri[scheme.len()..];
        let host = behind.find(['/', '?']).unwrap_or(behind.len());
        Some(&uri[..scheme.len() + host])
    }

    /// The place by the name that people see: host and port, or a native client's own scheme.
    pub fn place(&self) -> &str {
        match self.origin().and_then(|origin| origin.split_once("://")) {
            Some((_, host)) => host,
            None => self.redirect_uri.split(':').next().unwrap_or_default(),
        }
    }

    /// Whether the user must be asked before they are carried there: an application's own scheme can belong to any
    /// program of the device, so nobody goes there without a click
    /// ([RFC 8252 §8.6](https://www.rfc-editor.org/rfc/rfc8252#section-8.6)).
    pub fn needs_click(&self) -> bool {
        self.origin().is_none()
    }
}

/// What `prompt` asks for (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// What is needed, and no more.
    #[default]
    AsNeeded,
    /// No page at all.
    None,
    /// Sign in anew.
    Login,
    /// Ask for consent anew.
    Consent,
    /// Both.
    LoginAndConsent,
}

impl Prompt {
    fn read(text: Option<&str>) -> Result<Self, Denied> {
        let (mut none, mut login, mut consent) = (false, false, false);
        for word in text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => none = true,
                "login" | "select_account" => login = true,
                "consent" => consent = true,
                _ => return Err(Denied::ParameterMalformed("prompt")),
            }
        }
        match (none, login, consent) {
            (true, false, false) => Ok(Self::None),
            (true, ..) => Err(Denied::ParameterMalformed("prompt")),
            (false, true, true) => Ok(Self::LoginAndConsent),
            (false, true, false) => Ok(Self::Login),
            (false, false, true) => Ok(Self::Consent),
            (false, false, false) => Ok(Self::AsNeeded),
        }
    }

    /// Whether the user must prove who they are, however recently they did.
    pub const fn wants_login(self) -> bool {
        matches!(self, Self::Login | Self::LoginAndConsent)
    }

    /// Whether the user must be asked, whatever they agreed to before.
    pub const fn wants_consent(self) -> bool {
        matches!(self, Self::Consent | Self::LoginAndConsent)
    }
}

/// What a request needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The user proves who they are.
    SignIn,
    /// The user is asked.
    Consent,
    /// Nothing more: the client gets its code.
    Grant,
    /// It cannot be had without a page, and the client wants none.
    Refuse(Denied),
}

/// The query of an authorization request whose user has just signed in: without what asked for that.
///
/// Everything else stays, letter by letter. Whoever takes these parameters out by hand gains nothing: a client that
/// needs a fresh sign-in is told its time.
pub fn after_sign_in(query: &str) -> String {
    let kept = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match form::decode(name)?.as_ref() {
            "max_age" => None,
            "prompt" => without_login(&form::decode(value)?),
            _ => Some(pair.to_owned()),
        }
    });
    kept.collect::<Vec<_>>().join("&")
}

fn without_login(prompt: &str) -> Option<String> {
    let words = prompt.split(' ').filter(|word| {
        let login = matches!(*word, "login" | "select_account");
        !login && !word.is_empty()
    });
    let kept = words.collect::<Vec<_>>().join(" ");
    (!kept.is_empty()).then(|| form::encode([("prompt", kept.as_str())]))
}

/// A request that may be put before the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes.
    #[serde(flatten)]
    pub destination: Destination,
    /// What is asked for.
    pub scope: Scope,
    /// What the verifier must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// Which pages the client wants or does not want.
    #[serde(default)]
    pub prompt: Prompt,
    /// How long ago the user may have signed in, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// What to fill in as the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
}

impl Request {
    /// Checks the rest of the request. An error goes back to the client.
    pub fn check(
        form: &Form<'_>,
        client: &Client,
        destination: Destination,
        policy: &Policy,
    ) -> Result<Self, Denied> {
        if form.has_any_twice() {
            return Err(Denied::ParameterTwice("a parameter"));
        }
        if form.get("state")?.is_some_and(|state| state.len() > MAX_STATE) {
            return Err(Denied::ParameterMalformed("state"));
        }
        check_unsupported(form)?;
        check_response_type(form)?;
        policy.check_grant_type(client, GrantType::AuthorizationCode)?;
        let asked = form.get("scope")?.map(str::parse::<Scope>).transpose()?;
        let max_age = form.get("max_age")?.map(str::parse::<u64>).transpose();
        Ok(Self {
            client: client.client_id.clone(),
            destination,
            scope: policy.scope(client, asked.as_ref())?,
            challenge: challenge(form, client)?,
            prompt: Prompt::read(form.get("prompt")?)?,
            max_age: max_age.map_err(|_| Denied::ParameterMalformed("max_age"))?,
            login_hint: login_hint(form)?,
        })
    }

    /// What the request needs next, given when the user signed in (`None`: nobody is), and what they agreed to before
    /// (`None`: nothing).
    pub fn next(
        &self,
        client: &Client,
        signed_in: Option<Timestamp>,
        agreed: Option<&Scope>,
        now: Timestamp,
    ) -> Next {
        let silent = self.prompt == Prompt::None;
        let known = signed_in.is_some_and(|auth_time| !self.needs_login(auth_time, now));
        match known {
            false if silent => Next::Refuse(Denied::NobodySignedIn),
            false => Next::SignIn,
            true if !self.needs_consent(client, agreed) => Next::Grant,
            true if silent => Next::Refuse(Denied::ConsentMissing),
            true => Next::Consent,
        }
    }

    /// Whether a user who signed in at `auth_time` must do so again for this request.
    pub fn needs_login(&self, auth_time: Timestamp, now: Timestamp) -> bool {
        self.prompt.wants_login()
            || self.max_age.is_some_and(|max| now.since(auth_time).as_secs() > max)
    }

    /// Whether the user must be asked, given what they agreed to before (`None`: nothing).
    ///
    /// The provider's own clients are not asked for.
    pub fn needs_consent(&self, client: &Client, agreed: Option<&Scope>) -> bool {
        if self.prompt.wants_consent() {
            return true;
        }
        !client.first_party && !agreed.is_some_and(|agreed| agreed.contains_all(&self.scope))
    }
}

/// What is not on offer is refused, not ignored ([RFC 9101 §6](https://www.rfc-editor.org/rfc/rfc9101#section-6)).
fn check_unsupported(form: &Form<'_>) -> Result<(), Denied> {
    if form.has("request") {
        return Err(Denied::RequestObjectUnsupported);
    }
    if form.has("request_uri") {
        return Err(Denied::RequestUriUnsupported);
    }
    match form.get("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(Denied::ResponseModeUnsupported),
    }
}

/// `code` and nothing else ([RFC 9700 §2.1.2](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.2)).
fn check_response_type(form: &Form<'_>) -> Result<(), Denied> {
    match form.get("response_type")? {
        Some("code") => Ok(()),
        None if !form.has("response_type") => Err(Denied::ParameterMissing("response_type")),
        _ => Err(Denied::ResponseTypeUnsupported),
    }
}

fn challenge(form: &Form<'_>, client: &Client) -> Result<Option<Challenge>, Denied> {
    match (form.get("code_challenge")?, form.get("code_challenge_method")?) {
        (Some(challenge), Some(pkce::METHOD)) => Challenge::parse(challenge).map(Some),
        (Some(_), _) => Err(Denied::ChallengeMethodUnsupported),
        (None, Some(_)) => Err(Denied::ChallengeMissing),
        (None, None) if client.needs_pkce() => Err(Denied::ChallengeMissing),
        (None, None) => Ok(None),
    }
}

fn login_hint(form: &Form<'_>) -> Result<Option<String>, Denied> {
    match form.get("login_hint")? {
        Some(hint) if hint.len() > 255 => Err(Denied::ParameterMalformed("login_hint")),
        hint => Ok(hint.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{public, web};

    const GOOD: &str = "response_type=code&client_id=web&redirect_uri=https://web.test/cb&scope=profile\
        &state=S&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn check_for(client: &Client, query: &str) -> Result<Request, Denied> {
        let form = Form::parse(query.as_bytes()).unwrap();
        let destination = Destination::find(&form, client).unwrap();
        Request::check(&form, client, destination, &Policy::default())
    }

    fn check(query: &str) -> Result<Request, Denied> {
        check_for(&web(), query)
    }

    fn without(name: &str) -> String {
        let keep = |pair: &&str| !pair.starts_with(&format!("{name}="));
        GOOD.split('&').filter(keep).collect::<Vec<_>>().join("&")
    }

    fn with(name: &str, value: &str) -> String {
        format!("{}&{name}={value}", without(name))
    }

    #[test]
    fn a_good_request_is_read_whole() {
        let request = check(GOOD).unwrap();
        assert_eq!(request.scope.as_str(), "profile");
        assert_eq!(request.destination.state.as_deref(), Some("S"));
        assert!(request.challenge.is_some() && request.destination.redirect_uri_named);
    }

    /// A1 and A3: what is about the destination is for a page.
    #[test]
    fn a_doubtful_destination_is_for_a_page() {
        let find = |query: &str| {
            let form = Form::parse(query.as_bytes()).unwrap();
            client_id(&form).and_then(|_| Destination::find(&form, &web())).map(|_| ())
        };
        assert_eq!(find(&without("client_id")), Err(Denied::ParameterMissing("client_id")));
        assert_eq!(find(&format!("{GOOD}&client_id=x")), Err(Denied::ParameterTwice("client_id")));
        let twice = format!("{GOOD}&redirect_uri=https://evil.test/");
        assert_eq!(find(&twice), Err(Denied::ParameterTwice("redirect_uri")));
        assert_eq!(find(&with("redirect_uri", "")), Err(Denied::RedirectUriMismatch));
        assert_eq!(
            find(&with("redirect_uri", "https://evil.test/")),
            Err(Denied::RedirectUriMismatch)
        );
        assert_eq!(find(&without("redirect_uri")), Ok(()));
    }

    /// A3: any other parameter twice, known or not.
    #[test]
    fn a_parameter_twice_is_refused() {
        for twice in ["scope=x", "state=x", "x=1&x=2", "code_challenge=x"] {
            let refused = check(&format!("{GOOD}&{twice}"));
            assert!(matches!(refused, Err(Denied::ParameterTwice(_))), "{twice}");
        }
    }

    /// A4 and A5.
    #[test]
    fn a_challenge_by_s256_is_required() {
        let bare = without("code_challenge").replace("&code_challenge_method=S256", "");
        assert_eq!(check(&bare), Err(Denied::ChallengeMissing));
        assert_eq!(check(&without("code_challenge")), Err(Denied::ChallengeMissing));
        for method in ["plain", "s256", ""] {
            let refused = check(&with("code_challenge_method", method));
            assert_eq!(refused, Err(Denied::ChallengeMethodUnsupported), "{method}");
        }
        assert_eq!(check(&with("code_challenge", "short")), Err(Denied::ChallengeMalformed));
        let legacy = Client { require_pkce: false, ..web() };
        assert_eq!(check_for(&legacy, &bare).unwrap().challenge, None);
        let still = Client { require_pkce: false, redirect_uris: web().redirect_uris, ..public() };
        assert_eq!(check_for(&still, &bare), Err(Denied::ChallengeMissing));
    }

    /// A7 and A8.
    #[test]
    fn no_token_comes_by_the_front_channel() {
        for other in ["token", "id_token", "code token", "code id_token", "none", "code code", ""] {
            let refused = check(&with("response_type", other));
            assert_eq!(refused, Err(Denied::ResponseTypeUnsupported), "{other:?}");
        }
        let missing = check(&without("response_type"));
        assert_eq!(missing, Err(Denied::ParameterMissing("response_type")));
        let mode = check(&with("response_mode", "fragment"));
        assert_eq!(mode, Err(Denied::ResponseModeUnsupported));
        assert_eq!(check(&with("request", "x")), Err(Denied::RequestObjectUnsupported));
        assert_eq!(check(&with("request_uri", "urn:x")), Err(Denied::RequestUriUnsupported));
    }

    /// A6: code or error, `state`, `iss`, and nothing else.
    #[test]
    fn every_answer_names_the_issuer() {
        let destination = check(GOOD).unwrap().destination;
        assert_eq!(
            destination.location(Answer::Code("c&d"), "https://op.test"),
            "https://web.test/cb?code=c%26d&state=S&iss=https%3A%2F%2Fop.test"
        );
        assert_eq!(
            destination.location(Answer::Denied(&Denied::UserDenied), "https://op.test"),
            "https://web.test/cb?error=access_denied&state=S&iss=https%3A%2F%2Fop.test"
        );
    }

    /// A17.
    #[test]
    fn an_oversized_state_is_refused_and_not_sent_back() {
        let long = "s".repeat(MAX_STATE + 1);
        assert_eq!(check(&with("state", &long)), Err(Denied::ParameterMalformed("state")));
        let query = with("state", &long);
        let form = Form::parse(query.as_bytes()).unwrap();
        assert_eq!(Destination::find(&form, &web()).unwrap().state, None);
    }

    #[test]
    fn prompt_is_read_as_a_set() {
        assert_eq!(check(&with("prompt", "none")).unwrap().prompt, Prompt::None);
        assert_eq!(
            check(&with("prompt", "login consent")).unwrap().prompt,
            Prompt::LoginAndConsent
        );
        assert_eq!(check(&with("prompt", "none login")), Err(Denied::ParameterMalformed("prompt")));
        assert_eq!(check(&with("prompt", "x")), Err(Denied::ParameterMalformed("prompt")));
    }

    #[test]
    fn max_age_and_prompt_ask_for_a_new_sign_in() {
        let (then, now) = (Timestamp::from_secs(100), Timestamp::from_secs(160));
        assert!(!check(GOOD).unwrap().needs_login(then, now));
        assert!(!check(&with("max_age", "60")).unwrap().needs_login(then, now));
        assert!(check(&with("max_age", "59")).unwrap().needs_login(then, now));
        assert!(check(&with("prompt", "login")).unwrap().needs_login(now, now));
    }

    /// L5: third parties are always asked for; what was agreed to is remembered by scope.
    #[test]
    fn consent_is_asked_for_unless_all_of_it_was_given() {
        let request = check(&with("scope", "profile email")).unwrap();
        assert!(request.needs_consent(&web(), None));
        assert!(request.needs_consent(&web(), Some(&"profile".parse().unwrap())));
        assert!(!request.needs_consent(&web(), Some(&"email profile x".parse().unwrap())));
        let own = Client { first_party: true, ..web() };
        assert!(!request.needs_consent(&own, None));
        assert!(check(&with("prompt", "consent")).unwrap().needs_consent(&own, None));
    }

    #[test]
    fn a_request_goes_on_from_sign_in_by_consent_to_its_code() {
        let now = Timestamp::from_secs(1000);
        let next = |query: &str, signed_in: Option<Timestamp>, agreed: Option<&str>| {
            let agreed = agreed.map(|scope| scope.parse().unwrap());
            check(query).unwrap().next(&web(), signed_in, agreed.as_ref(), now)
        };
        assert_eq!(next(GOOD, None, None), Next::SignIn);
        assert_eq!(next(GOOD, Some(now), None), Next::Consent);
        assert_eq!(next(GOOD, Some(now), Some("email")), Next::Consent);
        assert_eq!(next(GOOD, Some(now), Some("profile")), Next::Grant);
        let login = with("prompt", "login");
        assert_eq!(next(&login, Some(now), Some("profile")), Next::SignIn);
    }

    /// A15: no page is shown to who wants none.
    #[test]
    fn without_a_page_what_is_missing_is_refused() {
        let now = Timestamp::from_secs(1000);
        let request = check(&with("prompt", "none")).unwrap();
        let agreed = "profile".parse().unwrap();
        let next = |signed_in, agreed| request.next(&web(), signed_in, agreed, now);
        assert_eq!(next(None, None), Next::Refuse(Denied::NobodySignedIn));
        assert_eq!(next(Some(now), None), Next::Refuse(Denied::ConsentMissing));
        assert_eq!(next(Some(now), Some(&agreed)), Next::Grant);
    }

    #[test]
    fn signing_in_is_asked_for_once() {
        let query = "a=%2F&prompt=login+consent&max_age=0&b=&prompt=select_account";
        assert_eq!(after_sign_in(query), "a=%2F&prompt=consent&b=");
        assert_eq!(after_sign_in("%70rompt=login&state=x%26y"), "state=x%26y");
        assert_eq!(after_sign_in(GOOD), GOOD);
    }

    #[test]
    fn the_place_of_a_destination_is_its_host_or_scheme() {
        let place = |uri: &str| {
            let to =
                Destination { redirect_uri: uri.into(), redirect_uri_named: true, state: None };
            to.place().to_owned()
        };
        assert_eq!(place("https://a.test:8/cb?x"), "a.test:8");
        assert_eq!(place("com.example.app:/cb"), "com.example.app");
    }

    #[test]
    fn the_origin_of_a_destination_is_its_address_without_the_path() {
        let origin = |uri: &str| {
            let to =
                Destination { redirect_uri: uri.into(), redirect_uri_named: true, state: None };
            to.origin().map(str::to_owned)
        };
        assert_eq!(origin("https://a.test:8/cb?x").as_deref(), Some("https://a.test:8"));
        assert_eq!(origin("http://127.0.0.1?x").as_deref(), Some("http://127.0.0.1"));
        assert_eq!(origin("http://localhost").as_deref(), Some("http://localhost"));
        assert_eq!(origin("com.example.app:/cb"), None);
        assert_eq!(origin("com.example.app://cb"), None);
        assert_eq!(origin("http.example.app://cb"), None);
    }
}
