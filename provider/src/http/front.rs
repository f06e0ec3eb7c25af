//! What the endpoints that people see have in common: who visits, which form is one of ours, and how a page, a refusal
//! and the way back to the application are answered.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use countersign_protocol::{
    Denied, Secret,
    authorization::{Answer, Destination},
    client::Client,
    discovery::Issuer,
    endpoint::Origin,
    form::{self, Form},
    id,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header, request::Parts};

use super::{cookies::Cookies, headers, read};
use crate::{
    authority::Authority,
    flow::{Flow, Step},
    pages::{Continue, Failure, Pages, View},
    paths::{Endpoint, Paths},
    session::SignedIn,
};

/// The provider's face.
#[derive(Clone, Debug)]
pub(crate) struct Front(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pages: Pages,
    cookies: Cookies,
    /// The issuer's path, before every path of ours.
    path: String,
    paths: Paths,
    origin: Origin,
}

impl Front {
    pub(crate) fn new(issuer: &Issuer, pages: Pages, paths: Paths) -> Self {
        Self(Arc::new(Inner {
            pages,
            cookies: Cookies::new(issuer.as_str()),
            path: issuer.path().to_owned(),
            paths,
            origin: issuer.origin().clone(),
        }))
    }

    /// Where the endpoints are.
    pub(crate) fn paths(&self) -> &Paths {
        &self.0.paths
    }

    /// Adds the headers that every answer of the provider bears.
    pub(crate) fn secure(&self, mut response: Response) -> Response {
        headers::secure(response.headers_mut(), self.0.cookies.are_secure());
        response
    }
}

/// One request of somebody's browser.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) authority: &'a Authority,
    front: &'a Front,
    pub(crate) parts: &'a Parts,
}

impl<'a> Visit<'a> {
    pub(crate) fn new(authority: &'a Authority, front: &'a Front, parts: &'a Parts) -> Self {
        Self { authority, front, parts }
    }

    /// The answer, or the page that says why there is none.
    pub(crate) fn answer(&self, outcome: Result<Response, Denied>) -> Response {
        outcome.unwrap_or_else(|denied| self.refuse(&denied))
    }

    fn refuse(&self, denied: &Denied) -> Response {
        tracing::debug!(reason = ?denied, "refused");
        let page = Failure { denied, request: None };
        self.show_denied(denied, &page)
    }

    /// A page.
    pub(crate) fn show(&self, view: &impl View) -> Response {
        self.show_as(StatusCode::OK, view)
    }

