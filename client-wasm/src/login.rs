//! Signing in, as `client.js` does it: by redirect, or with username and password.

use countersign_protocol::{
    Secret, Version,
    login::{self, Callback, Pending, ReturnTo},
    session::{Session, Tokens, refresh::Answer},
};
use js_sys::Array;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    error::{Failure, Result},
    js::{bytes, moment, text},
    storage::kept,
    tab::Tab,
    transport::{answer, client_form},
};

#[wasm_bindgen]
impl Tab {
    /// Begins a sign-in by redirect: the address to go to, and what to keep until the answer comes. `random` are twice
    /// 32 bytes.
    pub fn start(&self, random: &JsValue, more: &JsValue, return_to: &JsValue) -> Result<Array> {
        let return_to = match return_to.as_string() {
            None => None,
            Some(path) => Some(ReturnTo::parse(&path).ok_or(Failure::Option(
                "returnTo must be a path of this origin, and begin with one slash",
            ))?),
        };
        let provider = self.metadata.as_ref().ok_or(Failure::Own("unreachable"))?;
        let (random, client_id) = (bytes(random).zip(bytes(more)), &self.owner.client_id);
        let random = random.ok_or(Failure::Own("insecure-page"))?;
        let (scope, redirect_uri) = (self.scope.as_ref(), &self.redirect_uri);
        let random = [random.0, random.1];
        let started = login::start(provider, client_id, redirect_uri, scope, &random)?;
        let pending = started.pending.returning_to(return_to).to_text();
        Ok(Array::of2(&started.url.into(), &pending.expose().into()))
    }

    /// Checks what came back: the body for the token endpoint.
    pub fn returned(&mut self, pending: &JsValue, query: &JsValue) -> Result<JsValue> {
        let pending = pending.as_string().and_then(|text| Pending::from_text(&text));
        let pending = pending.ok_or(Failure::Own("callback-unknown"))?;
        let query = query.as_string().unwrap_or_default();
        let returned = pending.check(&query).map_err(|why| match why {
            Callback::NotOurs | Callback::Empty => Failure::Own("callback-unknown"),
            Callback::WrongIssuer => Failure::Own("callback-issuer"),
            Callback::Refused(refusal) => Failure::Refused(refusal),
        })?;
        self.return_to = pending.return_to().map(|path| path.as_str().to_owned());
        Ok(client_form(&self.owner, returned.form()))
    }

    /// The body for a sign-in with `username` and `password`
    /// ([RFC 6749 §4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).
    pub fn password(&self, options: &JsValue) -> JsValue {
        let username = text(options, "username").unwrap_or_default();
        let password = Secret::new(text(options, "password").unwrap_or_default());
        client_form(&self.owner, login::password_form(&username, &password, self.scope.as_ref()))
    }

    /// Judges the token endpoint's answer to a sign-in that was sent at `sent`; `false`: whether there was one is not
    /// known.
    pub fn received(&mut self, value: &JsValue, sent: f64, random: &JsValue) -> Result<bool> {
        match answer(value) {
            Answer::Tokens(answer) => {
                let tokens = Tokens::of_login(answer, self.scope.as_ref(), moment(sent));
                let line = Version::from_bytes(bytes(random).ok_or(Failure::Own("insecure-page"))?);
                self.received = Some((line, tokens));
                Ok(true)
            }
            Answer::Refused(_, refusal) => Err(Failure::Refused(refusal.printable()).into()),
            Answer::Failed { status, .. } => Err(Failure::Status(status).into()),
            Answer::NotSent => Err(Failure::Own("unreachable").into()),
            Answer::Lost => Ok(false),
        }
    }

    /// The record to write of the session that begins, over what the place holds.
    pub fn begin(&mut self, values: &JsValue) -> JsValue {
        let Some((line, tokens)) = self.received.take() else {
            return JsValue::UNDEFINED;
        };
        let found = kept(values);
        let session = Session::begin(self.owner.clone(), line, tokens, found.as_ref());
        let text = session.kept().to_text();
        self.begun = Some(session);
        text.expose().into()
    }

    /// Uses the session that has begun, and notes whether its record was written.
    pub fn begun(&mut self, stored: bool) {
        if let Some(mut session) = self.begun.take() {
            let kept = session.kept().clone();
            session.take(kept, stored);
            self.session = Some(session);
        }
    }

    /// Where the page that began the sign-in wanted to come back to: a path of this origin.
    pub fn destination(&self) -> JsValue {
        self.return_to.as_deref().into()
    }
}
