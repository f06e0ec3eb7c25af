//! Cross-origin requests (Fetch standard): a preflight is answered for every registered origin, an answer is readable
//! for the origins of the client that asked.

use axum::{body::Body, response::Response};
use countersign_protocol::client::Client;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::authority::Authority;

/// The answer to a preflight: whoever is registered may go on. What they get back is decided by [`allow`].
pub(crate) async fn preflight(authority: &Authority, headers: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    vary(response.headers_mut());
    let Some(origin) = origin(headers) else {
        return response;
    };
    if authority.is_origin(origin).await.unwrap_or(false) {
        let headers = response.headers_mut();
        insert_origin(headers, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, dpop"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// Lets a page of the client's own origins read the answer. `None`: nobody knows the client, and the answer looks as it
/// would for one without origins.
pub(crate) fn allow(response: &mut Response, client: Option<&Client>, headers: &HeaderMap) {
    vary(response.headers_mut());
    let Some(origin) = origin(headers) else {
        return;
    };
    let mut origins = client.into_iter().flat_map(|client| &client.origins);
    if origins.any(|own| own == origin) {
        insert_origin(response.headers_mut(), origin);
        response.headers_mut().insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("date, retry-after, www-authenticate"),
        );
    }
}

/// Lets every page read what is public anyway.
pub(crate) fn allow_all(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// The page's origin; `null`, which many pages share, is none.
fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN)?.to_str().ok().filter(|origin| *origin != "null")
}

fn insert_origin(headers: &mut HeaderMap, origin: &str) {
    if let Ok(value) = HeaderValue::from_str(origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
}

fn vary(headers: &mut HeaderMap) {
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
}
