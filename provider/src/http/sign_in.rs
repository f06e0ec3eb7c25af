//! The page that asks for username and password, and its answer.

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use countersign_protocol::{
    Denied, Secret,
    authorization::{Answer, after_sign_in},
    form::Form,
};

use super::{
    authorize::Asking,
    front::{self, Front, Visit, with_cookie},
    peer::Peers,
};
use crate::{
    audit::{Actor, Event, What},
    authority::{Authority, Peer, Proven},
    flow::Step,
    pages::{Problem, SignIn},
    paths::Endpoint,
    session::Ticket,
};

pub(crate) async fn post(
    State(authority): State<Authority>,
    State(front): State<Front>,
    State(peers): State<Peers>,
    request: http::Request<Body>,
) -> Response {
    let (parts, body) = front::form(request).await;
    let visit = Visit::new(&authority, &front, &parts);
    visit.answer(enter(&visit, &peers, body).await)
}

/// Shows the page for a request.
pub(super) fn ask(
    visit: &Visit<'_>,
    asking: &Asking,
    query: &str,
    username: &str,
) -> Result<Response, Denied> {
    let step = Step::SignIn { query: query.to_owned() };
    let (flow, cookie) = visit.seal(step)?;
    let page = visit.show(&view(asking, &visit.path(Endpoint::SignIn), &flow, username));
    Ok(with_cookie(page, cookie))
}

fn view<'a>(asking: &'a Asking, action: &'a str, flow: &'a str, username: &'a str) -> SignIn<'a> {
    SignIn {
        action,
        flow,
        client: asking.client.display_name(),
        return_host: asking.destination.place(),
        username,
        problem: None,
        form_origin: asking.destination.origin(),
    }
}

async fn enter(
    visit: &Visit<'_>,
    peers: &Peers,
    body: Result<Bytes, Denied>,
) -> Result<Response, Denied> {
    let body = body?;
    let form = Form::parse(&body)?;
    let flow = visit.own_flow(&form).await?;
    let Step::SignIn { query } = flow.step else {
        return Err(Denied::ForeignForm);
    };
    // A page that stood open for too long begins again with the same request.
    if visit.authority.now() >= flow.ends {
        return visit.go(Endpoint::Authorize, &query);
    }
    let asking = Asking::read(visit.authority, &query).await?;
    if form.get("answer")? == Some("no") {
        return asking.answer(visit, Answer::Denied(&Denied::UserDenied));
    }
    let username = form.get("username")?.unwrap_or_default();
    let password = Secret::new(form.get("password")?.unwrap_or_default());
    let peer = Peer { device: visit.device(), ..peers.of(visit.parts) };
    match begin(visit, &asking, username, &password, &peer).await {
        Ok(ticket) => {
            let cap = visit.authority.policy().lifetimes.session_cap;
            let cookie = visit.cookies().set_session(&ticket, cap);
            let onward = visit.go(Endpoint::Authorize, &after_sign_in(&query))?;
            Ok(with_cookie(onward, cookie))
        }
        Err(denied) => ask_again(visit, &asking, &form, username, denied),
    }
}

async fn begin(
    visit: &Visit<'_>,
    asking: &Asking,
    username: &str,
    password: &Secret,
    peer: &Peer,
) -> Result<Ticket, Denied> {
    let begun = prove(visit, username, password, peer).await;
    let event = match &begun {
        Ok((Proven { subject, .. }, _)) => {
            Event::new(What::SignIn, Actor::User(subject.clone())).subject(subject)
        }
        Err(denied) => Event::new(What::SignIn, Actor::Unknown).reason(denied.clone()),
    };
    let event = event.client(&asking.client.client_id);
    visit.authority.record(&event.address(peer.address));
    begun.map(|(_, ticket)| ticket)
}

async fn prove(
    visit: &Visit<'_>,
    username: &str,
    password: &Secret,
    peer: &Peer,
) -> Result<(Proven, Ticket), Denied> {
    if username.is_empty() || password.is_empty() {
        return Err(Denied::CredentialsWrong);
    }
    let authority = visit.authority;
    let proven = authority.sign_in(username, password, peer).await?;
    let before = visit.signed_in().await?;
    let ticket = authority.begin_session(before.as_ref(), &proven).await?;
    Ok((proven, ticket))
}

/// The same page with what went wrong; an error when trying again won't help.
fn ask_again(
    visit: &Visit<'_>,
    asking: &Asking,
    form: &Form<'_>,
    username: &str,
    denied: Denied,
) -> Result<Response, Denied> {
    let Some(problem) = Problem::of(&denied) else {
        return Err(denied);
    };
    let flow = form.require("flow")?;
    let action = visit.path(Endpoint::SignIn);
    let page = SignIn { problem: Some(problem), ..view(asking, &action, flow, username) };
    Ok(visit.show_denied(&denied, &page))
}
