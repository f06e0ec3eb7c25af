//! The browser's client: a module, its WebAssembly, its types, the script for forms, and a document that tells them who
//! the issuer is. They are compiled in, so that nothing has to be built or installed to serve them.
//!
//! Under a path of its own hash a bundle never changes: pages that pin one by an import map's `integrity` name that.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::Response,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use countersign_protocol::{ClientId, discovery::Metadata};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{answer, cors, front::Front, metadata};
use crate::{authority::Authority, paths::Endpoint, routes::Endpoints};

/// One release's files.
struct Bundle {
    /// The name of its folder.
    hash: &'static str,
    /// What an import map's `integrity` says of its module; it covers the WebAssembly too.
    integrity: &'static str,
    files: &'static [File],
}

struct File {
    name: &'static str,
    hash: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    brotli: &'static [u8],
}

/// This release's. Earlier releases' bundles are added behind it, the last three.
const BUNDLES: [Bundle; 1] = [include!("../../dist/files.rs")];

const MODULE: &str = "oauth_client.js";
const DOCUMENT: &str = "oauth_client.json";

/// Asked about again after this long, by its `ETag`.
const CURRENT: HeaderValue = HeaderValue::from_static("public, max-age=300");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

const WASM: HeaderValue = HeaderValue::from_static("application/wasm");

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The client of forms that name none.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormClient(Option<Arc<ClientId>>);

impl FormClient {
    pub(crate) fn named(client: ClientId) -> Self {
        Self(Some(Arc::new(client)))
    }
}

/// Everything, beside the module, which is mounted at `path`.
pub(crate) fn beside(path: &str) -> Router<Endpoints> {
    let folder = &path[..=path.rfind('/').unwrap_or(0)];
    let mut router = Router::new().route(&format!("{folder}{DOCUMENT}"), get(document));
    for file in BUNDLES[0].files {
        let own = format!("{folder}{}", file.name);
        router = router.route(&own, serve(file, lasting(file, CURRENT)));
        if file.name == MODULE && own != path {
            router = router.route(path, serve(file, CURRENT));
        }
    }
    for bundle in &BUNDLES {
        let folder = format!("{folder}{}/", bundle.hash);
        router = router.route(&format!("{folder}{DOCUMENT}"), get(document));
        for file in bundle.files {
            let own = format!("{folder}{}", file.name);
            router = router.route(&own, serve(file, FOR_EVER));
        }
    }
    router
}

/// The WebAssembly's own name holds its hash.
fn lasting(file: &File, otherwise: HeaderValue) -> HeaderValue {
    if media_type(file.name) == WASM { FOR_EVER } else { otherwise }
}

fn serve(file: &'static File, caching: HeaderValue) -> MethodRouter<Endpoints> {
    get(move |headers: HeaderMap| std::future::ready(answer(file, &headers, caching)))
}

fn answer(file: &'static File, asked: &HeaderMap, caching: HeaderValue) -> Response {
    let (coding, bytes) = choose(file, asked);
    let tag = format!("\"{}{}\"", file.hash, coding.unwrap_or_default());
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| matches(value, &tag));
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(Bytes::from_static(bytes)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, media_type(file.name));
        headers
            .extend(coding.map(|name| (header::CONTENT_ENCODING, HeaderValue::from_static(name))));
        response
    };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::try_from(tag).map(|tag| (header::ETAG, tag)));
    headers.insert(header::CACHE_CONTROL, caching);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    share(&mut response);
    response
}

/// Any page may load it, also one that is isolated from other origins: there is no secret in it.
fn share(response: &mut Response) {
    response.headers_mut().insert(CORP, HeaderValue::from_static("cross-origin"));
    cors::allow_all(response);
}

fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit('.').next() {
        Some("wasm") => return WASM,
        Some("js") => "text/javascript; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    })
}

/// The smallest form that the peer takes ([RFC 9110 §12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
fn choose(file: &'static File, asked: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let accepted = asked.get_all(header::ACCEPT_ENCODING);
    let takes = |coding: &str| {
        accepted
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|offer| accepts(offer, coding))
    };
    if takes("br") {
        (Some("br"), file.brotli)
    } else if takes("gzip") {
        (Some("gzip"), file.gzip)
    } else {
        (None, file.plain)
    }
}

fn accepts(offer: &str, coding: &str) -> bool {
    let (name, weight) = offer.split_once(';').unwrap_or((offer, ""));
    let weight = weight.trim().trim_start_matches("q=");
    let refused = !weight.is_empty() && weight.parse().is_ok_and(|weight: f32| weight <= 0.0);
    name.trim().eq_ignore_ascii_case(coding) && !refused
}

/// `If-None-Match` compares weakly ([RFC 9110 §13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
fn matches(value: &str, tag: &str) -> bool {
    let own = |known: &str| known == "*" || known.trim_start_matches("W/") == tag;
    value.split(',').any(|known| own(known.trim()))
}

/// What the script reads beside itself: who the issuer is and what it offers, and which bundle this is.
#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    metadata: Metadata,
    /// Where this module never changes.
    countersign_module: String,
    /// The integrity of that.
    countersign_integrity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    countersign_form_client: Option<ClientId>,
}

async fn document(
    State(authority): State<Authority>,
    State(front): State<Front>,
    State(form_client): State<FormClient>,
) -> Response {
    let [current, ..] = &BUNDLES;
    let path = front.paths().of(Endpoint::Script).unwrap_or_default();
    let folder = &path[..=path.rfind('/').unwrap_or(0)];
    let mut response = answer::json(&Document {
        metadata: metadata::of(&authority, front.paths()),
        countersign_module: format!("{}{folder}{}/{MODULE}", authority.issuer(), current.hash),
        countersign_integrity: current.integrity,
        countersign_form_client: form_client.0.as_deref().cloned(),
    });
    response.headers_mut().insert(header::CACHE_CONTROL, CURRENT);
    share(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_taken_where_it_is_not_refused() {
        for (offer, takes) in [
            ("br", true),
            (" BR ;q=0.5", true),
            ("br;q=0", false),
            ("br; q=0.000", false),
            ("brotli", false),
            ("", false),
        ] {
            assert_eq!(accepts(offer, "br"), takes, "{offer}");
        }
    }

    #[test]
    fn a_known_tag_is_found_in_a_list() {
        for (value, known) in [
            ("\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"ab\"", false),
            ("a", false),
        ] {
            assert_eq!(matches(value, "\"a\""), known, "{value}");
        }
    }
}
