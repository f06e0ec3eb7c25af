//! The token endpoint ([RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).

use axum::{body::Body, extract::State, response::Response};
use countersign_protocol::{Denied, grant::TokenRequest};
use http::Request;

use super::{answer, endpoint::Call, peer::Peers};
use crate::authority::Authority;

pub(crate) async fn token(
    State(authority): State<Authority>,
    State(peers): State<Peers>,
    request: Request<Body>,
) -> Response {
    let call = match Call::open(&authority, request).await {
        Ok(call) => call,
        Err(answered) => return *answered,
    };
    call.answer(exchange(&authority, &peers, &call).await)
}

async fn exchange(authority: &Authority, peers: &Peers, call: &Call) -> Result<Response, Denied> {
    let request = TokenRequest::read(&call.form()?)?;
    let peer = peers.of(&call.parts);
    let response = authority.token(&call.client, request, &peer).await?;
    Ok(answer::json(&response))
}
