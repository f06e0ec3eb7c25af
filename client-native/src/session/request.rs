use std::{fmt, time::Duration};

use countersign_protocol::{
    Secret,
    session::request::{MAX_REDIRECTS, Redirect, redirect, says_invalid_token},
};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
        HeaderValue, LOCATION, TRANSFER_ENCODING, WWW_AUTHENTICATE,
    },
};
use serde::Serialize;

use super::Session;
use crate::{error::Error, transport::secret_header};

/// A request that will carry the session's token, and be answered by a plain [`reqwest::Response`].
///
/// It goes only to the origins of [`Builder::api`](crate::Builder::api), by redirects too. After a 401 that says
/// `invalid_token` the token is renewed and the request sent once more, if its body can be sent again (a stream
/// cannot).
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    session: Session,
    builder: RequestBuilder,
}

impl Request {
    pub(super) fn new(session: Session, builder: RequestBuilder) -> Self {
        Self { session, builder }
    }

    /// Adds a header.
    pub fn header(self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.with(|builder| builder.header(name, value.into()))
    }

    /// Adds headers, in place of those of the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|builder| builder.headers(headers))
    }

    /// Adds parameters to the query.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.with(|builder| builder.query(query))
    }

    /// Sends this as JSON.
    pub fn json<T: Serialize + ?Sized>(self, json: &T) -> Self {
        self.with(|builder| builder.json(json))
    }

    /// Sends this as a form.
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        self.with(|builder| builder.form(form))
    }

    /// Sends this body.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        self.with(|builder| builder.body(body))
    }

    /// Gives up on each single answer after this long; by default never.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|builder| builder.timeout(timeout))
    }

    fn with(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self { builder: change(self.builder), ..self }
    }

    /// Sends the request. Any answer of the API is `Ok`, whatever its status.
    ///
    /// [`Error::Foreign`] when the URL or a redirect leaves the listed origins; [`Error::SignedOut`] and
    /// [`Error::Offline`] when there is no token to send; [`Error::Http`] when the API does not answer.
    pub async fn send(self) -> Result<Response, Error> {
        let Self { session, builder } = self;
        let mut request = builder.build()?;
        session.permit(request.url())?;
        let mut token = session.access_token().await?;
        let mut renewed = false;
        for _ in 0..=MAX_REDIRECTS {
            let (response, spare) = session.send_once(request, &token, &mut renewed).await?;
            let (Some(spare), Some(next)) = (spare, session.redirected(&response)?) else {
                return Ok(response);
            };
            request = follow(spare, response.status(), next);
            token = session.current()?;
        }
        Err(Error::Redirects)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request")
    }
}

/// A request that was sent, to send again elsewhere; `None` if its body was a stream.
type Spare = Option<reqwest::Request>;

impl Session {
    /// Sends to one place, and a second time if the token was the fault.
    async fn send_once(
        &self,
        request: reqwest::Request,
        token: &Secret,
        renewed: &mut bool,
    ) -> Result<(Response, Spare), Error> {
        let (response, spare) = self.carry(request, token).await?;
        let (true, false, Some(again)) = (is_invalid_token(&response), *renewed, &spare) else {
            return Ok((response, spare));
        };
        let (Some(again), Some(token)) = (again.try_clone(), self.replace(token).await?) else {
            return Ok((response, spare));
        };
        *renewed = true;
        let (response, spare) = self.carry(again, &token).await?;
        if is_invalid_token(&response) {
            self.spurn();
        }
        Ok((response, spare))
    }

    async fn carry(
        &self,
        mut request: reqwest::Request,
        token: &Secret,
    ) -> Result<(Response, Spare), Error> {
        let spare = request.try_clone();
        let bearer = Secret::new(format!("Bearer {}", token.expose()));
        request.headers_mut().insert(AUTHORIZATION, secret_header(bearer.expose()));
        Ok((self.0.client.apis().execute(request).await?, spare))
    }

    /// Whether the token may go there. A redirect to a URL with a user's name in it means another user's request.
    fn permit(&self, url: &Url) -> Result<(), Error> {
        let origin = url.origin().ascii_serialization();
        let plain = url.username().is_empty() && url.password().is_none();
        if plain && self.0.client.allowed().permits(&origin) {
            Ok(())
        } else {
            Err(Error::Foreign(origin))
        }
    }

    /// Where the answer redirects to, if it does and the token may go there.
    fn redirected(&self, response: &Response) -> Result<Option<Url>, Error> {
        if redirect(response.status().as_u16(), "GET") == Redirect::No {
            return Ok(None);
        }
        let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok());
        let next = location.and_then(|it| response.url().join(it).ok());
        next.map(|next| self.permit(&next).map(|()| next)).transpose()
    }
}

fn follow(mut request: reqwest::Request, status: StatusCode, next: Url) -> reqwest::Request {
    if redirect(status.as_u16(), request.method().as_str()) == Redirect::Get {
        *request.method_mut() = Method::GET;
        *request.body_mut() = None;
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
    }
    *request.url_mut() = next;
    request
}

fn is_invalid_token(response: &Response) -> bool {
    let challenges = response.headers().get_all(WWW_AUTHENTICATE);
    response.status() == StatusCode::UNAUTHORIZED
        && says_invalid_token(challenges.iter().filter_map(|it| it.to_str().ok()))
}
