//! The protocol's endpoints, asked as any client would.

use std::time::Duration;

use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{HeaderMap, HeaderName},
    redirect::Policy,
};
use serde_json::Value;

/// An HTTP client that follows no redirect, keeps no cookie and believes any certificate of this machine's tests.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(30))
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .unwrap()
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// Reads a response whole.
    pub async fn read(response: Response) -> Result<Self, reqwest::Error> {
        Ok(Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }

    /// Itself, if its status is 200.
    pub fn well(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{self:#?}");
        self
    }

    /// A member of the JSON body, as text; empty when it is missing.
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:#?}"))
    }

    /// A header, which must be there at most once.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?.to_str().unwrap();
        assert_eq!(all.next(), None, "{name} twice");
        Some(first)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A public client, by its id.
    Public(&'a str),
    /// A confidential client by Basic, with its secret.
    Basic(&'a str, &'a str),
}

/// The endpoints of one process.
#[derive(Clone, Debug)]
pub struct Endpoints {
    base: String,
    http: reqwest::Client,
}

impl Endpoints {
    /// Those below this URL.
    pub fn at(base: String) -> Self {
        Self { base, http: http() }
    }

    /// Asks a path.
    pub async fn get(&self, path: &str) -> Answer {
        let asked = self.http.get(self.url(path)).send().await.unwrap();
        Answer::read(asked).await.unwrap()
    }

    /// Posts a form.
    pub async fn post(&self, path: &str, by: By<'_>, form: &[(&str, &str)]) -> Answer {
        self.try_post(path, by, form).await.unwrap()
    }

    /// Posts a form, and may get no answer.
    pub async fn try_post(
        &self,
        path: &str,
        by: By<'_>,
        form: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(self.url(path));
        Answer::read(authenticate(request, by, form).send().await?).await
    }

    /// Asks for tokens.
    pub async fn token(&self, by: By<'_>, form: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token", by, form).await
    }

    /// Refreshes.
    pub async fn refresh(&self, by: By<'_>, refresh_token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.token(by, &form).await
    }

    /// Signs in by username and everybody's password.
    pub async fn password(&self, by: By<'_>, username: &str) -> Answer {
        let form =
            [("grant_type", "password"), ("username", username), ("password", crate::PASSWORD)];
        self.token(by, &form).await
    }

    /// Revokes.
    pub async fn revoke(&self, by: By<'_>, token: &str) -> Answer {
        self.post("/oauth/revoke", by, &[("token", token)]).await
    }

    /// Whether a token is active, as the introspection endpoint says.
    pub async fn is_active(&self, by: By<'_>, token: &str) -> bool {
        let answer = self.post("/oauth/introspect", by, &[("token", token)]).await.well();
        answer.json()["active"].as_bool().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn authenticate(request: RequestBuilder, by: By<'_>, form: &[(&str, &str)]) -> RequestBuilder {
    match by {
        By::Public(id) => {
            let mut form = form.to_vec();
            form.push(("client_id", id));
            request.form(&form)
        }
        By::Basic(id, secret) => request.basic_auth(id, Some(secret)).form(form),
    }
}
