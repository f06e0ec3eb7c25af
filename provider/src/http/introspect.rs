//! The introspection endpoint ([RFC 7662 §2](https://www.rfc-editor.org/rfc/rfc7662#section-2)).

use axum::{body::Body, extract::State, response::Response};
use countersign_protocol::Denied;
use http::Request;

use super::{answer, endpoint::Call};
use crate::authority::Authority;

pub(crate) async fn introspect(
    State(authority): State<Authority>,
    request: Request<Body>,
) -> Response {
    let call = match Call::open(&authority, request).await {
        Ok(call) => call,
        Err(answered) => return *answered,
    };
    call.answer(tell(&authority, &call).await)
}

async fn tell(authority: &Authority, call: &Call) -> Result<Response, Denied> {
    let form = call.form()?;
    let told = authority.introspect(&call.client, form.require("token")?).await?;
    Ok(answer::json(&told))
}
