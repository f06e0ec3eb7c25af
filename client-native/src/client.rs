use std::{fmt, sync::Arc, time::Duration};

use countersign_protocol::{
    ClientId, Scope, Secret, Timestamp, Version,
    discovery::{Checked, Issuer, PlainHttp},
    endpoint::Origin,
    login::{Authenticated, authenticate},
    session::{
        self, Farewell, Kept, Offline, Owner, Tokens,
        refresh::{Answer, PATIENCE},
        request::AllowList,
    },
};
use reqwest::Certificate;
use tokio::sync::OnceCell;

use crate::{
    error::Error,
    login::Login,
    session::Session,
    storage::{Lock, MemoryStorage, Storage, StorageError},
    transport::{self, Transport},
    world::{Clock, random},
};

/// How often the lock of a place is tried while another holds it.
const POLL: Duration = Duration::from_millis(50);

/// How long signing out waits for another's refresh before it goes on without the lock.
pub(crate) const LEAVING_PATIENCE: Duration = Duration::from_secs(5);

/// One client of one provider, with one place to keep a session in. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), countersign_client::Error> {
/// use countersign_client::{Client, ClientCredentials};
///
/// let client = Client::discover("https://id.example")
///     .client_id("reporter")
///     .client_secret("…")
///     .api("https://api.example")
///     .build()
///     .await?;
/// let session = client.login(ClientCredentials).await?;
/// let report = session.get("https://api.example/report").send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    owner: Owner,
    secret: Option<Secret>,
    scope: Option<Scope>,
    storage: Arc<dyn Storage>,
    allowed: AllowList,
    transport: Transport,
    apis: reqwest::Client,
    clock: Clock,
    provider: OnceCell<Checked>,
}

impl Client {
    /// Begins a client of this issuer: a URL, written letter by letter as the provider's metadata names it.
    pub fn discover(issuer: impl Into<String>) -> Builder {
        Builder {
            issuer: issuer.into(),
            client_id: String::new(),
            secret: None,
            scope: None,
            storage: None,
            apis: Vec::new(),
            trusted: Vec::new(),
            plain: PlainHttp::Loopback,
            clock: Clock::system(),
        }
    }

    /// The session that the place holds; `None` when nobody is signed in. Works offline.
    ///
    /// [`Error::Storage`] when the place cannot be read, or holds what is no session of this release.
    pub async fn restore(&self) -> Result<Option<Session>, Error> {
        let Some(kept) = self.load().await? else {
            return Ok(None);
        };
        if kept.belongs_to(&self.0.owner) && !kept.farewells().is_empty() {
            self.say_farewell(kept.clone());
        }
        let session = session::Session::restore(kept, &self.0.owner);
        Ok(session.map(|session| Session::new(self.clone(), session)))
    }

    /// Signs in, by a browser ([`Loopback`](crate::Loopback)), a password ([`Password`](crate::Password)) or as the
    /// client itself ([`ClientCredentials`](crate::ClientCredentials)), and keeps the session in the place of the one
    /// before. The place is written once first, so that nobody signs in only to learn that nothing can be kept.
    pub async fn login(&self, login: impl Into<Login>) -> Result<Session, Error> {
        let provider = self.provider().await?;
        self.prove_place().await?;
        let tokens = login.into().run(self, provider).await?;
        Ok(self.keep_login(tokens).await)
    }

    /// What the provider announces about itself. Asked for once, and kept.
    pub async fn provider(&self) -> Result<&Checked, Error> {
        let discover = || self.0.transport.discover(&self.0.issuer);
        self.0.provider.get_or_try_init(discover).await
    }

    pub(crate) fn id(&self) -> &ClientId {
        &self.0.owner.client_id
    }

    pub(crate) fn has_secret(&self) -> bool {
        self.0.secret.is_some()
    }

    pub(crate) fn scope(&self) -> Option<&Scope> {
        self.0.scope.as_ref()
    }

    pub(crate) fn allowed(&self) -> &AllowList {
        &self.0.allowed
    }