    /// A page that says, beside other things, that something was denied; with that one's status.
    pub(crate) fn show_denied(&self, denied: &Denied, view: &impl View) -> Response {
        let status = StatusCode::from_u16(denied.code().status());
        let mut response = self.show_as(status.unwrap_or(StatusCode::BAD_REQUEST), view);
        if let Some(wait) = denied.retry_after() {
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    fn show_as(&self, status: StatusCode, view: &impl View) -> Response {
        let language = text(&self.parts.headers, &header::ACCEPT_LANGUAGE);
        headers::page(status, self.front.0.pages.render(view, language))
    }

    /// Where an endpoint of ours is for the browser.
    pub(crate) fn path(&self, endpoint: Endpoint) -> String {
        let path = self.front.paths().of(endpoint).unwrap_or_default();
        format!("{}{path}", self.front.0.path)
    }

    /// On to a page of ours, by GET whatever this request was ([RFC 9700 §4.12]: never 307).
    ///
    /// [RFC 9700 §4.12]: https://www.rfc-editor.org/rfc/rfc9700#section-4.12
    pub(crate) fn go(&self, endpoint: Endpoint, query: &str) -> Result<Response, Denied> {
        let separator = if query.is_empty() { "" } else { "?" };
        let query = form::escape(query);
        see_other(&format!("{}{separator}{query}", self.path(endpoint)))
    }

    /// Back to the application with its answer.
    ///
    /// By redirect, unless the navigation began at one of our own pages: a browser that holds a form to its page's
    /// `form-action` holds every redirect behind it to that too, those of the application's pages included. Then, and
    /// where nobody may go without a click, a page carries the user on.
    pub(crate) fn carry(
        &self,
        client: &Client,
        destination: &Destination,
        answer: Answer<'_>,
    ) -> Result<Response, Denied> {
        if let Answer::Denied(denied) = answer {
            tracing::debug!(reason = ?denied, client = %client.client_id, "refused");
        }
        let url = destination.location(answer, self.authority.issuer());
        let automatic = !destination.needs_click();
        if automatic && !began_here(&self.parts.headers) {
            return see_other(&url);
        }
        Ok(self.show(&Continue {
            client: client.display_name(),
            return_host: destination.place(),
            url: &url,
            automatic,
        }))
    }

    /// On loopback, the way from another name of the same listener (`localhost` for `127.0.0.1`) to the issuer's, which
    /// is the one that cookies and redirects know.
    pub(crate) fn elsewhere(&self, endpoint: Endpoint) -> Option<Response> {
        let ours = &self.front.0.origin;
        let host = text(&self.parts.headers, &header::HOST)
            .or_else(|| self.parts.uri.authority().map(http::uri::Authority::as_str))?;
        let scheme = ours.to_string();
        let asked = Origin::parse(&format!("{}://{host}", scheme.split("://").next()?))?;
        let other_name = asked != *ours && asked.port() == ours.port();
        if !(other_name && asked.is_loopback() && ours.is_loopback()) {
            return None;
        }
        let query = self.parts.uri.query().map(|query| format!("?{query}"));
        let query = query.unwrap_or_default();
        see_other(&format!("{ours}{}{query}", self.path(endpoint))).ok()
    }

    /// Seals a step into the form of a page for this browser; with the cookie that the page must set when the browser
    /// has none yet.
    pub(crate) fn seal(&self, step: Step) -> Result<(String, Option<HeaderValue>), Denied> {
        if let Some(browser) = self.browser() {
            return Ok((self.authority.seal_flow(&browser, step)?, None));
        }
        let browser = Cookies::new_browser();
        let flow = self.authority.seal_flow(&browser, step)?;
        Ok((flow, self.cookies().set_browser(&browser)))
    }

    fn browser(&self) -> Option<Secret> {
        self.cookies().browser(&self.parts.headers)
    }

    /// The browser's name for the brakes on guessing.
    pub(crate) fn device(&self) -> Option<String> {
        let browser = self.browser()?;
        let hash = digest(&SHA256, browser.expose().as_bytes());
        Some(id::encode(hash.as_ref()))
    }

    /// Who is signed in.
    pub(crate) async fn signed_in(&self) -> Result<Option<SignedIn>, Denied> {
        match self.cookies().session(&self.parts.headers) {
            Some(ticket) => self.authority.session(&ticket).await,
            None => Ok(None),
        }
    }

    /// The cookies' names and attributes.
    pub(crate) fn cookies(&self) -> &'a Cookies {
        &self.front.0.cookies
    }

    /// The unfinished flow in a form that one of our pages sent from this browser; [`Denied::ForeignForm`] for any
    /// other.
    pub(crate) async fn own_flow(&self, form: &Form<'_>) -> Result<Flow, Denied> {
        if !self.is_own_form() {
            return Err(Denied::ForeignForm);
        }
        let sealed = form.get("flow")?.ok_or(Denied::ForeignForm)?;
        let browser = self.browser();
        self.authority.open_flow(sealed, browser.as_ref()).await
    }

    /// What the browser says of where the form came from. It may say nothing, or `Origin: null`, as it does for pages
    /// that send no referrer: what binds the form is the seal.
    fn is_own_form(&self) -> bool {
        let site = text(&self.parts.headers, &SEC_FETCH_SITE);
        let origin = text(&self.parts.headers, &header::ORIGIN).filter(|origin| *origin != "null");
        site.is_none_or(|site| matches!(site, "same-origin" | "none"))
            && origin
                .is_none_or(|origin| Origin::parse(origin).as_ref() == Some(&self.front.0.origin))
    }
}

/// Where only forms go, somebody came by address: back from a page behind, or from a bookmark.
pub(crate) async fn lost(
    State(authority): State<Authority>,
    State(front): State<Front>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    Visit::new(&authority, &front, &parts).refuse(&Denied::FlowLost)
}

/// The head and body of a form that a page of ours sent. What is no form did not come from one.
pub(crate) async fn form(request: Request<Body>) -> (Parts, Result<Bytes, Denied>) {
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let body = match read::form(whole).await {
        Ok((_, body)) => Ok(body),
        Err(Denied::NotAForm) => Err(Denied::ForeignForm),
        Err(denied) => Err(denied),
    };
    (parts, body)
}

/// Adds a cookie to an answer.
pub(crate) fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether a window goes where a page of this origin sent it, be it by a form and the redirects behind it.
fn began_here(headers: &HeaderMap) -> bool {
    let is = |name, expected| text(headers, &name) == Some(expected);
    is(SEC_FETCH_SITE, "same-origin")
        && is(SEC_FETCH_MODE, "navigate")
        && is(SEC_FETCH_DEST, "document")
}

fn see_other(url: &str) -> Result<Response, Denied> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(url).map_err(|_| Denied::Internal)?;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
