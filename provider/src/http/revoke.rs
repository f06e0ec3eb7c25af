//! The revocation endpoint ([RFC 7009 §2](https://www.rfc-editor.org/rfc/rfc7009#section-2)).

use axum::{body::Body, extract::State, response::Response};
use countersign_protocol::{Denied, Secret};
use http::Request;

use super::{answer, endpoint::Call};
use crate::authority::Authority;

pub(crate) async fn revoke(State(authority): State<Authority>, request: Request<Body>) -> Response {
    let call = match Call::open(&authority, request).await {
        Ok(call) => call,
        Err(answered) => return *answered,
    };
    call.answer(end(&authority, &call).await)
}

async fn end(authority: &Authority, call: &Call) -> Result<Response, Denied> {
    let token = Secret::new(call.form()?.require("token")?);
    authority.revoke(&call.client, &token).await?;
    Ok(answer::empty())
}
