//! A person without a browser: follows links and fills forms, with a jar of cookies.

use std::{sync::Arc, time::Duration};

use countersign_protocol::{Secret, pkce};
use reqwest::{Response, StatusCode, cookie::Jar, header, redirect::Policy};
use url::Url;

use crate::{PASSWORD, page::Page};

/// An authorization request of a client, with what belongs to it.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Where the user is sent.
    pub url: Url,
    /// The verifier of its challenge.
    pub verifier: Secret,
    /// Its redirect URI.
    pub redirect_uri: String,
}

impl Asking {
    /// The request of this client at the provider with this issuer.
    pub fn of(issuer: &str, client: &str, redirect_uri: &str, scope: &str) -> Self {
        let (verifier, challenge) = pkce::pair(&random());
        let mut url = Url::parse(&format!("{issuer}/oauth/authorize")).unwrap();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", "a state of its own")
            .append_pair("code_challenge", &challenge.to_string())
            .append_pair("code_challenge_method", pkce::METHOD);
        Self { url, verifier, redirect_uri: redirect_uri.to_owned() }
    }

    /// The form that redeems a code of it.
    pub fn redemption<'a>(&'a self, code: &'a str) -> [(&'a str, &'a str); 4] {
        [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", self.verifier.expose()),
        ]
    }
}

/// Where following a link has led.
#[derive(Clone, Debug)]
pub enum Seen {
    /// To a page of the provider.
    Page(Page),
    /// Back to the application, at this address.
    Application(Url),
}

impl Seen {
    /// The page.
    pub fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Application(url) => panic!("no page, but back at {url}"),
        }
    }

    /// The address at the application.
    pub fn application(self) -> Url {
        match self {
            Self::Application(url) => url,
            Self::Page(page) => panic!("not at the application: {page:?}"),
        }
    }

    /// A parameter that the application gets.
    pub fn parameter(self, name: &str) -> Option<String> {
        let url = self.application();
        url.query_pairs().find(|pair| pair.0 == name).map(|pair| pair.1.into_owned())
    }
}

/// Somebody with a jar of cookies.
#[derive(Clone, Debug)]
pub struct Visitor {
    http: reqwest::Client,
    jar: Arc<Jar>,
}

impl Visitor {
    /// Somebody new.
    pub fn new() -> Self {
        let jar = Arc::new(Jar::default());
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .cookie_provider(jar.clone())
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .build()
            .unwrap();
        Self { http, jar }
    }

    /// The cookies that are sent to this address.
    pub fn cookies(&self, url: &Url) -> String {
        let value = reqwest::cookie::CookieStore::cookies(&*self.jar, url);
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    /// Follows a link to the end.
    pub async fn visit(&self, url: &Url) -> Result<Seen, reqwest::Error> {
        let response = self.http.get(url.clone()).send().await?;
        self.follow(response, url).await
    }

    /// Sends the form of a page with these values in place of its own.
    pub async fn fill(&self, page: &Page, values: &[(&str, &str)]) -> Result<Seen, reqwest::Error> {
        let response = self.send(page, values).await?;
        let asked = response.url().clone();
        self.follow(response, &asked).await
    }

    /// Sends the form of a page, and goes nowhere from there.
    pub async fn send(
        &self,
        page: &Page,
        values: &[(&str, &str)],
    ) -> Result<Response, reqwest::Error> {
        let action = page.action();
        let action = action.unwrap_or_else(|| panic!("no form: {page:?}"));
        let mut form = page.fields();
        form.retain(|field| values.iter().all(|value| value.0 != field.0));
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        form.extend(values.iter().map(owned));
        let origin = page.url.origin().ascii_serialization();
        let request = self.http.post(action).form(&form);
        request.header(header::ORIGIN, origin).send().await
    }

    /// Signs in where that is asked, and says yes where that is.
    pub async fn grant(&self, url: &Url, username: &str) -> Result<Seen, reqwest::Error> {
        let mut seen = self.visit(url).await?;
        for _ in 0..3 {
            let Seen::Page(page) = &seen else { break };
            seen = if page.asks_for("password") {
                let values = [("username", username), ("password", PASSWORD), ("answer", "yes")];
                self.fill(page, &values).await?
            } else if page.asks_for_an_answer() {
                self.fill(page, &[("answer", "yes")]).await?
            } else {
                Seen::Application(continuing(page))
            };
        }
        Ok(seen)
    }

    /// The code that a client gets when this person signs in and says yes.
    pub async fn code(&self, asking: &Asking, username: &str) -> String {
        let seen = self.grant(&asking.url, username).await.unwrap();
        let url = seen.clone().application();
        seen.parameter("code").unwrap_or_else(|| panic!("no code: {url}"))
    }

    /// The same, where the provider may end in the middle of it. Where it asks for patience, it gets some.
    pub async fn try_code(&self, asking: &Asking, username: &str) -> Option<String> {
        for _ in 0..50 {
            match self.grant(&asking.url, username).await.ok()? {
                Seen::Page(page) if page.status == StatusCode::SERVICE_UNAVAILABLE => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                seen => return seen.parameter("code"),
            }
        }
        panic!("the provider stays busy");
    }

    /// Goes on as long as it is redirected within one origin.
    async fn follow(&self, mut response: Response, asked: &Url) -> Result<Seen, reqwest::Error> {
        let origin = asked.origin();
        for _ in 0..10 {
            let Some(next) = location(&response) else {
                return Self::look(response).await;
            };
            assert_eq!(response.status(), StatusCode::SEE_OTHER, "{response:?}");
            if next.origin() != origin {
                return Ok(Seen::Application(next));
            }
            response = self.http.get(next).send().await?;
        }
        panic!("it redirects without end: {asked}");
    }

    async fn look(response: Response) -> Result<Seen, reqwest::Error> {
        let (url, status) = (response.url().clone(), response.status());
        let headers = response.headers().clone();
        let html = response.text().await?;
        let page = Page { url, status, headers, html };
        Ok(match page.refresh() {
            Some(url) => Seen::Application(url),
            None => Seen::Page(page),
        })
    }
}

impl Default for Visitor {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the one link of a page leads that asks for nothing.
fn continuing(page: &Page) -> Url {
    let links = page.links();
    let [link] = links.as_slice() else { panic!("not a page to continue from: {page:?}") };
    Url::parse(link).unwrap()
}

fn location(response: &Response) -> Option<Url> {
    let to = response.headers().get(header::LOCATION)?;
    response.url().join(to.to_str().unwrap()).ok()
}

/// Random bytes for a verifier.
pub fn random() -> [u8; 32] {
    use std::hash::{BuildHasher, RandomState};
    let mut bytes = [0; 32];
    for (at, part) in bytes.chunks_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(at).to_le_bytes());
    }
    bytes
}
