//! What the token, introspection, revocation and sign-out endpoints have in common: a form in, the client proven, an
//! answer that only the client's own pages may read.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use countersign_protocol::{Denied, client::Client, client_auth::Presented, form::Form};
use http::{HeaderMap, Method, Request, request::Parts};

use super::{answer, cors, read};
use crate::authority::Authority;

/// A request whose client has proven who it is.
pub(crate) struct Call {
    pub(crate) client: Arc<Client>,
    pub(crate) parts: Parts,
    body: Bytes,
}

impl Call {
    /// Reads the request and proves its client; else the answer is ready: to a preflight, or a refusal.
    pub(crate) async fn open(
        authority: &Authority,
        request: Request<Body>,
    ) -> Result<Self, Box<Response>> {
        if request.method() == Method::OPTIONS {
            return Err(Box::new(cors::preflight(authority, request.headers()).await));
        }
        let (parts, body) =
            read::form(request).await.map_err(|denied| Box::new(refuse(&denied)))?;
        let presented =
            Form::parse(&body).and_then(|form| read::credentials(&parts.headers, &form));
        match authenticate(authority, &presented).await {
            Ok(client) => Ok(Self { client, parts, body }),
            Err(denied) => {
                let refusal = refuse_client(authority, presented.ok(), &parts.headers, &denied);
                Err(Box::new(refusal.await))
            }
        }
    }

    /// The parameters.
    pub(crate) fn form(&self) -> Result<Form<'_>, Denied> {
        Form::parse(&self.body)
    }

    /// The answer, readable for the client's own pages.
    pub(crate) fn answer(&self, outcome: Result<Response, Denied>) -> Response {
        let mut response = outcome.unwrap_or_else(|denied| refuse(&denied));
        cors::allow(&mut response, Some(&self.client), &self.parts.headers);
        response
    }
}

async fn authenticate(
    authority: &Authority,
    presented: &Result<Presented, Denied>,
) -> Result<Arc<Client>, Denied> {
    authority.authenticate(presented.as_ref().map_err(Clone::clone)?).await
}

/// A refusal before the client is proven. Its pages may read that too: it tells nothing, and helps their developer.
async fn refuse_client(
    authority: &Authority,
    presented: Option<Presented>,
    headers: &HeaderMap,
    denied: &Denied,
) -> Response {
    let client = match presented {
        Some(presented) => authority.client(&presented.client_id).await.ok().flatten(),
        None => None,
    };
    let mut response = refuse(denied);
    cors::allow(&mut response, client.as_deref(), headers);
    response
}

fn refuse(denied: &Denied) -> Response {
    tracing::debug!(reason = ?denied, "refused");
    answer::refusal(denied)
}
