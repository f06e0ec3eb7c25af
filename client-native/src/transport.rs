//! Talking to the provider: no redirects, bounded answers, bounded time, nothing sent twice behind our back.

use std::time::Duration;

use countersign_protocol::{
    discovery::{Checked, Issuer, Metadata},
    login::Authenticated,
    session::{Offline, refresh},
};
use reqwest::{
    Certificate, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::de::DeserializeOwned;

use crate::error::Error;

const CONNECT: Duration = Duration::from_secs(5);
const MAX_METADATA: usize = 256 * 1024;
const MAX_ANSWER: usize = 64 * 1024;
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The HTTP client for the provider's endpoints. It never follows a redirect: a token endpoint that sends a secret
/// elsewhere must not be obeyed ([RFC 9700 §4.12](https://www.rfc-editor.org/rfc/rfc9700#section-4.12)).
#[derive(Clone, Debug)]
pub(crate) struct Transport(reqwest::Client);

impl Transport {
    pub(crate) fn new(issuer: &Issuer, trusted: &[Certificate]) -> Result<Self, Error> {
        let builder = client(trusted).redirect(Policy::none()).timeout(refresh::ATTEMPT);
        // What this machine says to itself is nothing for a proxy.
        let builder = if issuer.origin().is_loopback() { builder.no_proxy() } else { builder };
        Ok(Self(builder.build()?))
    }

    /// Fetches and checks the issuer's metadata, from either well-known place.
    pub(crate) async fn discover(&self, issuer: &Issuer) -> Result<Checked, Error> {
        let first = self.document(&issuer.metadata_url()).await;
        let document = match first {
            Ok(document) => document,
            Err(first) => match self.document(&issuer.openid_metadata_url()).await {
                Ok(document) => document,
                Err(_) => return Err(Error::Offline(first)),
            },
        };
        Ok(issuer.check(document)?)
    }

    async fn document(&self, url: &str) -> Result<Metadata, Offline> {
        let sent = self.0.get(url).header(ACCEPT, JSON).send().await;
        let response = sent.map_err(|error| offline(&error))?;
        if response.status() != StatusCode::OK {
            return Err(Offline::Provider(response.status().as_u16()));
        }
        let body = body(response, MAX_METADATA).await.ok_or(Offline::Unanswered)?;
        serde_json::from_slice(&body).map_err(|_| Offline::Unanswered)
    }

    /// Asks the token endpoint, once.
    pub(crate) async fn ask(&self, url: &str, request: &Authenticated) -> refresh::Answer {
        let response = match self.post(url, request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return refresh::Answer::NotSent,
            Err(_) => return refresh::Answer::Lost,
        };
        let status = response.status().as_u16();
        let (json, retry_after) = (is_json(&response), retry_after(&response));
        let Some(body) = body(response, MAX_ANSWER).await else {
            return refresh::Answer::Lost;
        };
        let retry_after = retry_after.as_deref();
        refresh::Answer::of(status, json, retry_after, || read(&body), || read(&body))
    }

    /// Tells an endpoint something whose answer has no body that matters. The status; `None` when there was no answer.
    pub(crate) async fn tell(&self, url: &str, request: &Authenticated) -> Option<u16> {
        let response = self.post(url, request).await.ok()?;
        Some(response.status().as_u16())
    }

    async fn post(&self, url: &str, request: &Authenticated) -> reqwest::Result<Response> {
        let mut post = self.0.post(url).header(ACCEPT, JSON).header(CONTENT_TYPE, FORM);
        if let Some(authorization) = &request.authorization {
            post = post.header(AUTHORIZATION, secret_header(authorization.expose()));
        }
        let sent = post.body(request.body.expose().to_owned()).send().await;
        sent.map_err(reqwest::Error::without_url).inspect_err(|error| {
            tracing::debug!(%error, cause = ?std::error::Error::source(error), "the provider did not answer");
        })
    }
}

/// The HTTP client for the APIs. Redirects are followed by hand, since each may leave the list of origins.
pub(crate) fn for_apis(trusted: &[Certificate]) -> Result<reqwest::Client, Error> {
    Ok(client(trusted).redirect(Policy::none()).build()?)
}

fn client(trusted: &[Certificate]) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("countersign-client/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .retry(reqwest::retry::never())
        .tls_certs_merge(trusted.to_vec())
}

/// A header's value that no log shows; an impossible one is empty.
pub(crate) fn secret_header(value: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// What a failed request says of the connection.
fn offline(error: &reqwest::Error) -> Offline {
    if error.is_connect() { Offline::Unreachable } else { Offline::Unanswered }
}

fn is_json(response: &Response) -> bool {
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = media_type.and_then(|it| it.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(JSON)
}

fn retry_after(response: &Response) -> Option<String> {
    let value = response.headers().get(RETRY_AFTER)?;
    value.to_str().ok().map(str::to_owned)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// The body, if it comes whole and is at most this long; what is longer is cut off at once.
async fn body(mut response: Response, max: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > max {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

impl From<Offline> for Error {
    fn from(offline: Offline) -> Self {
        Self::Offline(offline)
    }
}
