mod request;

use std::{fmt, sync::Arc, time::Duration};

use countersign_protocol::{
    Scope, Secret,
    session::{
        self, Kept, Next, Offline, Out, Status,
        refresh::{Exchange, PATIENCE, Plan, Settled, Verdict},
    },
};
use parking_lot::Mutex;
use reqwest::Method;
use tokio::{sync::watch, time::timeout};

pub use self::request::Request;
use crate::{
    client::{Client, LEAVING_PATIENCE, pause, warn_unkept},
    error::Error,
    storage::{Lock, StorageError},
};

/// How long a request waits for a renewal while its own token still has some life.
const AHEAD_PATIENCE: Duration = Duration::from_secs(2);

/// How often a place that could not be written is tried again.
const KEEP_AGAIN: Duration = Duration::from_secs(1);

/// Somebody who is signed in: requests with their token, renewed when it must be. Cheap to clone, and every clone is
/// the same session.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    client: Client,
    state: Mutex<session::Session>,
    status: watch::Sender<Status>,
    flight: Mutex<Option<Flight>>,
}

/// A refresh under way: what came of it, when it is done.
type Flight = watch::Receiver<Option<Result<(), Trouble>>>;

/// Why nothing came of a refresh.
#[derive(Clone, Debug)]
enum Trouble {
    Offline(Offline),
    Out(Out),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Offline(offline) => Self::Offline(offline),
            Trouble::Out(out) => Self::SignedOut(out),
        }
    }
}

impl Session {
    /// A session that was just begun, under the lock of its place.
    pub(crate) fn begun(client: Client, state: session::Session, lock: Option<Lock>) -> Self {
        let session = Self::new(client, state);
        if let Some(lock) = lock {
            session.0.hold_until_kept(lock);
        }
        session
    }

    pub(crate) fn new(client: Client, state: session::Session) -> Self {
        let (status, _) = watch::channel(state.status());
        Self(Arc::new(Inner { client, state: Mutex::new(state), status, flight: Mutex::new(None) }))
    }

    /// A GET request with the session's token.
    pub fn get(&self, url: impl reqwest::IntoUrl) -> Request {
        self.request(Method::GET, url)
    }

    /// A POST request with the session's token.
    pub fn post(&self, url: impl reqwest::IntoUrl) -> Request {
        self.request(Method::POST, url)
    }

    /// A PUT request with the session's token.
    pub fn put(&self, url: impl reqwest::IntoUrl) -> Request {
        self.request(Method::PUT, url)
    }

    /// A PATCH request with the session's token.
    pub fn patch(&self, url: impl reqwest::IntoUrl) -> Request {
        self.request(Method::PATCH, url)
    }

    /// A DELETE request with the session's token.
    pub fn delete(&self, url: impl reqwest::IntoUrl) -> Request {
        self.request(Method::DELETE, url)
    }

    /// A request with the session's token.
    pub fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> Request {
        Request::new(self.clone(), self.0.client.apis().request(method, url))
    }

    /// An access token that is good now, renewed if need be, for what is no HTTP request. It does not watch where it
    /// goes: prefer [`Session::request`].
    pub async fn access_token(&self) -> Result<Secret, Error> {
        let next = self.0.state.lock().next(self.0.client.now());
        match next {
            Next::Use(token) => Ok(token),
            Next::RefreshOr(token) => match self.renew(None, AHEAD_PATIENCE).await {
                Err(Trouble::Offline(_)) => Ok(token),
                Err(Trouble::Out(out)) => Err(out.into()),
                Ok(()) => self.current(),
            },
            Next::Refresh => {
                self.renew(None, PATIENCE).await?;
                self.current()
            }
            Next::SignIn(out) => Err(out.into()),
        }
    }

    /// The scope that was granted, where the provider or the request told it.
    pub fn scope(&self) -> Option<Scope> {
        self.0.state.lock().scope().cloned()
    }

    /// Whether somebody is signed in, as far as this program knows.
    pub fn status(&self) -> Status {
        self.0.state.lock().status()
    }

    /// Watches the status: the current one first, then each change.
    pub fn watch(&self) -> Watch {
        let mut changes = self.0.status.subscribe();
        changes.mark_changed();
        Watch(changes)
    }

    /// Whether the session is kept as it is now. If not (the disk is full, the keyring locked) it goes on in memory,
    /// and may be lost with the program; it is kept as soon as that works again.
    pub fn is_kept(&self) -> bool {
        self.0.state.lock().is_kept()
    }

