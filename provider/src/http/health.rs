//! Whether the process lives, and whether it can serve.

use std::time::Duration;

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::answer;
use crate::authority::Authority;

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// The process answers. The store is not asked.
pub(crate) async fn livez() -> Response {
    answer::json(&serde_json::json!({ "status": "ok" }))
}

/// The store answers, the ring of keys is loaded, and the clocks agree.
pub(crate) async fn readyz(State(authority): State<Authority>) -> Response {
    let ready = tokio::time::timeout(PATIENCE, authority.check_ready()).await;
    let mut response = match ready {
        Ok(Ok(())) => return answer::json(&serde_json::json!({ "status": "ready" })),
        Ok(Err(why)) => answer::json(&serde_json::json!({ "status": "not ready", "why": why })),
        Err(_) => answer::json(&serde_json::json!({ "status": "not ready", "why": "store" })),
    };
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
