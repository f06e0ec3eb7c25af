//! A client of one provider, on one page.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use countersign_protocol::{
    ClientId, Scope,
    discovery::{Checked, Issuer, PlainHttp},
    endpoint::Origin,
    id,
    session::{self, Offline, Out, Owner, request::AllowList},
};
use web_sys::BroadcastChannel;

use crate::{
    error::Error,
    login,
    storage::{Found, Place, Storage},
    transport, web,
};

/// How the provider is known.
#[derive(Clone, Debug)]
pub enum Provider {
    /// By its issuer, whose metadata is asked for when it is first needed.
    Issuer(String),
    /// By the document that it serves beside the script, which names issuer and metadata.
    Document(String),
}

/// What a [`Client`] is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The client's identifier at the provider.
    pub client_id: String,
    /// Which provider.
    pub provider: Provider,
    /// The origins that may see the access token, e.g. `https://api.example`; empty: this page's own.
    pub api: Vec<String>,
    /// Where a sign-in by redirect comes back to; `None`: this page, without query and fragment. It must be registered
    /// at the provider letter by letter.
    pub redirect_uri: Option<String>,
    /// What to ask for, by spaces; `None`: what the provider gives by default.
    pub scope: Option<String>,
    /// Where the session is kept.
    pub storage: Storage,
    /// What [`callback`](crate::callback) gave, when it was called before.
    pub callback: Option<String>,
}

impl Options {
    /// Options with the defaults.
    pub fn new(client_id: impl Into<String>, provider: Provider) -> Self {
        Self {
            client_id: client_id.into(),
            provider,
            api: Vec::new(),
            redirect_uri: None,
            scope: None,
            storage: Storage::Local,
            callback: None,
        }
    }
}

/// Whether somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Signed in.
    In,
    /// Signed in, but the token cannot be renewed now. It comes back by itself.
    Offline(Offline),
    /// Signed out: call `login`.
    Out(Reason),
}

impl Status {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Offline(_) => "offline",
            Self::Out(_) => "out",
        }
    }
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody has signed in yet.
    New,
    /// The browser has lost the key that the kept session was sealed with, and the session with it.
    StorageLost,
    /// A session has ended.
    Ended(Out),
}

impl Reason {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::StorageLost => "storage-lost",
            Self::Ended(Out::Left) => "left",
            Self::Ended(Out::LeftElsewhere) => "left-elsewhere",
            Self::Ended(Out::Replaced) => "replaced",
            Self::Ended(Out::Refused) => "refused",
            Self::Ended(Out::Expired) => "expired",
        }
    }
}

/// Keeps one user of this origin signed in. Clones are one client.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Rc<Inner>);

type Watcher = Rc<dyn Fn(&Status)>;

pub(crate) struct Inner {
    pub(crate) owner: Owner,
    pub(crate) issuer: Issuer,
    pub(crate) metadata: RefCell<Option<Checked>>,
    pub(crate) place: Place,
    pub(crate) lock_name: String,
    pub(crate) api: AllowList,
    pub(crate) redirect_uri: String,
    pub(crate) scope: Option<Scope>,
    pub(crate) session: RefCell<Option<session::Session>>,
    pub(crate) nobody: Cell<Reason>,
    pub(crate) refreshing: RefCell<Option<js_sys::Promise>>,
    pub(crate) retrying: Cell<bool>,
    pub(crate) channel: RefCell<Option<BroadcastChannel>>,
    pub(crate) failed: RefCell<Option<Error>>,
    told: RefCell<Option<Status>>,
    watchers: RefCell<Vec<(u32, Watcher)>>,
    number: Cell<u32>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl Client {
    /// Restores the session that this origin keeps, or finishes the sign-in whose callback this page is.
    ///
    /// A callback that fails does not fail this: see [`callback_error`](Self::callback_error). Fails when an option
    /// makes no sense, the page is not secure, or the provider's document cannot be had or is not believed.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let callback = options.callback.clone().or_else(login::callback);
        let client = Self(Rc::new(Inner::open(options).await?));
        client.0.restore().await;
        client.0.clone().listen();
        if let Some(callback) = callback {
            let outcome = client.0.returned(&callback).await;
            *client.0.failed.borrow_mut() = outcome.err();
        }
        client.0.catch_up();
        client.0.tell();
        Ok(client)
    }

    /// Whether somebody is signed in.
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// Why the callback that this page was opened with signed nobody in, if it did not. A session that was there
    /// before goes on.
    pub fn callback_error(&self) -> Option<Error> {
        self.0.failed.borrow().clone()
    }

    /// Where the session is kept: memory, whatever was asked for, when the browser lets nothing be kept.
    pub fn storage(&self) -> Storage {
        self.0.place.storage()
    }

    /// The scope that was granted, where it is known.
    pub fn scope(&self) -> Option<Scope> {
        self.0.session.borrow().as_ref()?.scope().cloned()
    }