    /// Signs out: forgets the session, revokes it at the provider and ends the user's sign-in there.
    ///
    /// When the provider cannot be reached the session is forgotten all the same, and the provider is told later: by
    /// this program as long as it runs, or when it restores or signs in again. [`Error::Storage`] when the place cannot
    /// be written: it may still hold the session then.
    pub async fn logout(&self) -> Result<(), Error> {
        self.leave(true).await
    }

    /// Signs out as [`logout`](Self::logout) does, but leaves the user signed in at the provider, so that other
    /// programs of theirs go on.
    pub async fn logout_local(&self) -> Result<(), Error> {
        self.leave(false).await
    }

    fn current(&self) -> Result<Secret, Error> {
        Ok(self.0.state.lock().access()?)
    }

    /// Renews after a 401; the new token, or `None` when another would not help.
    async fn replace(&self, rejected: &Secret) -> Result<Option<Secret>, Error> {
        if !self.0.retries(rejected) {
            return Ok(None);
        }
        if self.current()?.matches(rejected) {
            self.renew(Some(rejected), PATIENCE).await?;
        }
        Ok(Some(self.current()?).filter(|token| !token.matches(rejected)))
    }

    /// Notes that the renewed token was refused like the old one.
    fn spurn(&self) {
        self.0.state.lock().spurn(self.0.client.now());
    }

    /// Joins the refresh under way, or begins one. It goes on when the caller does not wait.
    async fn renew(&self, rejected: Option<&Secret>, patience: Duration) -> Result<(), Trouble> {
        let mut flight = self.flight(rejected);
        match timeout(patience, flight.wait_for(Option::is_some)).await {
            Ok(Ok(done)) => done.clone().unwrap_or(Ok(())),
            // The runtime is shutting down, or time is up.
            Ok(Err(_)) | Err(_) => Err(Trouble::Offline(Offline::Waiting)),
        }
    }

    fn flight(&self, rejected: Option<&Secret>) -> Flight {
        let mut slot = self.0.flight.lock();
        if let Some(flight) =
            slot.as_ref().filter(|it| it.borrow().is_none() && it.has_changed().is_ok())
        {
            return flight.clone();
        }
        let (done, flight) = watch::channel(None);
        *slot = Some(flight.clone());
        let (inner, rejected) = (self.0.clone(), rejected.cloned());
        tokio::spawn(async move {
            let outcome = inner.refresh(rejected.as_ref()).await;
            inner.report();
            done.send_replace(Some(outcome));
        });
        flight
    }

    async fn leave(&self, ends_sign_in: bool) -> Result<(), Error> {
        let inner = self.0.clone();
        // The caller's end must not leave it half done.
        let task = tokio::spawn(async move { inner.leave(ends_sign_in).await });
        task.await.unwrap_or_else(|_| Err(Error::Offline(Offline::Waiting)))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.status())
    }
}

impl Inner {
    fn retries(&self, rejected: &Secret) -> bool {
        let retries = self.state.lock().retries(rejected, self.client.now());
        self.report();
        retries
    }

    /// Shows the status to who watches.
    fn report(&self) {
        let status = self.state.lock().status();
        self.status.send_if_modified(|shown| {
            let modified = *shown != status;
            *shown = status;
            modified
        });
    }

    fn fail(&self, offline: Offline, pause: Duration) -> Trouble {
        tracing::info!(%offline, "the session cannot be renewed now");
        self.state.lock().fail(offline.clone(), pause, self.client.now());
        self.report();
        Trouble::Offline(offline)
    }

    fn storage_failed(&self, error: &StorageError) -> Trouble {
        let cause = std::error::Error::source(error);
        tracing::warn!(%error, ?cause, "the session cannot be renewed");
        self.fail(Offline::Storage, Duration::ZERO)
    }

    /// The steps of [`refresh`](session::refresh).
    async fn refresh(self: &Arc<Self>, rejected: Option<&Secret>) -> Result<(), Trouble> {
        let Some(lock) = self.lock(rejected).await? else {
            return self.settled();
        };
        loop {
            let found = self.client.load().await.map_err(|error| self.storage_failed(&error))?;
            let plan = self.state.lock().plan(found, rejected, self.client.now());
            match plan {
                Plan::Ready => return self.settled(),
                Plan::Exchange(exchange) => {
                    self.exchange(*exchange).await?;
                    self.hold_until_kept(lock);
                    return self.settled();
                }
                Plan::Wait(until) => tokio::time::sleep(until.since(self.client.now())).await,
                Plan::Offline(offline) => return Err(Trouble::Offline(offline)),
                Plan::Out(out) => return Err(Trouble::Out(out)),
            }
        }
    }

