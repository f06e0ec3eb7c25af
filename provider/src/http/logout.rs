//! Signing out: by a page that asks, or by a client with its refresh token.
//!
//! The page redirects nowhere: without a proof of who asks, that would make every application's sign-out forgeable
//! (OpenID Connect RP-Initiated Logout §2).

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use countersign_protocol::{Denied, Secret, form::Form};
use http::{Method, Request};

use super::{
    answer,
    endpoint::Call,
    front::{Front, Visit, with_cookie},
    read,
};
use crate::{
    audit::{Actor, Event, What},
    authority::Authority,
    flow::Step,
    pages::{Notice, SignOut},
    paths::Endpoint,
};

pub(crate) async fn get(
    State(authority): State<Authority>,
    State(front): State<Front>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let visit = Visit::new(&authority, &front, &parts);
    visit.answer(ask(&visit).await)
}

/// A form with a `token` is a client's, any other must be our page's.
pub(crate) async fn post(
    State(authority): State<Authority>,
    State(front): State<Front>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::OPTIONS {
        let request = Request::from_parts(parts, Body::empty());
        return by_client(&authority, request).await;
    }
    let visit = Visit::new(&authority, &front, &parts);
    match read::whole(body).await {
        Ok(body) if has_token(&body) => {
            let request = Request::from_parts(parts, Body::from(body));
            by_client(&authority, request).await
        }
        body => visit.answer(by_page(&visit, body).await),
    }
}

fn has_token(body: &[u8]) -> bool {
    Form::parse(body).is_ok_and(|form| form.has("token"))
}

async fn by_client(authority: &Authority, request: Request<Body>) -> Response {
    let call = match Call::open(authority, request).await {
        Ok(call) => call,
        Err(answered) => return *answered,
    };
    call.answer(end(authority, &call).await)
}

async fn end(authority: &Authority, call: &Call) -> Result<Response, Denied> {
    let token = Secret::new(call.form()?.require("token")?);
    authority.log_out(&call.client, &token).await?;
    Ok(answer::empty())
}

async fn ask(visit: &Visit<'_>) -> Result<Response, Denied> {
    if let Some(elsewhere) = visit.elsewhere(Endpoint::Logout) {
        return Ok(elsewhere);
    }
    let Some(user) = visit.signed_in().await? else {
        return Ok(visit.show(&Notice::SignedOut));
    };
    let (flow, cookie) = visit.seal(Step::SignOut { session: user.id })?;
    let page = visit.show(&SignOut {
        action: &visit.path(Endpoint::Logout),
        flow: &flow,
        user: &user.username,
    });
    Ok(with_cookie(page, cookie))
}

async fn by_page(visit: &Visit<'_>, body: Result<Bytes, Denied>) -> Result<Response, Denied> {
    let body = body?;
    if !read::is_form(&visit.parts.headers) {
        return Err(Denied::ForeignForm);
    }
    let form = Form::parse(&body)?;
    let flow = visit.own_flow(&form).await?;
    let Step::SignOut { session } = flow.step else {
        return Err(Denied::ForeignForm);
    };
    flow.check_time(visit.authority.now())?;
    let user = visit.signed_in().await?;
    if user.as_ref().is_some_and(|user| user.id != session) {
        return Err(Denied::ForeignForm);
    }
    match form.require("answer")? {
        "yes" => {
            visit.authority.end_session(session).await?;
            if let Some(user) = user {
                let subject = user.session.subject;
                let event = Event::new(What::SignOut, Actor::User(subject.clone()));
                visit.authority.record(&event.subject(&subject));
            }
            let after = visit.go(Endpoint::Logout, "")?;
            Ok(with_cookie(after, visit.cookies().clear_session()))
        }
        "no" => Ok(visit.show(&Notice::StillIn)),
        _ => Err(Denied::ParameterMalformed("answer")),
    }
}
