//! Somebody's browser, as far as the provider sees it: it keeps cookies, sends forms and follows nothing by itself.

use std::collections::BTreeMap;

use axum::body::Body;
use countersign_protocol::form::{self, Form};
use http::{Request, header};

use crate::harness::{Answer, Op, PASSWORD};

/// The verifier of [`CHALLENGE`] (RFC 7636, appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A request's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// `AZ` of the checklist: a good authorization request of client `web`.
pub(crate) fn az() -> Parameters {
    let pairs = [
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", "https://web.test/cb"),
        ("scope", "profile"),
        ("state", "S"),
        ("nonce", "N"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Parameters(pairs.into_iter().map(owned).collect())
}

impl Parameters {
    /// With another value in the place of the parameter, or added.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some(pair) => value.clone_into(&mut pair.1),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    /// With the parameter once more, before or behind the one that is there.
    pub(crate) fn twice(mut self, name: &str, value: &str, before: bool) -> Self {
        let at = if before { 0 } else { self.0.len() };
        self.0.insert(at, (name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn query(&self) -> String {
        let pairs = self.0.iter();
        form::encode(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// A browser with its cookies.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    op: &'a Op,
    pub(crate) cookies: BTreeMap<String, String>,
    /// What it says beside that with each request.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(op: &'a Op) -> Self {
        Self { op, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path);
        self.send(request, String::new()).await
    }

    pub(crate) async fn authorize(&mut self, parameters: &Parameters) -> Answer {
        self.get(&format!("/oauth/authorize?{}", parameters.query())).await
    }

    pub(crate) async fn post(&mut self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.post_body(path, form::encode(pairs.iter().copied())).await
    }

    pub(crate) async fn post_body(&mut self, path: &str, body: String) -> Answer {
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, body).await
    }

    pub(crate) async fn send(&mut self, request: http::request::Builder, body: String) -> Answer {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ");
        let mut request = request.header(header::COOKIE, cookies);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let answer = self.op.send(request.body(Body::from(body)).unwrap()).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            self.keep(set.to_str().unwrap());
        }
        answer
    }

    fn keep(&mut self, set: &str) {
        let (pair, attributes) = set.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        if attributes.contains("Max-Age=0;") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// The value of the session's cookie.
    pub(crate) fn session(&self) -> Option<&str> {
        let named = |name: &str| name.contains("cs_session_");
        let mut cookies = self.cookies.iter();
        cookies.find_map(|(name, value)| named(name).then_some(value.as_str()))
    }

    /// Answers the sign-in page.
    pub(crate) async fn enter(&mut self, page: &Answer, name: &str, password: &str) -> Answer {
        let fields = [("flow", page.flow()), ("username", name), ("password", password)];
        self.post(page.action(), &fields).await
    }

    /// Answers a consent or sign-out page.
    pub(crate) async fn say(&mut self, page: &Answer, answer: &str) -> Answer {
        let fields = [("flow", page.flow()), ("answer", answer)];
        self.post(page.action(), &fields).await
    }

    /// Signs in and arrives at the page behind.
    pub(crate) async fn sign_in(&mut self, parameters: &Parameters, name: &str) -> Answer {
        let page = self.authorize(parameters).await;
        let onward = self.enter(&page, name, PASSWORD).await;
        assert_eq!(onward.status, 303, "{onward:?}");
        let path = onward.header("location").unwrap().to_owned();
        self.get(&path).await
    }

    /// Alice's browser, signed in, with her consent to `AZ` given.
    pub(crate) async fn alices(op: &'a Op) -> Self {
        let mut browser = Self::new(op);
        let page = browser.sign_in(&az(), "alice").await;
        let done = browser.say(&page, "yes").await;
        assert_eq!(done.status, 303, "{done:?}");
        browser
    }
}

impl Answer {
    /// A page with this status: HTML that goes nowhere, with every header that locks it down.
    #[track_caller]
    pub(crate) fn page(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("location"), None, "{self:?}");
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(self.header("x-frame-options"), Some("DENY"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(self.header("strict-transport-security"), Some("max-age=63072000"));
        let policy = self.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none';",
            "form-action 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!self.body.contains("<script"), "{self:?}");
        self
    }

    /// `PAGE` of the checklist: a page that refuses.
    #[track_caller]
    pub(crate) fn refused_on_a_page(&self) -> &Self {
        assert!(self.status.is_client_error(), "{self:?}");
        self.page(self.status.as_u16())
    }

    /// Where it goes, by 303, and the parameters with which.
    #[track_caller]
    pub(crate) fn goes_to(&self, address: &str) -> BTreeMap<String, String> {
        assert_eq!(self.status.as_u16(), 303, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        let location = self.header("location").unwrap();
        let (to, query) = location.split_once('?').unwrap_or((location, ""));
        assert_eq!(to, address, "{self:?}");
        let form = Form::parse(query.as_bytes()).unwrap();
        assert!(!form.has_any_twice(), "{location}");
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        form.iter().map(owned).collect()
    }

    /// `REDIR(x)` of the checklist for client `web`.
    #[track_caller]
    pub(crate) fn redirects_error(&self, error: &str) {
        let told = self.goes_to("https://web.test/cb");
        let expected = [("error", error), ("iss", crate::harness::ISSUER), ("state", "S")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(told, BTreeMap::from(expected), "{self:?}");
    }

    /// The code with which it goes back to client `web`.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let told = self.goes_to("https://web.test/cb");
        let names: Vec<_> = told.keys().map(String::as_str).collect();
        assert_eq!(names, ["code", "iss", "state"], "{self:?}");
        assert_eq!(told["iss"], crate::harness::ISSUER);
        assert_eq!(told["state"], "S");
        told["code"].clone()
    }

    /// The sealed flow in the page's form.
    #[track_caller]
    pub(crate) fn flow(&self) -> &str {
        self.between("name=\"flow\" value=\"")
    }

    /// Where the page's form goes.
    #[track_caller]
    pub(crate) fn action(&self) -> &str {
        self.between("method=\"post\" action=\"")
    }

    #[track_caller]
    fn between(&self, before: &str) -> &str {
        let found = self.body.split_once(before);
        let (_, behind) = found.unwrap_or_else(|| panic!("no {before} in {self:?}"));
        behind.split('"').next().unwrap()
    }
}
