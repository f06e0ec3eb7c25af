//! How an endpoint answers: JSON that nobody caches, and each refusal as its specification writes it.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use countersign_protocol::{Denied, ErrorCode, token::ErrorResponse};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// A JSON answer.
pub(crate) fn json(value: &impl Serialize) -> Response {
    with_status(StatusCode::OK, value)
}

/// An answer with nothing in it.
pub(crate) fn empty() -> Response {
    let mut response = Response::new(Body::empty());
    protect(response.headers_mut());
    response
}

/// A refusal ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
pub(crate) fn refusal(denied: &Denied) -> Response {
    let status = StatusCode::from_u16(denied.code().status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = with_status(status, &ErrorResponse::from(denied));
    for (name, value) in headers_of(denied) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// What a refusal's status needs beside it.
fn headers_of(denied: &Denied) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let challenge = (denied.code() == ErrorCode::InvalidClient).then(|| {
        (
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"oauth\", charset=\"UTF-8\""),
        )
    });
    let allow = (denied.code() == ErrorCode::MethodNotAllowed)
        .then(|| (header::ALLOW, HeaderValue::from_static("POST")));
    let wait = denied
        .retry_after()
        .map(|wait| (header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1))));
    challenge.into_iter().chain(allow).chain(wait)
}

fn with_status(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(value) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    protect(headers);
    response
}

fn protect(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
