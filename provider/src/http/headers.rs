//! The headers that every answer bears, pages above all.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
            STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    response::Response,
};

use crate::pages::Page;

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What an answer that is no page of ours may do in a browser: nothing.
const NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'");

/// Two years. The hosts below are not this provider's to speak for.
const ONLY_HTTPS: HeaderValue = HeaderValue::from_static("max-age=63072000");

const NO_DEVICES: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
     magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
);

/// The answer that shows a page.
pub(crate) fn page(status: StatusCode, page: Page) -> Response {
    let mut response = Response::new(Body::from(page.html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let policy = HeaderValue::try_from(page.policy).unwrap_or(NOTHING);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// Adds what every answer bears and this one has not set: not framed, not guessed at, no referrer, no script, no
/// opener, and over https never again without.
pub(crate) fn secure(headers: &mut HeaderMap, over_https: bool) {
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    default(CONTENT_SECURITY_POLICY, NOTHING);
    default(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    default(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    default(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    default(PERMISSIONS_POLICY, NO_DEVICES);
    if over_https {
        default(STRICT_TRANSPORT_SECURITY, ONLY_HTTPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Notice, Pages};

    /// L6, L7, A11.
    #[test]
    fn a_page_bears_all_headers() {
        let shown = Pages::built_in("id.example").unwrap().render(&Notice::SignedOut, None);
        let policy = shown.policy.clone();
        let mut response = page(StatusCode::OK, shown);
        secure(response.headers_mut(), true);
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("content-security-policy"), policy);
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("strict-transport-security"), "max-age=63072000");
    }

    #[test]
    fn plain_http_promises_no_https() {
        let mut headers = HeaderMap::new();
        secure(&mut headers, false);
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
        assert_eq!(headers[CONTENT_SECURITY_POLICY], NOTHING);
    }
}
