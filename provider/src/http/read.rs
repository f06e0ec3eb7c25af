//! How an endpoint reads: a form in the body of a POST, whole, in time, and not too large.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use countersign_protocol::{Denied, client_auth::Presented, form::Form};
use http::{HeaderMap, Method, Request, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// The largest body of an OAuth endpoint.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How long a request may take to arrive: a refresh that is carried out later than its leeway could be taken for
/// another one.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(10);

/// The head and body of a POST that carries a form.
pub(crate) async fn form(request: Request<Body>) -> Result<(Parts, Bytes), Denied> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Denied::MethodNotAllowed);
    }
    check_query(parts.uri.query())?;
    if !is_form(&parts.headers) {
        return Err(Denied::NotAForm);
    }
    let body = whole(body).await?;
    Ok((parts, body))
}

/// The whole body, within the limits of size and time.
pub(crate) async fn whole(body: Body) -> Result<Bytes, Denied> {
    let collected = tokio::time::timeout(ARRIVAL, Limited::new(body, MAX_BODY).collect()).await;
    match collected.map_err(|_| Denied::BodyIncomplete)? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Denied::BodyTooLarge),
        Err(_) => Err(Denied::BodyIncomplete),
    }
}

/// The client's credentials, from the `Authorization` header or the form.
pub(crate) fn credentials(headers: &HeaderMap, form: &Form<'_>) -> Result<Presented, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = values.next();
    if values.next().is_some() {
        return Err(Denied::TwoAuthenticationMethods);
    }
    Presented::read(authorization.map(http::HeaderValue::as_bytes), form)
}

/// A query is kept in logs and histories: what is secret must not stand there
/// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
fn check_query(query: Option<&str>) -> Result<(), Denied> {
    const SECRETS: [&str; 9] = [
        "client_secret",
        "client_assertion",
        "code",
        "code_verifier",
        "password",
        "refresh_token",
        "access_token",
        "token",
        "assertion",
    ];
    let form = Form::parse(query.unwrap_or_default().as_bytes())?;
    let told = form.iter().any(|(name, _)| SECRETS.contains(&name));
    if told { Err(Denied::SecretInQuery) } else { Ok(()) }
}

pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}
