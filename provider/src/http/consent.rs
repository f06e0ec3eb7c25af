//! The page that asks whether an application may have what it asks for, and its answer.

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use countersign_protocol::{
    Denied,
    authorization::{Answer, Request},
    client::Client,
    form::Form,
};

use super::{
    authorize::Asking,
    front::{self, Front, Visit, with_cookie},
};
use crate::{
    audit::{Actor, Event, What},
    authority::{Authority, Consented},
    consent,
    flow::{Asked, Flow, Step},
    pages::Consent,
    paths::Endpoint,
    session::SignedIn,
};

pub(crate) async fn post(
    State(authority): State<Authority>,
    State(front): State<Front>,
    request: http::Request<Body>,
) -> Response {
    let (parts, body) = front::form(request).await;
    let visit = Visit::new(&authority, &front, &parts);
    visit.answer(decide(&visit, body).await)
}

/// Shows the page for a request to a user.
pub(super) fn ask(
    visit: &Visit<'_>,
    asking: &Asking,
    request: &Request,
    user: &SignedIn,
) -> Result<Response, Denied> {
    let asked = Asked {
        grant: visit.authority.new_grant_id(),
        request: request.clone(),
        session: user.id,
        subject: user.session.subject.clone(),
    };
    let step = Step::Consent(Box::new(asked));
    let (flow, cookie) = visit.seal(step)?;
    let page = visit.show(&Consent {
        action: &visit.path(Endpoint::Consent),
        flow: &flow,
        client: asking.client.display_name(),
        return_host: asking.destination.place(),
        user: &user.username,
        scopes: request.scope.iter().collect(),
        form_origin: asking.destination.origin(),
    });
    Ok(with_cookie(page, cookie))
}

async fn decide(visit: &Visit<'_>, body: Result<Bytes, Denied>) -> Result<Response, Denied> {
    let body = body?;
    let form = Form::parse(&body)?;
    let flow = visit.own_flow(&form).await?;
    let Step::Consent(asked) = &flow.step else {
        return Err(Denied::ForeignForm);
    };
    flow.check_time(visit.authority.now())?;
    let user = visit.signed_in().await?.ok_or(Denied::FlowLost)?;
    if user.id != asked.session || user.session.subject != asked.subject {
        return Err(Denied::ForeignForm);
    }
    let client = visit.authority.client(&asked.request.client).await?;
    let client = client.ok_or(Denied::ClientUnknown)?;
    let destination = &asked.request.destination;
    client.redirect_uri(Some(&destination.redirect_uri))?;
    match form.require("answer")? {
        "yes" => grant(visit, &client, &flow, asked, &user).await,
        "no" => {
            visit.authority.record(&event(asked).reason(Denied::UserDenied));
            visit.carry(&client, destination, Answer::Denied(&Denied::UserDenied))
        }
        _ => Err(Denied::ParameterMalformed("answer")),
    }
}

async fn grant(
    visit: &Visit<'_>,
    client: &Client,
    flow: &Flow,
    asked: &Asked,
    user: &SignedIn,
) -> Result<Response, Denied> {
    let (authority, request) = (visit.authority, &asked.request);
    let code = authority
        .consent(Consented {
            grant: asked.grant,
            request,
            subject: &asked.subject,
            session: Some(asked.session),
            auth_time: user.session.auth_time,
            flow_ends: flow.ends,
        })
        .await?;
    // Only now: a yes that was answered before must not bring back a consent that was withdrawn since.
    let records = authority.records();
    consent::remember(records, &request.client, &asked.subject, &request.scope).await?;
    authority.record(&event(asked).grant(asked.grant));
    visit.carry(client, &request.destination, Answer::Code(code.expose()))
}

fn event(asked: &Asked) -> Event {
    Event::new(What::Consent, Actor::User(asked.subject.clone()))
        .client(&asked.request.client)
        .subject(&asked.subject)
}