    pub(crate) fn apis(&self) -> &reqwest::Client {
        &self.0.apis
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Asks the token endpoint, once, with this client's authentication.
    pub(crate) async fn ask(&self, url: &str, form: Vec<(&'static str, &str)>) -> Answer {
        let methods = self.0.provider.get().map(Checked::metadata);
        let methods = methods.map(|it| it.token_endpoint_auth_methods_supported.as_slice());
        self.0.transport.ask(url, &self.authenticated(form, methods)).await
    }

    fn authenticated(
        &self,
        form: Vec<(&'static str, &str)>,
        methods: Option<&[String]>,
    ) -> Authenticated {
        authenticate(form, self.id(), self.0.secret.as_ref(), methods.unwrap_or_default())
    }

    /// What the place holds.
    pub(crate) async fn load(&self) -> Result<Option<Kept>, StorageError> {
        let Some(text) = self.0.storage.load().await? else {
            return Ok(None);
        };
        let unreadable = |error: serde_json::Error| {
            let remedy = "update this program, or delete it to sign in anew";
            // The error's own text may quote what is kept.
            let kind = error.classify();
            StorageError::new(format!(
                "the place holds no session of this release ({kind:?}): {remedy}"
            ))
        };
        serde_json::from_str(text.expose()).map(Some).map_err(unreadable)
    }

    /// Replaces what the place holds.
    pub(crate) async fn store(&self, kept: &Kept) -> Result<(), StorageError> {
        let text = serde_json::to_string(kept);
        let text = text.map_err(|_| StorageError::new("the session cannot be written as JSON"))?;
        self.0.storage.store(&Secret::new(text)).await
    }

    pub(crate) async fn try_lock(&self) -> Result<Option<Lock>, StorageError> {
        self.0.storage.try_lock().await
    }

    /// The lock, if it comes free in time.
    pub(crate) async fn lock_within(
        &self,
        patience: Duration,
    ) -> Result<Option<Lock>, StorageError> {
        let locked = async {
            loop {
                if let Some(lock) = self.try_lock().await? {
                    return Ok(lock);
                }
                pause().await;
            }
        };
        tokio::time::timeout(patience, locked).await.ok().transpose()
    }

    async fn prove_place(&self) -> Result<(), Error> {
        // Without the lock, what is written back may be older than what another has written meanwhile.
        let Some(_lock) = self.lock_within(PATIENCE).await? else {
            return Err(Offline::Waiting.into());
        };
        match self.load().await? {
            Some(found) => self.store(&found).await?,
            None => {
                self.store(&Kept::empty(self.0.owner.clone(), draw_line())).await?;
            }
        }
        Ok(())
    }

    async fn keep_login(&self, tokens: Tokens) -> Session {
        let lock = self.lock_within(PATIENCE).await.ok().flatten();
        let found = self.load().await.ok().flatten();
        let mut session =
            session::Session::begin(self.0.owner.clone(), draw_line(), tokens, found.as_ref());
        let kept = session.kept().clone();
        let stored = self.store(&kept).await.inspect_err(warn_unkept).is_ok();
        session.take(kept, stored);
        Session::begun(self.clone(), session, lock)
    }

    /// Tells the provider of the sessions that were left, in the background, until it has heard.
    pub(crate) fn say_farewell(&self, left: Kept) {
        let client = self.clone();
        tokio::spawn(async move {
            let mut wait = Duration::from_secs(1);
            while !client.farewell(&left).await {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_mins(1));
            }
        });
    }

    /// Tells the provider once; whether it has heard all, and the place was told so.
    pub(crate) async fn farewell(&self, left: &Kept) -> bool {
        let mut told = Vec::new();
        for farewell in left.farewells() {
            if self.tell(farewell).await {
                told.push(farewell.clone());
            }
        }
        let noted = told.is_empty() || self.note_told(&told).await;
        noted && told.len() == left.farewells().len()
    }

    /// Takes from the place what the provider has heard. What fails here is only told once more later.
    async fn note_told(&self, told: &[Farewell]) -> bool {
        let Ok(Some(_lock)) = self.lock_within(LEAVING_PATIENCE).await else {
            return false;
        };
        match self.load().await {
            Ok(Some(found)) if found.belongs_to(&self.0.owner) && !found.farewells().is_empty() => {
                self.store(&found.told(told)).await.is_ok()
            }
            found => found.is_ok(),
        }
    }

    /// Ends the grant at the provider, and the sign-in too where that was asked for. Whether there is nothing left to
    /// say: the provider has heard it, or will never want to.
    async fn tell(&self, farewell: &Farewell) -> bool {
        let Ok(provider) = self.provider().await else {
            return false;
        };
        let metadata = provider.metadata();
        let methods = Some(metadata.revocation_endpoint_auth_methods_supported.as_slice());
        let request = self.authenticated(vec![("token", farewell.token.expose())], methods);
        let sign_in = metadata.end_session_endpoint.as_ref().filter(|_| farewell.ends_sign_in);
        let mut heard = true;
        for endpoint in sign_in.into_iter().chain(&metadata.revocation_endpoint) {
            let status = self.0.transport.tell(endpoint, &request).await;
            heard &= status.is_some_and(|status| !matches!(status, 408 | 429 | 500..));
            if !matches!(status, Some(200..=299)) {
                tracing::warn!(?status, "the provider did not take the sign-out");
            }
        }
        heard
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { issuer, client_id } = &self.0.owner;
        write!(f, "Client({client_id} at {issuer})")
    }
}

/// A moment until a lock is tried again, not the same for all who wait.
pub(crate) async fn pause() {
    let [more] = random::<1>();
    tokio::time::sleep(POLL + Duration::from_millis(u64::from(more) / 8)).await;
}

pub(crate) fn warn_unkept(error: &StorageError) {
    let cause = std::error::Error::source(error);
    tracing::warn!(%error, ?cause, "the session goes on in memory: it cannot be kept");
}

fn draw_line() -> Version {
    Version::from_bytes(random())
}

/// What a [`Client`] is made of. Begun by [`Client::discover`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    issuer: String,
    client_id: String,
    secret: Option<Secret>,
    scope: Option<String>,
    storage: Option<Arc<dyn Storage>>,
    apis: Vec<String>,
    trusted: Vec<Vec<u8>>,
    plain: PlainHttp,
    clock: Clock,
}

impl Builder {
    /// The client's identifier, as the provider registered it. Needed.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), ..self }
    }

