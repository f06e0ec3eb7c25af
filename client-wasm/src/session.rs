//! A session in step with the other tabs: what `session.js` does is decided here, that is by
//! [`countersign_protocol::session`].

use std::time::Duration;

use countersign_protocol::{
    Secret,
    discovery::Checked,
    session::{
        Farewell, Kept, Next, Offline, Session, Status,
        refresh::{Plan, Settled, Verdict},
        request,
    },
};
use js_sys::Array;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    error::{Failure, Result},
    js::{millis, moment, now, secret},
    storage::{Found, found, kept},
    tab::Tab,
    transport::{answer, client_form},
};

#[wasm_bindgen(js_class = CountersignTab)]
impl Tab {
    /// A token to use now; `undefined`: refresh, and ask once more, then for the `last` time. `rejected` is one that
    /// the API has refused.
    pub fn token(&self, rejected: &JsValue, last: bool) -> Result<JsValue> {
        let Some(session) = &self.session else {
            return Err(Failure::Own("signed-out").into());
        };
        let rejected = secret(rejected);
        let usable = |token: &Secret| !rejected.as_ref().is_some_and(|it| it.matches(token));
        match session.next(now()) {
            Next::SignIn(_) => Err(Failure::Own("signed-out").into()),
            Next::Use(token) if usable(&token) => Ok(token.expose().into()),
            Next::RefreshOr(token) if last && usable(&token) => Ok(token.expose().into()),
            _ if !last => Ok(JsValue::UNDEFINED),
            _ => {
                let why = match session.status() {
                    Status::Offline(why) => why,
                    _ => Offline::Unanswered,
                };
                Err(Failure::Offline(why).into())
            }
        }
    }

    /// Whether a 401 says that the token is at fault. `challenge` is the header, where this origin may see it.
    #[expect(clippy::unused_self, reason = "the shell reaches this module by the tab alone")]
    pub fn blames(&self, challenge: &JsValue, is_cors: bool) -> bool {
        challenge.as_string().map_or(is_cors, |it| request::says_invalid_token([it.as_str()]))
    }

    /// Whether to refresh and send the request once more, after a 401 that blames this token.
    pub fn retries(&mut self, rejected: &JsValue) -> bool {
        let session = self.session.as_mut().zip(secret(rejected));
        session.is_some_and(|(session, rejected)| session.retries(&rejected, now()))
    }

    /// The renewed token was refused too.
    pub fn spurn(&mut self) {
        if let Some(session) = &mut self.session {
            session.spurn(now());
        }
    }

    /// Takes what the place holds into memory, where there is nothing yet; whether it is lost.
    pub fn restore(&mut self, values: &JsValue) -> bool {
        match found(values) {
            Some(Found::Kept(kept)) => self.session = Session::restore(*kept, &self.owner),
            Some(Found::KeyLost) => self.lost = true,
            _ => {}
        }
        self.lost
    }

    /// Takes what another tab has kept, while this one waits for the lock; whether the waiting has become needless.
    pub fn catches(&mut self, values: &JsValue, rejected: &JsValue) -> bool {
        let (found, rejected) = (kept(values), secret(rejected));
        self.session.as_mut().is_none_or(|it| it.take_newer(found, rejected.as_ref(), now()))
    }

    /// What to do under the lock: nothing; wait so many milliseconds and ask again; write this mark, then exchange.
    pub fn plan(&mut self, values: &JsValue, rejected: &JsValue) -> JsValue {
        let Some(session) = &mut self.session else {
            return JsValue::UNDEFINED;
        };
        let found = match found(values) {
            None => return self.fails(Offline::Storage, Duration::ZERO),
            Some(Found::Kept(kept)) => Some(*kept),
            Some(_) => None,
        };
        match session.plan(found, secret(rejected).as_ref(), now()) {
            Plan::Ready | Plan::Offline(_) | Plan::Out(_) => JsValue::UNDEFINED,
            Plan::Wait(until) => millis(until.since(now())),
            Plan::Exchange(exchange) => {
                let mark = exchange.mark().to_text();
                self.exchange = Some(exchange);
                mark.expose().into()
            }
        }
    }

    /// The body of the exchange; the same at each attempt.
    pub fn form(&self) -> JsValue {
        let exchange = self.exchange.as_ref();
        exchange.map_or(JsValue::UNDEFINED, |it| client_form(&self.owner, it.request().form()))
    }

    /// Judges the answer to an attempt that was sent at `sent`: send it again after so many milliseconds; `true`: settle
    /// it; nothing: give up for now.
    pub fn answered(&mut self, value: &JsValue, sent: f64) -> JsValue {
        let Some(exchange) = &mut self.exchange else {
            return JsValue::UNDEFINED;
        };
        match exchange.answered(answer(value), moment(sent), now()) {
            Verdict::Again(pause) => millis(pause),
            Verdict::Offline(why, pause) => self.fails(why, pause),
            Verdict::Keep(new) => {
                self.renewed = Some(new);
                JsValue::TRUE
            }
        }
    }

    /// Compares what the place holds with what was exchanged: the record to write, or nothing when a newer one stays.
    pub fn settle(&mut self, values: &JsValue) -> JsValue {
        let Some((exchange, new)) = self.exchange.take().zip(self.renewed.take()) else {
            return JsValue::UNDEFINED;
        };
        match exchange.settle(kept(values), new) {
            Settled::Write(kept) => text_of(Some(&kept)),
            Settled::Adopt(found) => {
                self.takes(found);
                JsValue::UNDEFINED
            }
        }
    }

