//! What is asked for in clear where TLS is spoken: pages are redirected, programs are refused.
//!
//! A program that is redirected would go on sending its secrets in clear and never be told.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION},
    },
    middleware::Next,
    response::Response,
};

use super::{connection::InClear, requests::reads_pages};

/// Lets through what came by TLS, or where none is spoken.
pub(super) async fn to_https(
    State(origin): State<String>,
    request: Request,
    next: Next,
) -> Response {
    if request.extensions().get::<InClear>().is_none() {
        return next.run(request).await;
    }
    let is_page = *request.method() == Method::GET && reads_pages(&request);
    let rest = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let location = HeaderValue::try_from(format!("{origin}{rest}"));
    match location {
        Ok(location) if is_page => redirect(location),
        _ => refuse(),
    }
}

fn redirect(location: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    close(response)
}

fn refuse() -> Response {
    let body = r#"{"error":"invalid_request","error_description":"https is needed here"}"#;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    close(response)
}

fn close(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