    /// The secret of a confidential client. A program that users install has none: whoever has the program has it.
    pub fn client_secret(self, secret: impl Into<Secret>) -> Self {
        Self { secret: Some(secret.into()), ..self }
    }

    /// The scope to ask for, words with spaces between. By default the client's own at the provider.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        Self { scope: Some(scope.into()), ..self }
    }

    /// Where the session is kept between two runs. By default in memory, that is: not.
    pub fn storage(self, storage: impl Storage) -> Self {
        Self { storage: Some(Arc::new(storage)), ..self }
    }

    /// Allows requests to this origin (`https://api.example`) to carry the token. May be said several times.
    pub fn api(mut self, origin: impl Into<String>) -> Self {
        self.apis.push(origin.into());
        self
    }

    /// Trusts this certificate (PEM) beside those that the operating system trusts, for provider and APIs.
    pub fn trust_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trusted.push(pem.into());
        self
    }

    /// Takes plain `http` from elsewhere than this machine, for provider and APIs. Whoever is on the way reads every
    /// password and every token, and can be whomever they like.
    pub fn danger_allow_plain_http(self) -> Self {
        Self { plain: PlainHttp::DangerEverywhere, ..self }
    }

    /// Measures lifetimes by this clock instead of the machine's, for tests and simulations.
    pub fn clock(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Clock::of(now), ..self }
    }

    /// Builds the client and asks the provider for its metadata.
    ///
    /// A provider that cannot be reached now is asked again when it is needed, so that a kept session can be restored
    /// and its access token used. [`Error::Configuration`] and [`Error::Distrust`] otherwise.
    pub async fn build(self) -> Result<Client, Error> {
        let client = Client(Arc::new(self.inner()?));
        match client.provider().await {
            Ok(_) => {}
            Err(Error::Offline(offline)) => tracing::warn!(%offline, "no metadata yet"),
            Err(error) => return Err(error),
        }
        Ok(client)
    }

    fn inner(self) -> Result<Inner, Error> {
        let issuer = Issuer::parse(&self.issuer, self.plain)?;
        let client_id = ClientId::new(self.client_id.as_str());
        let client_id = client_id.ok_or(wrong("`.client_id(…)` is missing or malformed"))?;
        let scope = self.scope.as_deref().map(str::parse).transpose();
        let trusted = self.trusted.iter().map(|pem| Certificate::from_pem(pem));
        let trusted = trusted.collect::<Result<Vec<_>, _>>();
        let trusted =
            trusted.map_err(|_| wrong("`.trust_certificate(…)` is no certificate in PEM"))?;
        Ok(Inner {
            owner: Owner { issuer: self.issuer.clone(), client_id },
            secret: self.secret.clone(),
            scope: scope.map_err(|_| wrong("`.scope(…)` is malformed"))?,
            allowed: self.allowed()?,
            transport: Transport::new(&issuer, &trusted)?,
            apis: transport::for_apis(&trusted)?,
            storage: self.storage.unwrap_or_else(|| Arc::new(MemoryStorage::new())),
            clock: self.clock,
            provider: OnceCell::new(),
            issuer,
        })
    }

    fn allowed(&self) -> Result<AllowList, Error> {
        let mut allowed = AllowList::default();
        for api in &self.apis {
            let origin = Origin::parse(api).ok_or(wrong(
                "`.api(…)` takes an origin: scheme, host and port, as in https://api.example",
            ))?;
            if !origin.is_private() && self.plain == PlainHttp::Loopback {
                return Err(wrong("`.api(…)` must be https (http only on loopback)"));
            }
            allowed.add(origin);
        }
        Ok(allowed)
    }
}

fn wrong(what: &'static str) -> Error {
    Error::Configuration(what.into())
}