    /// Frees the lock, at once when the place holds what memory does, else as soon as it does.
    fn hold_until_kept(self: &Arc<Self>, lock: Lock) {
        if self.state.lock().is_kept() {
            return;
        }
        let inner = self.clone();
        tokio::spawn(async move {
            let _lock = lock;
            while inner.keep_again().await {
                tokio::time::sleep(KEEP_AGAIN).await;
            }
            inner.report();
        });
    }

    /// Tries once more to keep; whether it must be tried again.
    async fn keep_again(&self) -> bool {
        let Ok(found) = self.client.load().await else {
            return true;
        };
        let Some(kept) = self.state.lock().unkept(found) else {
            return false;
        };
        let stored = self.client.store(&kept).await.is_ok();
        if stored {
            tracing::info!("the session is kept again");
            self.state.lock().take(kept, true);
        }
        !stored
    }

    /// The lock; `None` when, while it waited, another program left what was needed. It never steals the lock.
    async fn lock(&self, rejected: Option<&Secret>) -> Result<Option<Lock>, Trouble> {
        let patience = tokio::time::Instant::now() + PATIENCE;
        let mut reported = false;
        loop {
            let locked = self.client.try_lock().await;
            if let Some(lock) = locked.map_err(|error| self.storage_failed(&error))? {
                return Ok(Some(lock));
            }
            let found = self.client.load().await.ok().flatten();
            if self.state.lock().take_newer(found, rejected, self.client.now()) {
                return Ok(None);
            }
            if !reported && tokio::time::Instant::now() >= patience {
                reported = true;
                let _ = self.fail(Offline::Waiting, Duration::ZERO);
            }
            pause().await;
        }
    }

    fn settled(&self) -> Result<(), Trouble> {
        self.state.lock().access().map(|_| ()).map_err(Trouble::Out)
    }

    async fn exchange(&self, mut exchange: Exchange) -> Result<(), Trouble> {
        let endpoint = self.token_endpoint().await?;
        let marked = self.client.store(exchange.mark()).await;
        marked.map_err(|error| self.storage_failed(&error))?;
        loop {
            let sent = self.client.now();
            let answer = self.client.ask(&endpoint, exchange.request().form()).await;
            match exchange.answered(answer, sent, self.client.now()) {
                Verdict::Again(wait) => tokio::time::sleep(wait).await,
                Verdict::Offline(offline, pause) => return Err(self.fail(offline, pause)),
                Verdict::Keep(kept) => {
                    self.settle(&exchange, kept).await;
                    return Ok(());
                }
            }
        }
    }

    async fn token_endpoint(&self) -> Result<String, Trouble> {
        let endpoint = match self.client.provider().await {
            Ok(provider) => provider.token_endpoint().map(str::to_owned).map_err(Error::from),
            Err(error) => Err(error),
        };
        endpoint.map_err(|error| match error {
            Error::Offline(offline) => self.fail(offline, Duration::ZERO),
            other => {
                tracing::warn!(error = %other, "the provider's metadata cannot be used");
                self.fail(Offline::Refused("untrusted_metadata".into()), Duration::ZERO)
            }
        })
    }

    async fn settle(&self, exchange: &Exchange, new: Kept) {
        let found = self.client.load().await.ok().flatten();
        match exchange.settle(found, new) {
            Settled::Write(new) if !self.state.lock().has_left() => self.keep(new).await,
            // Signed out meanwhile: the grant is revoked by any token of its line.
            Settled::Write(_) => {}
            Settled::Adopt(found) => {
                self.state.lock().take_newer(Some(found), None, self.client.now());
            }
        }
    }

    /// Writes the record; whatever comes of it, the session goes on with it.
    async fn keep(&self, kept: Kept) {
        let stored = self.client.store(&kept).await.inspect_err(warn_unkept).is_ok();
        self.state.lock().take(kept, stored);
    }

    async fn leave(&self, ends_sign_in: bool) -> Result<(), Error> {
        let lock = self.client.lock_within(LEAVING_PATIENCE).await;
        let found = self.client.load().await.ok().flatten();
        let leaving = self.state.lock().leave(found, ends_sign_in);
        self.report();
        let stored = match &leaving.write {
            Some(left) => self.client.store(left).await,
            None => Ok(()),
        };
        drop(lock);
        let left = self.state.lock().kept().clone();
        if !self.client.farewell(&left).await {
            self.client.say_farewell(left);
        }
        Ok(stored?)
    }
}

/// The status of a session, as it changes.
#[derive(Debug)]
pub struct Watch(watch::Receiver<Status>);

impl Watch {
    /// The status at the first call, and then the next one that differs; `None` when the session is gone.
    pub async fn next(&mut self) -> Option<Status> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}