    /// The record that could not be written, if it still is to be.
    pub fn unkept(&mut self, values: &JsValue) -> JsValue {
        let found = kept(values);
        let unkept = self.session.as_mut().and_then(|session| session.unkept(found));
        text_of(unkept.as_ref())
    }

    /// Uses the record that was to be written, and notes whether it was.
    pub fn keep(&mut self, record: &JsValue, stored: bool) {
        if let Some((session, kept)) = self.session.as_mut().zip(record_of(record)) {
            session.take(kept, stored);
        }
    }

    /// Notes why nothing came of a refresh: there is no connection, the place cannot be written, another tab does not
    /// let go of the lock.
    pub fn fail(&mut self, why: &JsValue) {
        let why = match why.as_string().as_deref() {
            Some("storage") => Offline::Storage,
            Some("waiting") => Offline::Waiting,
            _ => Offline::Unreachable,
        };
        self.fails(why, Duration::ZERO);
    }

    /// Takes what another tab has kept: a newer state of this session, or another sign-in in its place.
    pub fn adopt(&mut self, values: &JsValue) {
        if let Some(found) = kept(values) {
            self.takes(found);
        }
    }

    /// Signs out in memory.
    pub fn leave(&mut self, ends_sign_in: bool) {
        if self.before.is_none() {
            self.before.clone_from(&self.session);
        }
        if let Some(session) = &mut self.session {
            session.leave(None, ends_sign_in);
        }
    }

    /// Signs out in the place, under the lock: the record of what was left, and whether it is to be written. Nothing
    /// when nobody was signed in.
    pub fn left(&mut self, values: &JsValue, ends_sign_in: bool) -> Array {
        let found = kept(values);
        let before = self.before.take();
        let before = before.or_else(|| Session::restore(found.clone()?, &self.owner));
        let Some(mut session) = before else {
            return Array::new();
        };
        let writes = session.leave(found, ends_sign_in).write.is_some();
        Array::of2(&text_of(Some(session.kept())), &writes.into())
    }

    /// The record, where the provider still has to be told of sessions that were left.
    #[expect(clippy::unused_self, reason = "the shell reaches this module by the tab alone")]
    pub fn owes(&self, values: &JsValue) -> JsValue {
        text_of(kept(values).filter(|kept| !kept.farewells().is_empty()).as_ref())
    }

    /// What the provider is to be told for this record: each the body, then the addresses to try. Ending the sign-in
    /// revokes too; a provider that does not know how to at least revokes.
    pub fn farewells(&self, record: &JsValue) -> Array {
        let metadata = self.metadata.as_ref().map(Checked::metadata);
        let end = metadata.and_then(|it| it.end_session_endpoint.as_deref());
        let revoke = metadata.and_then(|it| it.revocation_endpoint.as_deref());
        let one = |farewell: &Farewell| {
            let form = client_form(&self.owner, vec![("token", farewell.token.expose())]);
            let end = end.filter(|_| farewell.ends_sign_in);
            Array::of3(&form, &end.into(), &revoke.into())
        };
        let record = record_of(record);
        record.iter().flat_map(Kept::farewells).map(one).collect()
    }

    /// The record to write over what the place holds now, after the provider has heard of those of
    /// [`farewells`](Self::farewells) that are true here. Nothing when none of them is in it.
    #[expect(clippy::unused_self, reason = "the shell reaches this module by the tab alone")]
    pub fn told(&self, values: &JsValue, record: &JsValue, heard: &Array) -> JsValue {
        let Some((found, record)) = kept(values).zip(record_of(record)) else {
            return JsValue::UNDEFINED;
        };
        let told = record.farewells().iter().zip(heard.iter());
        let told: Vec<_> =
            told.filter(|(_, heard)| heard.is_truthy()).map(|it| it.0.clone()).collect();
        let count = found.farewells().len();
        text_of(Some(found.told(&told)).filter(|kept| kept.farewells().len() < count).as_ref())
    }

    /// Forgets the session, which is another tab's.
    pub fn forget(&mut self) {
        self.session = None;
    }
}

impl Tab {
    fn fails(&mut self, why: Offline, pause: Duration) -> JsValue {
        if let Some(session) = &mut self.session {
            session.fail(why, pause, now());
        }
        JsValue::UNDEFINED
    }

    fn takes(&mut self, found: Kept) {
        let Some(session) = &mut self.session else {
            self.session = Session::restore(found, &self.owner);
            return;
        };
        session.take_newer(Some(found.clone()), None, now());
        let over = matches!(session.status(), Status::Out(_));
        // The very session that this tab has left is not taken up again, though its end is not written yet.
        let another = session.kept().generation().line != found.generation().line;
        if over
            && another
            && let Some(other) = Session::restore(found, &self.owner)
        {
            self.session = Some(other);
        }
    }
}

/// A record as the shell has it.
pub(crate) fn record_of(record: &JsValue) -> Option<Kept> {
    Kept::from_text(&record.as_string()?)
}

fn text_of(kept: Option<&Kept>) -> JsValue {
    kept.map_or(JsValue::UNDEFINED, |kept| kept.to_text().expose().into())
}
