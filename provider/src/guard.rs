//! Protecting an API: a tower layer that lets only good access tokens through, and an extractor that hands over what
//! the token says ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use countersign_provider::{Provider, guard::Authorized};
//! async fn me(access: Authorized) -> String {
//!     format!("{:?} by way of {}", access.subject, access.client)
//! }
//!
//! fn api(provider: &Provider) -> Router {
//!     Router::new().route("/api/me", get(me)).layer(provider.guard().require(["profile"]))
//! }
//! ```

use std::{
    convert::Infallible,
    future::Future,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, extract::FromRequestParts, response::Response};
use countersign_protocol::{Denied, ErrorCode, Scope};
use http::{HeaderMap, HeaderValue, Request, header, request::Parts};
use tower::{Layer, Service};

use crate::{
    authority::{Access, Authority},
    http::answer,
};

/// Makes layers that protect routes with this provider's access tokens.
#[derive(Clone, Debug)]
pub struct Guard {
    authority: Authority,
}

impl Guard {
    pub(crate) fn new(authority: Authority) -> Self {
        Self { authority }
    }

    /// A layer that asks for an access token with all of these scope tokens; one text may name several, with spaces
    /// between. Without any, a good token is enough.
    ///
    /// It answers 401 for a missing or bad token, 403 for one whose scope does not reach, and 503 while nobody can
    /// tell. What is no scope ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)) lets nobody
    /// through: the log says so, and every request is answered 500.
    pub fn require<'a>(&self, scope: impl IntoIterator<Item = &'a str>) -> RequireLayer {
        RequireLayer { authority: self.authority.clone(), scope: wanted(scope) }
    }
}

/// What the access token of a request says; an extractor for handlers behind [`Guard::require`].
///
/// Behind no guard it answers 401: nobody vouched for the request.
#[derive(Clone, Debug)]
pub struct Authorized(Access);

impl Deref for Authorized {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Authorized {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| challenge(&Denied::AccessTokenMissing, &Scope::default()))
    }
}

/// See [`Guard::require`].
#[derive(Clone, Debug)]
pub struct RequireLayer {
    authority: Authority,
    /// `None`: what was asked for is no scope, and nobody has it.
    scope: Option<Scope>,
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Require<S> {
        Require { inner, layer: self.clone() }
    }
}

/// The service that [`RequireLayer`] makes.
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    layer: RequireLayer,
}

impl<S> Service<Request<Body>> for Require<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.check(request.headers()).await {
                Ok(access) => {
                    request.extensions_mut().insert(Authorized(access));
                    inner.call(request).await
                }
                Err(denied) => Ok(challenge(&denied, &layer.scope.unwrap_or_default())),
            }
        })
    }
}

impl RequireLayer {
    async fn check(&self, headers: &HeaderMap) -> Result<Access, Denied> {
        let wanted = self.scope.as_ref().ok_or(Denied::Internal)?;
        let access = self.authority.access(bearer(headers)?).await?;
        if !access.scope.contains_all(wanted) {
            return Err(Denied::ScopeInsufficient);
        }
        Ok(access)
    }
}

/// The scope that a route asks for. None of its tokens may get lost: a guard that asks for less lets more through.
fn wanted<'a>(scope: impl IntoIterator<Item = &'a str>) -> Option<Scope> {
    let tokens: Vec<&str> = scope.into_iter().collect();
    let text = tokens.join(" ");
    let scope = text.parse().inspect_err(|_| {
        tracing::error!(scope = ?text, "a guard asks for what is no scope, and lets nobody through");
    });
    scope.ok()
}

/// The token of an `Authorization: Bearer` header
/// ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)); the scheme's name in any case.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Denied::AccessTokenMissing)?;
    if values.next().is_some() {
        return Err(Denied::ParameterTwice("Authorization"));
    }
    let text = value.to_str().map_err(|_| Denied::AccessTokenInvalid)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_ascii()),
        _ => Err(Denied::AccessTokenMissing),
    }
}

/// A refusal with what to present ([RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3)). Who presented
/// nothing is told no error.
fn challenge(denied: &Denied, scope: &Scope) -> Response {
    let mut response = answer::refusal(denied);
    let code = denied.code();
    if !matches!(code, ErrorCode::InvalidToken | ErrorCode::InsufficientScope) {
        return response;
    }
    let error = match denied {
        Denied::AccessTokenMissing => String::new(),
        _ => format!(", error=\"{code}\", error_description=\"{}\"", denied.description()),
    };
    let scope = match code {
        ErrorCode::InsufficientScope => format!(", scope=\"{scope}\""),
        _ => String::new(),
    };
    let text = format!("Bearer realm=\"api\"{error}{scope}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
