//! A provider in this process, on a real socket: its clock, and the fate of its answers, are in the test's hand.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use countersign_protocol::{
    ClientId, Denied, Secret, Subject, Timestamp,
    client::{ApplicationType, AuthMethod, Client, ClientSecret, GrantType},
    secret::SecretHash,
};
use countersign_provider::{
    Provider,
    clock::Clock,
    users::{Profile, Users},
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{PASSWORD, endpoint::Endpoints, port};

/// The redirect URI of the client `web`.
pub const WEB_REDIRECT: &str = "https://web.test/callback";

/// The secret of the clients `web` and `service`.
pub const SECRET: &str = "a-secret-with-256-random-bits-of-its-own";

/// What becomes of the answer to a refresh.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It is carried out, and the connection is cut before the answer.
    Lost,
    /// It is carried out, and the answer waits so long.
    Late(Duration),
}

/// A provider in this process with an API at `/api/me`. It ends when it is dropped.
///
/// Its clients are `native` (public: code by loopback, password, refresh), `web` (the same, confidential) and `service`
/// (client credentials); the latter two may introspect. Its users are alice and bob.
#[derive(Debug)]
pub struct Embedded {
    issuer: String,
    clock: Clock,
    wire: Arc<Wire>,
    task: JoinHandle<()>,
}

/// Between the socket and the provider.
#[derive(Debug, Default)]
struct Wire {
    refreshes: Mutex<usize>,
    fates: Mutex<VecDeque<Fate>>,
}

impl Embedded {
    /// Starts one whose clock stands still.
    pub async fn start() -> Self {
        let at = port::free();
        let issuer = format!("http://127.0.0.1:{at}");
        // Tokens are read by clients that have clocks of their own, so it begins at the true time.
        let clock = Clock::fixed(Clock::system().now());
        let provider = Provider::builder(&issuer)
            .clock(clock.clone())
            .clients([native(), web(), service()])
            .users(People)
            .build()
            .await
            .unwrap();
        let wire = Arc::new(Wire::default());
        let router = Router::new()
            .route("/api/me", get(me))
            .layer(provider.guard().require(["profile"]))
            .merge(provider.router())
            .merge(provider.well_known())
            .layer(from_fn_with_state(wire.clone(), carry));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, at)).await.unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { issuer, clock, wire, task }
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The time that it goes by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Its endpoints.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::at(self.issuer.clone())
    }

    /// How many refreshes it was asked for.
    pub fn refreshes(&self) -> usize {
        *self.wire.refreshes.lock().unwrap()
    }

    /// Decides what becomes of the answer to the next refresh that has no fate yet.
    pub fn next_refresh(&self, fate: Fate) {
        self.wire.fates.lock().unwrap().push_back(fate);
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn me() -> Json<&'static str> {
    Json("it is you")
}

/// Counts refreshes, and lets their answers come to their fate.
async fn carry(State(wire): State<Arc<Wire>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    let refresh = parts.uri.path() == "/oauth/token" && text.contains("grant_type=refresh_token");
    let fate = if refresh { wire.refreshed() } else { None };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    match fate {
        // The connection's task ends here, and with it the connection; no message, for nothing has gone wrong.
        Some(Fate::Lost) => std::panic::resume_unwind(Box::new("lost")),
        Some(Fate::Late(time)) => tokio::time::sleep(time).await,
        None => (),
    }
    response
}

impl Wire {
    fn refreshed(&self) -> Option<Fate> {
        *self.refreshes.lock().unwrap() += 1;
        self.fates.lock().unwrap().pop_front()
    }
}

fn native() -> Client {
    Client {
        application_type: ApplicationType::Native,
        token_endpoint_auth_method: AuthMethod::None,
        redirect_uris: vec!["http://127.0.0.1/callback".into()],
        grant_types: vec![
            GrantType::AuthorizationCode,
            GrantType::Password,
            GrantType::RefreshToken,
        ],
        scope: "profile".parse().unwrap(),
        ..Client::new(ClientId::new("native").unwrap())
    }
}

fn web() -> Client {
    Client {
        secrets: secrets(),
        redirect_uris: vec![WEB_REDIRECT.into()],
        grant_types: native().grant_types,
        scope: "profile".parse().unwrap(),
        introspect: true,
        ..Client::new(ClientId::new("web").unwrap())
    }
}

fn service() -> Client {
    Client {
        secrets: secrets(),
        grant_types: vec![GrantType::ClientCredentials],
        scope: "profile".parse().unwrap(),
        introspect: true,
        ..Client::new(ClientId::new("service").unwrap())
    }
}

fn secrets() -> Vec<ClientSecret> {
    let hash = SecretHash::of(&Secret::new(SECRET));
    vec![ClientSecret { hash, expires: None }]
}

/// Alice and Bob, with everybody's password.
#[derive(Debug)]
struct People;

#[async_trait]
impl Users for People {
    async fn authenticate(&self, name: &str, secret: &Secret) -> Result<Option<Subject>, Denied> {
        let known = is_known(name) && secret.matches(&Secret::new(PASSWORD));
        Ok(known.then(|| Subject::new(name).unwrap()))
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied> {
        Ok(is_known(subject.as_str()).then(|| Profile::new(subject.as_str())))
    }
}

fn is_known(name: &str) -> bool {
    matches!(name, "alice" | "bob")
}
