//! The servers: the provider on a store, or a bare handler.

use std::{env, net::SocketAddr};

use axum::{
    Form, Json, Router,
    routing::{get, post},
};
use countersign_protocol::{
    ClientId, Secret, Subject,
    client::{AuthMethod, Client, ClientSecret, GrantType},
    policy::{Lifetimes, Policy},
    secret::SecretHash,
};
use countersign_provider::{Provider, clock::Clock, guard::Authorized, keys::MasterKey, store};
use serde_json::{Value, json};

/// The one secret; everything here is thrown away after the run.
pub(crate) const SECRET: &str = "benchmark-secret";
pub(crate) const PASSWORD: &str = "benchmark-password";

pub(crate) fn serve(store: &str) {
    crate::pin(env::var("CORE").unwrap().parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let router = match store.split_once(':') {
            None => bare(),
            Some(("swaps", path)) => crate::swaps::router(path.as_ref()),
            Some(_) => provider(store).await,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await.unwrap();
    });
}

/// Parses the form and answers a constant, of the size of a token response.
fn bare() -> Router {
    async fn constant(Form(form): Form<Vec<(String, String)>>) -> Json<Value> {
        Json(json!({
            "access_token": "x".repeat(200), "token_type": "Bearer", "expires_in": 300,
            "scope": form.first().map(|pair| pair.1.clone()),
        }))
    }
    Router::new().route("/bare", post(constant))
}

async fn provider(url: &str) -> Router {
    let clock = Clock::system();
    let store = store::open(url, clock.clone()).unwrap();
    let folder = url.strip_prefix("sqlite:").map(|path| format!("{path}.key"));
    let master = folder.map_or_else(MasterKey::generate, MasterKey::file);
    let lifetimes = Lifetimes { leeway: std::time::Duration::ZERO, ..Lifetimes::default() };
    let provider = Provider::builder("http://127.0.0.1:1")
        .store(store)
        .clock(clock)
        .master_key(master)
        .clients(clients())
        .users(People)
        .policy(Policy { lifetimes, ..Policy::default() })
        .build()
        .await
        .unwrap();
    let guarded = Router::new()
        .route("/me", get(async |access: Authorized| access.client.to_string()))
        .layer(provider.guard().require(["profile"]));
    provider.router().merge(guarded)
}

fn clients() -> [Client; 2] {
    let client = |name: &str| Client {
        scope: "profile".parse().unwrap(),
        ..Client::new(ClientId::new(name).unwrap())
    };
    let secrets = vec![ClientSecret { hash: SecretHash::of(&Secret::new(SECRET)), expires: None }];
    [
        Client {
            secrets,
            introspect: true,
            grant_types: vec![GrantType::ClientCredentials],
            ..client("service")
        },
        Client {
            token_endpoint_auth_method: AuthMethod::None,
            grant_types: vec![GrantType::Password, GrantType::RefreshToken],
            ..client("app")
        },
    ]
}

/// Everybody, with one password: what a hash costs is measured elsewhere.
struct People;

#[async_trait::async_trait]
impl countersign_provider::users::Users for People {
    async fn authenticate(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<Option<Subject>, countersign_protocol::Denied> {
        let right = password.matches(&Secret::new(PASSWORD));
        Ok(Subject::new(name).filter(|_| right))
    }

    async fn find(
        &self,
        subject: &Subject,
    ) -> Result<Option<countersign_provider::users::Profile>, countersign_protocol::Denied> {
        Ok(Some(countersign_provider::users::Profile::new(subject.to_string())))
    }
}
