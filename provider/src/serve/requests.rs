//! What every request goes through: it gets an id, it is logged, and a panic in it stays its own.

use std::{
    any::Any,
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderName, HeaderValue, Method, StatusCode,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
    },
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::{Instrument as _, Level};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How much of a path is logged, in bytes.
const LONGEST: usize = 200;

/// The endpoints that people see. Only these are logged as they are asked for; what programs ask for by the thousand is
/// logged when it fails, and otherwise at *debug*.
const FOR_PEOPLE: [&str; 4] = ["/authorize", "/sign-in", "/consent", "/logout"];

/// Names the request, answers it, and logs how that went. The query is logged nowhere: codes and names stand in it.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let id = RequestId::next();
    let span = tracing::info_span!("request", %id);
    async move {
        let line = Line::begin(&request);
        let reads_pages = reads_pages(&request);
        let mut response = match caught(next.run(request)).await {
            Ok(response) => response,
            Err(_) => sorry(reads_pages, &id),
        };
        line.end(response.status());
        response.headers_mut().insert(REQUEST_ID, id.header());
        response
    }
    .instrument(span)
    .await
}

/// What a line of the log says of a request.
struct Line {
    method: Method,
    path: String,
    begun: Instant,
}

impl Line {
    fn begin(request: &Request) -> Self {
        let path = request.uri().path();
        Self {
            method: request.method().clone(),
            path: path.chars().take(LONGEST).collect(),
            begun: Instant::now(),
        }
    }

    fn end(self, status: StatusCode) {
        let Self { method, path, begun } = self;
        let (status, took) = (status.as_u16(), Micros(begun.elapsed()));
        match level(&path, status) {
            Level::WARN => tracing::warn!(%method, path, status, %took, "failed"),
            Level::INFO => tracing::info!(%method, path, status, %took, "answered"),
            _ => tracing::debug!(%method, path, status, %took, "answered"),
        }
    }
}

fn level(path: &str, status: u16) -> Level {
    if status >= 500 && !path.ends_with("/readyz") {
        return Level::WARN;
    }
    if FOR_PEOPLE.iter().any(|end| path.ends_with(end)) {
        return Level::INFO;
    }
    Level::DEBUG
}

struct Micros(Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0.as_micros())
    }
}

/// A request's name in the log and in its answer. None is taken from outside: it would let anybody write the log.
struct RequestId(u64, u64);

impl RequestId {
    fn next() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Self(*PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
    }

    fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).unwrap_or(HeaderValue::from_static("-"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.0 & 0xffff_ffff, self.1)
    }
}

/// Runs a future; `Err` is what it panicked with. It is dropped then, so that nothing sees what it left behind.
async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// Whether a person looks at the answer.
pub(super) fn reads_pages(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    accept.is_some_and(|value| value.contains("text/html"))
}

/// The answer to a request that hit a defect of ours.
fn sorry(reads_pages: bool, id: &RequestId) -> Response {
    let (content_type, body) = if reads_pages {
        (
            "text/html; charset=utf-8",
            format!(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Error</title>\
                 <p>Something went wrong here. The log tells more of request {id}."
            ),
        )
    } else {
        ("application/json", serde_json::json!({ "error": "server_error" }).to_string())
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn defective() -> &'static str {
        panic!("a secret that a defect knows");
    }

    async fn ask(accept: &'static str) -> (Response, String) {
        let app = Router::new().route("/", get(defective)).layer(middleware::from_fn(observe));
        let request = Request::builder().header(ACCEPT, accept);
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (Response::from_parts(parts, Body::empty()), text)
    }

    #[tokio::test]
    async fn a_panic_is_answered_to_a_program() {
        let (response, body) = ask("*/*").await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(body, r#"{"error":"server_error"}"#);
    }

    #[tokio::test]
    async fn a_panic_is_answered_to_a_person_with_the_name_of_the_request() {
        let (response, body) = ask("text/html,*/*").await;
        assert_eq!(response.status(), 500);
        let id = response.headers()[REQUEST_ID].to_str().unwrap();
        assert!(body.contains(id), "{body}");
        assert!(!body.contains("secret"), "{body}");
    }

    #[test]
    fn what_programs_ask_for_is_logged_only_when_it_fails() {
        assert_eq!(level("/oauth/token", 200), Level::DEBUG);
        assert_eq!(level("/oauth/token", 401), Level::DEBUG);
        assert_eq!(level("/oauth/token", 503), Level::WARN);
        assert_eq!(level("/auth/oauth/authorize", 302), Level::INFO);
        assert_eq!(level("/readyz", 503), Level::DEBUG);
    }

    #[test]
    fn each_request_has_a_name_of_its_own() {
        let (one, other) = (RequestId::next().to_string(), RequestId::next().to_string());
        assert_ne!(one, other);
        assert_eq!(one.split('-').next(), other.split('-').next());
    }
}
