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
    session::record_of,
    storage::kept,
    tab::{Tab, option},
    transport::{answer, client_form},
};

#[wasm_bindgen(js_class = CountersignTab)]
impl Tab {
    /// Begins a sign-in by redirect: the address to go to, and what to keep until the answer comes. `random` and `more`
    /// are 32 bytes each.
    pub fn start(&self, random: &JsValue, more: &JsValue, options: &JsValue) -> Result<Array> {
        let return_to = match option(options, "returnTo")? {
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

    /// Judges the token endpoint's answer to a sign-in that was sent at `sent`: the record of the session that it gives;
    /// nothing where no answer came. `random` are 16 bytes.
    pub fn received(&self, value: &JsValue, sent: f64, random: &JsValue) -> Result<JsValue> {
        match answer(value) {
            Answer::Tokens(answer) => {
                let tokens = Tokens::of_login(answer, self.scope.as_ref(), moment(sent));
                let line = Version::from_bytes(bytes(random).ok_or(Failure::Own("insecure-page"))?);
                let session = Session::begin(self.owner.clone(), line, tokens, None);
                Ok(session.kept().to_text().expose().into())
            }
            Answer::Refused(_, refusal) => Err(Failure::Refused(refusal.printable()).into()),
            Answer::Failed { status, .. } => Err(Failure::Status(status).into()),
            Answer::NotSent => Err(Failure::Own("unreachable").into()),
            Answer::Lost => Ok(JsValue::UNDEFINED),
        }
    }

    /// The record to write of a session that was [received](Self::received), over what the place holds. What cannot be
    /// read there is written over: the user has signed in anew.
    pub fn begin(&self, values: &JsValue, received: &JsValue) -> JsValue {
        let session = self.session_of(received);
        let session = session.map(|session| session.over(kept(values).as_ref()));
        session.map_or(JsValue::UNDEFINED, |it| it.kept().to_text().expose().into())
    }

    /// Uses the session whose record was to be written, and notes whether it was.
    pub fn begun(&mut self, record: &JsValue, stored: bool) {
        if let Some(mut session) = self.session_of(record) {
            session.take(session.kept().clone(), stored);
            self.session = Some(session);
        }
    }

    /// Where the page that began the sign-in wanted to come back to: a path of this origin.
    pub fn destination(&self) -> JsValue {
        self.return_to.as_deref().into()
    }
}

impl Tab {
    fn session_of(&self, record: &JsValue) -> Option<Session> {
        Session::restore(record_of(record)?, &self.owner)
    }
}
