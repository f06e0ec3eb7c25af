//! A session in this tab, in step with the other tabs.
//!
//! What to do is decided by [`countersign_protocol::session`]; here it is carried out, under a Web Lock that all tabs
//! share. Tabs tell each other by a channel that something changed, and read the place themselves.

use std::{rc::Rc, time::Duration};

use countersign_protocol::{
    Secret,
    discovery::Checked,
    session::{
        Farewell, Kept, Next, Offline, Session, Status,
        refresh::{Exchange, PATIENCE, Plan, Settled, Verdict},
        request,
    },
};
use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{AbortController, BroadcastChannel, Request, RequestInit, Response};

use crate::{
    client::{Client, Inner},
    error::Error,
    storage::{Found, Storage},
    transport, web,
};

/// How often who waits for the lock looks whether the waiting has become needless.
const LOOK: Duration = Duration::from_millis(250);

/// How often what could not be kept is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The pauses between tries to come back from *offline*: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// A Web Lock, asked for. Dropped, it is free for the next, or not asked for any more.
pub(crate) struct Lock {
    granted: Promise,
    release: Function,
    abort: Option<AbortController>,
}

impl Lock {
    pub(crate) fn ask(name: &str) -> Self {
        let (granted, grant) = web::promise();
        let (held, release) = web::promise();
        let abort = AbortController::new().ok();
        let callback = Closure::once_into_js(move || {
            let _ = grant.call0(&JsValue::UNDEFINED);
            held
        });
        if let Some(asked) = abort
            .as_ref()
            .and_then(|abort| web::request_lock(name, &abort.signal(), callback.unchecked_ref()))
        {
            // It is rejected when nobody waits any more, which is no error.
            spawn_local(async move {
                let _ = JsFuture::from(asked).await;
            });
        }
        Self { granted, release, abort }
    }

    /// Whether it is held, at the latest after this long.
    async fn within(&self, time: Duration) -> bool {
        web::within(&self.granted, time).await.is_some()
    }

