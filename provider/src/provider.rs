//! Putting a provider together.

use std::{sync::Arc, time::Duration};

use axum::Router;
use countersign_protocol::{
    ClientId,
    client::{Client, Unregistrable},
    discovery::{Distrust, Issuer, PlainHttp},
    policy::Policy,
};
use ipnet::IpNet;

use crate::{
    audit::{Actor, Audit, Event, Trail, What},
    authority::{Authority, Parts},
    clock::Clock,
    guard::Guard,
    http::{front::Front, peer::Peers, script::FormClient},
    keys::{KeyError, Keys, MasterKey},
    limit::{Brakes, Limits},
    pages::{Pages, PagesError},
    password::{Cost, Passwords},
    paths::Paths,
    record::Records,
    routes::{self, Endpoints},
    store::{Store, memory::Memory},
    users::{Directory, ListError, ListedUser, Users},
};

/// An OAuth 2 provider: its endpoints as an axum router, a guard for APIs, and every operation as a function.
#[derive(Clone, Debug)]
pub struct Provider {
    endpoints: Endpoints,
    issuer_path: Arc<str>,
    _background: Arc<Background>,
}

/// Why a provider cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The issuer is no https URL (or http on loopback) without query and fragment.
    #[error("issuer: {0}")]
    Issuer(#[from] Distrust),
    /// An endpoint is to be mounted where none can be.
    #[error("path {0:?}: it must begin with a slash and hold letters, digits and -._~ alone")]
    Path(String),
    /// Two endpoints are to be mounted at one path.
    #[error(
        "path {0:?} is taken twice; give each endpoint one of its own, other than /livez and /readyz"
    )]
    PathTwice(String),
    /// A client of the configuration does not hold together.
    #[error("client {client}: {why}")]
    Client {
        /// Which.
        client: String,
        /// What is wrong, and the remedy.
        why: Unregistrable,
    },
    /// The list of users cannot be taken.
    #[error(transparent)]
    Users(#[from] ListError),
    /// The pages cannot be compiled.
    #[error(transparent)]
    Pages(#[from] PagesError),
    /// The ring of server keys cannot be opened or made.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The threads that hash passwords cannot be started.
    #[error("cannot start the threads that hash passwords: {0}; allow more threads or memory")]
    Passwords(#[from] std::io::Error),
}

/// Gathers what a [`Provider`] is made of. Everything but the issuer has a default.
pub struct Builder {
    issuer: String,
    realm: Option<Arc<str>>,
    store: Option<Arc<dyn Store>>,
    users: Option<Arc<dyn Users>>,
    listed: Vec<ListedUser>,
    limits: Limits,
    clients: Vec<Client>,
    policy: Policy,
    master: Option<MasterKey>,
    clock: Clock,
    cost: Cost,
    pages: Option<Pages>,
    proxies: Vec<IpNet>,
    form_client: FormClient,
    trail: Trail,
    paths: Paths,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Provider {
    /// Begins a provider with this issuer: the URL that its users' applications know it by, `https` or on loopback.
    pub fn builder(issuer: impl Into<String>) -> Builder {
        Builder {
            issuer: issuer.into(),
            realm: None,
            store: None,
            users: None,
            listed: Vec::new(),
            limits: Limits::default(),
            clients: Vec::new(),
            policy: Policy::default(),
            master: None,
            clock: Clock::system(),
            cost: Cost::default(),
            pages: None,
            proxies: Vec::new(),
            form_client: FormClient::default(),
            trail: Trail::default(),
            paths: Paths::default(),
        }
    }

    /// The endpoints and pages, to be nested below the issuer's path. Every link in them is built from the issuer.
    pub fn router(&self) -> Router {
        routes::below_issuer(self.endpoints.clone())
    }

    /// The metadata, to be merged at the host's root.
    pub fn well_known(&self) -> Router {
        routes::well_known(self.endpoints.clone(), &self.issuer_path)
    }

    /// `/livez` and `/readyz` for the host's root, where orchestrators look for them. [`Provider::router`] has them too: this
    /// is for an issuer with a path.
    pub fn health(&self) -> Router {
        routes::health_at_root(self.endpoints.clone())
    }

    /// Adds to pages of an application's own the headers that every answer of the provider bears, where they have not set
    /// them: not framed, not guessed at, no script, no referrer, no opener.
    pub fn lock_down(&self, router: Router) -> Router {
        routes::secure(router, self.endpoints.front.clone())
    }

    /// Protects an API with this provider's access tokens.
    pub fn guard(&self) -> Guard {
        Guard::new(self.endpoints.authority.clone())
    }

    /// Every operation, with no HTTP.
    pub fn authority(&self) -> &Authority {
        &self.endpoints.authority
    }
}

impl Builder {
    /// Where records are kept; in memory unless this is said.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The name that the records bear in the store; the issuer unless this is said.
    ///
    /// Under a name of its own a provider finds its users, clients and grants again when its URL has changed. Two
    /// providers on one store must not have the same.
    pub fn realm(mut self, realm: impl Into<Arc<str>>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Who the users are, in place of those that the store has records of and those that are listed.
    pub fn users(mut self, users: impl Users + 'static) -> Self {
        self.users = Some(Arc::new(users));
        self
    }

    /// Users beside those that the store has records of. Of one name, the listed one signs in.
    pub fn list_users(mut self, users: impl IntoIterator<Item = ListedUser>) -> Self {
        self.listed.extend(users);
        self
    }

    /// How many wrong passwords may be tried.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Clients beside those that the store has records of.
    pub fn clients(mut self, clients: impl IntoIterator<Item = Client>) -> Self {
        self.clients.extend(clients);
        self
    }

    /// What is allowed, and for how long.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What the server keys in the store are sealed under. Unless this is said it is drawn and kept nowhere: then
    /// nothing outlives this process, which fits the memory engine alone.
    pub fn master_key(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }

    /// The clock, for tests that move it.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What a password's hash costs.
    pub fn password_cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// The pages that people see; the built-in ones under the issuer's host unless this is said.
    pub fn pages(mut self, pages: Pages) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Proxies whose `X-Forwarded-For` is believed.
    pub fn proxies(mut self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        self.proxies.extend(proxies);
        self
    }

    /// The client of pages that sign in by a form without saying which client they are: old pages, whose provider had
    /// but one. Without this a form says so itself, as `data-client-id`.
    pub fn form_client(mut self, client: ClientId) -> Self {
        self.form_client = FormClient::named(client);
        self
    }

    /// Where the endpoints are, if not under their well-known paths.
    pub fn paths(mut self, paths: Paths) -> Self {
        self.paths = paths;
        self
    }

    /// Who hears of every event beside the log; may be said more than once.
    pub fn audit(mut self, audit: Arc<dyn Audit>) -> Self {
        self.trail = self.trail.with(audit);
        self
    }

    /// Puts the provider together: opens the ring of keys, or begins one, and starts what runs beside the requests.
    /// That ends when the last clone of the provider is dropped.
    pub async fn build(self) -> Result<Provider, BuildError> {
        let issuer = Issuer::parse(&self.issuer, PlainHttp::Loopback)?;
        if let Some(path) = self.paths.malformed() {
            return Err(BuildError::Path(path.to_owned()));
        }
        if let Some(path) = self.paths.shared() {
            return Err(BuildError::PathTwice(path.to_owned()));
        }
        for client in &self.clients {
            client
                .check()
                .map_err(|why| BuildError::Client { client: client.client_id.to_string(), why })?;
        }
        let pages = match self.pages {
            Some(pages) => pages,
            None => Pages::built_in(host(&issuer))?,
        };
        let front = Front::new(&issuer, pages, self.paths);
        let store = self.store.unwrap_or_else(|| Arc::new(Memory::new(self.clock.clone())));
        let name: Arc<str> = issuer.as_str().into();
        let master = self.master.unwrap_or_else(MasterKey::generate);
        let realm = self.realm.unwrap_or_else(|| name.clone());
        let keys = Keys::open(
            store.clone(),
            realm.clone(),
            master,
            self.clock.clone(),
            self.policy.longest(),
        )
        .await?;
        let records = Records::new(store, name, self.clock).in_realm(realm);
        let passwords = Passwords::start(self.cost)?;
        let directory = Directory::open(records.clone(), passwords.clone(), self.listed).await?;
        let directory = Arc::new(directory);
        let key = keys.mac("brakes").map_err(KeyError::from)?;
        let brakes = Brakes::new(records.clone(), key, self.limits);
        let authority = Authority::new(Parts {
            records,
            keys,
            users: self.users.unwrap_or_else(|| directory.clone()),
            directory,
            brakes,
            passwords,
            policy: self.policy,
            clients: self.clients,
            trail: self.trail,
        });
        Ok(Provider {
            _background: Arc::new(Background::start(&authority)),
            issuer_path: issuer.path().into(),
            endpoints: Endpoints {
                authority,
                peers: Peers::behind(self.proxies),
                front,
                form_client: self.form_client,
            },
        })
    }
}

/// The issuer's host as people see it.
fn host(issuer: &Issuer) -> &str {
    let behind = issuer.as_str().split("://").nth(1);
    let host = behind.and_then(|behind| behind.split('/').next());
    host.unwrap_or_default()
}

/// How often the store's clock and the ring of keys are asked for.
const ROUND: Duration = Duration::from_secs(10);

/// What runs beside the requests; it ends when this is dropped.
#[derive(Debug)]
struct Background(tokio::task::JoinHandle<()>);

impl Background {
    fn start(authority: &Authority) -> Self {
        let authority = authority.clone();
        Self(tokio::spawn(async move {
            loop {
                authority.follow_clock().await;
                tokio::time::sleep(ROUND).await;
                match authority.keys().refresh().await {
                    Ok(None) => {}
                    Ok(Some(key)) => authority
                        .record(&Event::new(What::KeyRotation, Actor::Provider).object(key.id)),
                    Err(denied) => {
                        tracing::warn!(%denied, "the ring of server keys was not read again");
                    }
                }
            }
        }))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}