    /// Calls `watcher` with the status now and at each change. Gives the number to [`unwatch`](Self::unwatch) it.
    pub fn watch(&self, watcher: impl Fn(&Status) + 'static) -> u32 {
        let number = self.0.number.get();
        self.0.number.set(number + 1);
        watcher(&self.status());
        let watcher: Watcher = Rc::new(watcher);
        self.0.watchers.borrow_mut().push((number, watcher));
        number
    }

    /// Ends a [`watch`](Self::watch).
    pub fn unwatch(&self, number: u32) {
        self.0.watchers.borrow_mut().retain(|(own, _)| *own != number);
    }
}

impl Inner {
    async fn open(options: Options) -> Result<Self, Error> {
        let client_id =
            ClientId::new(options.client_id).ok_or(Error::Option("clientId is missing"))?;
        if web::locks().is_none() {
            return Err(Error::NotSecure);
        }
        let scope = options.scope.map(|scope| scope.parse()).transpose();
        let scope =
            scope.map_err(|_| Error::Option("scope has characters that are not allowed"))?;
        let api = allowed(&options.api)?;
        let redirect_uri = match options.redirect_uri {
            Some(uri) => uri,
            None => here().ok_or(Error::NotSecure)?,
        };
        let (issuer, metadata) = believe(options.provider).await?;
        let owner = Owner { issuer: issuer.as_str().to_owned(), client_id };
        let place = Place::open(&owner, options.storage).await;
        let lock_name = match place.storage() {
            Storage::Local => place.name().to_owned(),
            // Shared with nobody, so every page has its own.
            Storage::Session | Storage::Memory => {
                let own = web::random::<16>().ok_or(Error::NotSecure)?;
                format!("{} {}", place.name(), id::encode(&own))
            }
        };
        Ok(Self {
            place,
            lock_name,
            owner,
            issuer,
            metadata: RefCell::new(metadata),
            api,
            redirect_uri,
            scope,
            session: RefCell::default(),
            nobody: Cell::new(Reason::New),
            refreshing: RefCell::default(),
            retrying: Cell::new(false),
            channel: RefCell::default(),
            failed: RefCell::default(),
            told: RefCell::default(),
            watchers: RefCell::default(),
            number: Cell::new(0),
        })
    }

    /// The provider's metadata, asked for once.
    pub(crate) async fn provider(&self) -> Result<Checked, Error> {
        if let Some(known) = &*self.metadata.borrow() {
            return Ok(known.clone());
        }
        let found = transport::discover(&self.issuer).await?;
        *self.metadata.borrow_mut() = Some(found.clone());
        Ok(found)
    }

    pub(crate) fn status(&self) -> Status {
        let status = self.session.borrow().as_ref().map(session::Session::status);
        match status {
            None => Status::Out(self.nobody.get()),
            Some(session::Status::In) => Status::In,
            Some(session::Status::Offline(why)) => Status::Offline(why),
            Some(session::Status::Out(why)) => Status::Out(Reason::Ended(why)),
        }
    }

    /// Takes what the place holds into memory, where there is nothing yet.
    pub(crate) async fn restore(&self) {
        match self.place.read().await {
            Ok(Found::KeyLost) => self.nobody.set(Reason::StorageLost),
            Ok(Found::Kept(kept)) => {
                let session = session::Session::restore(*kept, &self.owner);
                if session.is_some() {
                    *self.session.borrow_mut() = session;
                }
            }
            Ok(Found::Nothing) | Err(_) => {}
        }
    }

    /// Tells the watchers when the status has changed.
    pub(crate) fn tell(&self) {
        let status = self.status();
        if self.told.borrow().as_ref() == Some(&status) {
            return;
        }
        *self.told.borrow_mut() = Some(status.clone());
        let watchers = self.watchers.borrow().clone();
        for (_, watcher) in watchers {
            watcher(&status);
        }
    }
}

/// The origins that may see the token.
fn allowed(api: &[String]) -> Result<AllowList, Error> {
    let mut list = AllowList::default();
    let own = || web::window()?.location().origin().ok();
    let all = if api.is_empty() { own().into_iter().collect() } else { api.to_vec() };
    for origin in all {
        let origin = Origin::parse(&origin);
        list.add(origin.ok_or(Error::Option("api must list origins: scheme, host and port"))?);
    }
    Ok(list)
}

/// This page's address without query and fragment.
fn here() -> Option<String> {
    let location = web::window()?.location();
    Some(location.origin().ok()? + &location.pathname().ok()?)
}

async fn believe(provider: Provider) -> Result<(Issuer, Option<Checked>), Error> {
    match provider {
        Provider::Issuer(name) => Ok((Issuer::parse(&name, PlainHttp::Loopback)?, None)),
        Provider::Document(url) => {
            let document = transport::document(&url).await?;
            let issuer = Issuer::parse(&document.issuer, PlainHttp::Loopback)?;
            let metadata = issuer.check(document)?;
            Ok((issuer, Some(metadata)))
        }
    }
}