    /// Whether it is held, after as much patience as a caller has.
    pub(crate) async fn granted(&self) -> bool {
        self.within(PATIENCE).await
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.release.call0(&JsValue::UNDEFINED);
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

impl Client {
    /// Sends a request with the access token, renewed before if need be; once more with a new one when the API
    /// answers that the token is invalid.
    ///
    /// The token goes to the origins in `api` alone, and never along a redirect: an answer that redirects is an error.
    /// `input` and `init` are those of the browser's own `fetch`.
    pub async fn fetch(&self, input: &JsValue, init: &JsValue) -> Result<Response, Error> {
        let request = request(input, init)?;
        self.0.check(&request)?;
        let token = self.0.token(None).await?;
        let again = request.clone().map_err(|_| Error::Option("the body was read before"))?;
        let response = send(&request, &token).await?;
        if response.status() != 401 || !blames_token(&response) {
            return Ok(response);
        }
        if !self.0.retries(&token) {
            return Ok(response);
        }
        let Ok(fresh) = self.0.token(Some(token)).await else {
            return Ok(response);
        };
        let response = send(&again, &fresh).await?;
        if response.status() == 401 && blames_token(&response) {
            self.0.with(|session| session.spurn(web::now()));
        }
        Ok(response)
    }

    /// Signs out: here and in the other tabs at once, and at the provider, whose sign-in session ends too unless
    /// `local`. Where the provider cannot be reached the rest is done, and it is told later.
    pub async fn logout(&self, local: bool) {
        self.0.leave(!local).await;
    }

    /// When the access token ends, by this machine's clock, in milliseconds since 1970; `None` when that is not known.
    pub fn expires(&self) -> Option<u64> {
        let session = self.0.session.borrow();
        Some(session.as_ref()?.expires()?.as_millis())
    }
}

/// The request, which follows no redirect whatever the caller asked for.
fn request(input: &JsValue, init: &JsValue) -> Result<Request, Error> {
    let wrong = |_| Error::Option("the address or the options of the request make no sense");
    let strict = RequestInit::new();
    js_sys::Object::assign(
        strict.unchecked_ref(),
        init.dyn_ref().unwrap_or(&js_sys::Object::new()),
    );
    strict.set_redirect(web_sys::RequestRedirect::Error);
    if let Some(request) = input.dyn_ref::<Request>() {
        Request::new_with_request_and_init(request, &strict)
    } else {
        let url = String::from(js_sys::Object::from(input.clone()).to_string());
        Request::new_with_str_and_init(&url, &strict)
    }
    .map_err(wrong)
}

async fn send(request: &Request, token: &Secret) -> Result<Response, Error> {
    let bearer = format!("Bearer {}", token.expose());
    let set = request.headers().set("authorization", &bearer);
    set.map_err(|_| Error::Option("a request in mode no-cors cannot carry a token"))?;
    let window = web::window().ok_or(Error::NotSecure)?;
    let sending = JsFuture::from(window.fetch_with_request(request));
    sending.await.map(JsCast::unchecked_into).map_err(|_| Error::Api)
}

/// Whether a 401 says that the token is at fault. Where the API hides the header from this origin, it may be.
fn blames_token(response: &Response) -> bool {
    match response.headers().get("www-authenticate") {
        Ok(Some(challenge)) => request::says_invalid_token([challenge.as_str()]),
        _ => response.type_() == web_sys::ResponseType::Cors,
    }
}

impl Inner {
    /// Only listed origins see the token, as the browser itself reads the address.
    fn check(&self, request: &Request) -> Result<(), Error> {
        let origin = web_sys::Url::new(&request.url()).map(|url| url.origin());
        match origin {
            Ok(origin) if self.api.permits(&origin) => Ok(()),
            _ => Err(Error::NotListed),
        }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.session.borrow_mut().as_mut().map(change)
    }

    fn retries(&self, rejected: &Secret) -> bool {
        self.with(|session| session.retries(rejected, web::now())).unwrap_or(false)
    }

    /// A token to use now. `rejected` is one that the API has refused.
    async fn token(self: &Rc<Self>, rejected: Option<Secret>) -> Result<Secret, Error> {
        let next = self.with(|session| session.next(web::now()));
        let fallback = match next {
            None | Some(Next::SignIn(_)) => return Err(Error::SignedOut),
            Some(Next::Use(token)) if !is(rejected.as_ref(), &token) => return Ok(token),
            Some(Next::RefreshOr(token)) if rejected.is_none() => Some(token),
            Some(_) => None,
        };
        let refreshing = self.refresh(rejected.clone());
        web::within(&refreshing, PATIENCE).await;
        let next = self.with(|session| (session.next(web::now()), session.status()));
        match next {
            Some((Next::Use(token) | Next::RefreshOr(token), _))
                if !is(rejected.as_ref(), &token) =>
            {
                Ok(token)
            }
            None | Some((Next::SignIn(_), _)) => Err(Error::SignedOut),
            Some((_, Status::Offline(why))) => fallback.ok_or(Error::Offline(why)),
            Some(_) => fallback.ok_or(Error::Offline(Offline::Unanswered)),
        }
    }

    /// Renews the tokens, in a task of its own that all callers share.
    pub(crate) fn refresh(self: &Rc<Self>, rejected: Option<Secret>) -> Promise {
        if let Some(running) = &*self.refreshing.borrow() {
            return running.clone();
        }
        let this = self.clone();
        let running = future_to_promise(async move {
            this.renew(rejected.as_ref()).await;
            *this.refreshing.borrow_mut() = None;
            this.tell();
            this.come_back();
            Ok(JsValue::UNDEFINED)
        });
        *self.refreshing.borrow_mut() = Some(running.clone());
        running
    }

    async fn renew(self: &Rc<Self>, rejected: Option<&Secret>) {
        loop {
            let Some(lock) = self.turn(rejected).await else {
                return;
            };
            let Ok(found) = self.place.read().await.map(Found::kept) else {
                self.fail(Offline::Storage, Duration::ZERO);
                return;
            };
            match self.with(|session| session.plan(found, rejected, web::now())) {
                None | Some(Plan::Ready | Plan::Offline(_) | Plan::Out(_)) => return,
                Some(Plan::Exchange(exchange)) => return self.exchange(*exchange, lock).await,
                Some(Plan::Wait(until)) => {
                    drop(lock);
                    web::sleep(until.since(web::now())).await;
                }
            }
        }
    }

    /// Waits for the lock; `None` when another tab has brought what was needed.
    async fn turn(&self, rejected: Option<&Secret>) -> Option<Lock> {
        let lock = Lock::ask(&self.lock_name);
        let began = web::now();
        while !lock.within(LOOK).await {
            let found = self.place.read().await.ok().and_then(Found::kept);
            if self.with(|session| session.take_newer(found, rejected, web::now()))? {
                return None;
            }
            if web::now().since(began) >= PATIENCE {
                self.fail(Offline::Waiting, Duration::ZERO);
                self.tell();
            }
        }
        Some(lock)
    }

    async fn exchange(self: &Rc<Self>, mut exchange: Exchange, lock: Lock) {
        let provider = self.provider().await;
        let Some(endpoint) = provider.as_ref().ok().and_then(|it| it.token_endpoint().ok()) else {
            return self.fail(Offline::Unreachable, Duration::ZERO);
        };
        if self.place.write(exchange.mark()).await.is_err() {
            return self.fail(Offline::Storage, Duration::ZERO);
        }
        loop {
            let sent = web::now();
            let answer = {
                let mut form = exchange.request().form();
                form.push(("client_id", self.owner.client_id.as_str()));
                transport::exchange(endpoint, &form).await
            };
            match exchange.answered(answer, sent, web::now()) {
                Verdict::Again(pause) => web::sleep(pause).await,
                Verdict::Offline(why, pause) => return self.fail(why, pause),
                Verdict::Keep(new) => {
                    let found = self.place.read().await.ok().and_then(Found::kept);
                    return match exchange.settle(found, new) {
                        Settled::Write(kept) => self.keep(kept, lock).await,
                        Settled::Adopt(found) => self.adopt(found),
                    };
                }
            }
        }
    }

    /// Keeps the record, then uses it. Where it cannot be kept it is used all the same, and the lock is held on to: an
    /// older token that another tab exchanged meanwhile would look like a thief's.
    async fn keep(self: &Rc<Self>, kept: Kept, lock: Lock) {
        let stored = self.place.write(&kept).await.is_ok();
        self.with(|session| session.take(kept, stored));
        self.announce();
        if !stored {
            spawn_local(self.clone().keep_trying(lock));
        }
    }

    /// Writes what could not be written, as soon as it can be.
    pub(crate) async fn keep_trying(self: Rc<Self>, lock: Lock) {
        loop {
            web::sleep(AGAIN).await;
            let found = self.place.read().await.ok().and_then(Found::kept);
            let Some(kept) = self.with(|session| session.unkept(found)).flatten() else {
                break;
            };
            if self.place.write(&kept).await.is_ok() {
                self.with(|session| session.take(kept, true));
                self.announce();
            }
        }
        drop(lock);
    }

    fn fail(&self, why: Offline, pause: Duration) {
        self.with(|session| session.fail(why, pause, web::now()));
    }

    /// Takes what another tab has kept: a newer state of this session, or another sign-in in its place.
    fn adopt(&self, found: Kept) {
        let out = self.with(|session| {
            session.take_newer(Some(found.clone()), None, web::now());
            session.status()
        });
        let over = matches!(out, None | Some(Status::Out(_)));
        // The very session that this tab has left is not taken up again, though its end is not written yet.
        let left =
            self.with(|session| session.kept().generation().line) == Some(found.generation().line);
        if over
            && !left
            && let Some(session) = Session::restore(found, &self.owner)
        {
            *self.session.borrow_mut() = Some(session);
        }
    }

    /// Tries to come back from *offline*, less and less often.
    fn come_back(self: &Rc<Self>) {
        let offline = |this: &Self| matches!(this.status(), crate::Status::Offline(_));
        if !offline(self) || self.retrying.replace(true) {
            return;
        }
        let this = self.clone();
        spawn_local(async move {
            let mut pause = RETRY.0;
            while offline(&this) {
                web::sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
                if offline(&this) {
                    let _ = JsFuture::from(this.refresh(None)).await;
                }
            }
            this.retrying.set(false);
        });
    }

    /// Signs out in memory at once, then in the other tabs and at the provider.
    pub(crate) async fn leave(&self, ends_sign_in: bool) {
        let before = self.session.borrow().clone();
        self.with(|session| session.leave(None, ends_sign_in));
        self.tell();
        let lock = Lock::ask(&self.lock_name);
        // A record without tokens is written even when another tab does not let go: it is the newer one.
        lock.granted().await;
        let found = self.place.read().await.ok().and_then(Found::kept);
        let before = before.or_else(|| Session::restore(found.clone()?, &self.owner));
        let Some(mut session) = before else {
            return;
        };
        let leaving = session.leave(found, ends_sign_in);
        if let Some(kept) = &leaving.write {
            let _ = self.place.write(kept).await;
            self.announce();
        }
        let told = self.bid_farewell(&leaving.farewells).await;
        if let Some(kept) = leaving.write.filter(|_| !told.is_empty()) {
            let _ = self.place.write(&kept.told(&told)).await;
        }
    }

    /// Tells the provider of sessions that were left; gives those that it heard of.
    async fn bid_farewell(&self, farewells: &[Farewell]) -> Vec<Farewell> {
        let Ok(provider) = self.provider().await else {
            return Vec::new();
        };
        let mut told = Vec::new();
        for farewell in farewells {
            if self.says(&provider, farewell).await {
                told.push(farewell.clone());
            }
        }
        told
    }

    /// Ending the sign-in revokes too; a provider that does not know how to at least revokes.
    async fn says(&self, provider: &Checked, farewell: &Farewell) -> bool {
        let metadata = provider.metadata();
        let end = metadata.end_session_endpoint.as_deref();
        let form =
            [("token", farewell.token.expose()), ("client_id", self.owner.client_id.as_str())];
        for endpoint in
            [end.filter(|_| farewell.ends_sign_in), metadata.revocation_endpoint.as_deref()]
        {
            if let Some(endpoint) = endpoint
                && let Some(200..=299) = transport::tell(endpoint, &form).await
            {
                return true;
            }
        }
        false
    }

    /// Tells the provider what it could not be told when its user signed out.
    async fn say_late(&self) {
        let waiting = |found: &Kept| !found.farewells().is_empty();
        let read = async || self.place.read().await.ok().and_then(Found::kept).filter(waiting);
        if read().await.is_none() {
            return;
        }
        let lock = Lock::ask(&self.lock_name);
        if !lock.granted().await {
            return;
        }
        if let Some(kept) = read().await {
            let told = self.bid_farewell(kept.farewells()).await;
            let _ = self.place.write(&kept.told(&told)).await;
        }
    }

    /// What may have been left undone: a revocation, a refresh.
    pub(crate) fn catch_up(self: &Rc<Self>) {
        let this = self.clone();
        spawn_local(async move { this.say_late().await });
    }

    /// Lets the other tabs know that the place has changed.
    pub(crate) fn announce(&self) {
        if let Some(channel) = &*self.channel.borrow() {
            let _ = channel.post_message(&JsValue::TRUE);
        }
    }

    /// Looks what another tab has done, and follows.
    async fn follow(self: Rc<Self>) {
        if let Ok(Found::Kept(found)) = self.place.read().await {
            self.adopt(*found);
        }
        self.tell();
    }

    /// Follows the other tabs, this page's return from the back/forward cache, and the connection.
    pub(crate) fn listen(self: Rc<Self>) {
        self.tune_in();
        let Some(window) = web::window() else {
            return;
        };
        let on = |name: &str, handler: Box<dyn Fn()>| {
            let handler = Closure::<dyn Fn()>::wrap(handler).into_js_value();
            let _ = window.add_event_listener_with_callback(name, handler.unchecked_ref());
        };
        let this = self.clone();
        on("pageshow", Box::new(move || this.clone().woken()));
        let this = self.clone();
        on(
            "pagehide",
            // An open channel keeps a page out of the back/forward cache.
            Box::new(move || {
                if let Some(channel) = this.channel.take() {
                    channel.close();
                }
            }),
        );
        on("online", Box::new(move || self.clone().woken()));
    }

    fn woken(self: Rc<Self>) {
        self.tune_in();
        self.catch_up();
        if matches!(self.status(), crate::Status::Offline(_)) {
            let _ = self.refresh(None);
        }
        spawn_local(self.follow());
    }

    fn tune_in(self: &Rc<Self>) {
        if self.place.storage() != Storage::Local || self.channel.borrow().is_some() {
            return;
        }
        let Ok(channel) = BroadcastChannel::new(self.place.name()) else {
            return;
        };
        let this = self.clone();
        let heard = Closure::<dyn Fn()>::new(move || spawn_local(this.clone().follow()));
        let heard: Function = heard.into_js_value().unchecked_into();
        channel.set_onmessage(Some(&heard));
        *self.channel.borrow_mut() = Some(channel);
    }
}

fn is(rejected: Option<&Secret>, token: &Secret) -> bool {
    rejected.is_some_and(|rejected| rejected.matches(token))
}
