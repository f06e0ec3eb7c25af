//! The authorization endpoint ([RFC 6749 §3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use countersign_protocol::{
    Denied,
    authorization::{self, Answer, Destination, MAX_REQUEST, Next, Request},
    client::Client,
    form::Form,
};
use http::{HeaderName, StatusCode, header};

use super::{
    consent,
    front::{self, Front, Visit},
    sign_in,
};
use crate::{
    authority::{Authority, Consented},
    consent as agreed,
    paths::Endpoint,
    session::SignedIn,
};

pub(crate) async fn get(
    State(authority): State<Authority>,
    State(front): State<Front>,
    request: http::Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let visit = Visit::new(&authority, &front, &parts);
    visit.answer(begin(&visit).await)
}

/// Nobody asks for a code by HEAD.
pub(crate) async fn head() -> (StatusCode, [(HeaderName, &'static str); 1]) {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST")])
}

/// A POST goes on by the GET of the same request: a browser that comes from another site sends its cookies only then.
pub(crate) async fn post(
    State(authority): State<Authority>,
    State(front): State<Front>,
    request: http::Request<Body>,
) -> Response {
    let (parts, body) = front::form(request).await;
    let visit = Visit::new(&authority, &front, &parts);
    visit.answer(forward(&visit, body).await)
}

async fn begin(visit: &Visit<'_>) -> Result<Response, Denied> {
    if let Some(elsewhere) = visit.elsewhere(Endpoint::Authorize) {
        return Ok(elsewhere);
    }
    let query = visit.parts.uri.query().unwrap_or_default();
    let asking = Asking::read(visit.authority, query).await?;
    match &asking.request {
        Ok(request) => decide(visit, &asking, request, query).await,
        Err(denied) => asking.answer(visit, Answer::Denied(denied)),
    }
}

async fn forward(visit: &Visit<'_>, body: Result<Bytes, Denied>) -> Result<Response, Denied> {
    let body = body?;
    let body = std::str::from_utf8(&body).map_err(|_| Denied::FormMalformed)?;
    let parts = [visit.parts.uri.query().unwrap_or_default(), body];
    let query = parts.into_iter().filter(|part| !part.is_empty());
    let query = query.collect::<Vec<_>>().join("&");
    let asking = Asking::read(visit.authority, &query).await?;
    match &asking.request {
        Ok(_) => visit.go(Endpoint::Authorize, &query),
        Err(denied) => asking.answer(visit, Answer::Denied(denied)),
    }
}

async fn decide(
    visit: &Visit<'_>,
    asking: &Asking,
    request: &Request,
    query: &str,
) -> Result<Response, Denied> {
    let authority = visit.authority;
    let signed_in = visit.signed_in().await?;
    let agreed = match &signed_in {
        Some(user) => {
            agreed::find(authority.records(), &request.client, &user.session.subject).await?
        }
        None => None,
    };
    let auth_time = signed_in.as_ref().map(|user| user.session.auth_time);
    let scope = agreed.map(|agreed| agreed.scope);
    let next = request.next(&asking.client, auth_time, scope.as_ref(), authority.now());
    match (next, signed_in) {
        (Next::Refuse(denied), _) => asking.answer(visit, Answer::Denied(&denied)),
        (Next::Consent, Some(user)) => consent::ask(visit, asking, request, &user),
        (Next::Grant, Some(user)) => grant(visit, asking, request, &user).await,
        (Next::SignIn | Next::Consent | Next::Grant, _) => {
            let hint = request.login_hint.as_deref().unwrap_or_default();
            sign_in::ask(visit, asking, query, hint)
        }
    }
}

/// The code for a user who agreed to all of it before.
async fn grant(
    visit: &Visit<'_>,
    asking: &Asking,
    request: &Request,
    user: &SignedIn,
) -> Result<Response, Denied> {
    let authority = visit.authority;
    let consented = Consented {
        grant: authority.new_grant_id(),
        request,
        subject: &user.session.subject,
        session: Some(user.id),
        auth_time: user.session.auth_time,
        flow_ends: authority.now() + authority.policy().lifetimes.flow,
    };
    let code = authority.consent(consented).await?;
    asking.answer(visit, Answer::Code(code.expose()))
}

/// A request whose client and destination can be trusted; what it asks for may still be wrong.
pub(super) struct Asking {
    pub(super) client: Arc<Client>,
    pub(super) destination: Destination,
    pub(super) request: Result<Request, Denied>,
}

impl Asking {
    /// Reads a request. An error is for a page: nobody is sent anywhere.
    pub(super) async fn read(authority: &Authority, query: &str) -> Result<Self, Denied> {
        if query.len() > MAX_REQUEST {
            return Err(Denied::BodyTooLarge);
        }
        let form = Form::parse(query.as_bytes())?;
        let id = authorization::client_id(&form)?;
        let client = authority.client(&id).await?.ok_or(Denied::ClientUnknown)?;
        let destination = Destination::find(&form, &client)?;
        let request = Request::check(&form, &client, destination.clone(), authority.policy());
        Ok(Self { client, destination, request })
    }

    /// Back to the application with its answer.
    pub(super) fn answer(&self, visit: &Visit<'_>, answer: Answer<'_>) -> Result<Response, Denied> {
        visit.carry(&self.client, &self.destination, answer)
    }
}
