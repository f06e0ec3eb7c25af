//! A provider over its router, without a socket: a clock that tests move, a store in memory, the clients and users
//! that the rows of the security checklist name.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_protocol::{
    ClientId, Denied, Secret, Subject, Timestamp,
    authorization::{Destination, Request as Asked},
    client::{ApplicationType, AuthMethod, Client, ClientSecret, GrantType},
    form::{self, Form},
    pkce,
    policy::Policy,
    secret::SecretHash,
};
use countersign_provider::{
    Builder, Provider,
    authority::Consented,
    clock::Clock,
    store::{Memory, Store},
    users::{Profile, Users},
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const ISSUER: &str = "https://op.test:9443";
pub(crate) const SECRET: &str = "a-secret-with-256-random-bits-of-its-own";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn id(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

pub(crate) fn subject(subject: &str) -> Subject {
    Subject::new(subject).unwrap()
}

/// A confidential client by Basic, for code and refresh.
pub(crate) fn web(name: &str) -> Client {
    Client {
        secrets: vec![ClientSecret { hash: SecretHash::of(&Secret::new(SECRET)), expires: None }],
        redirect_uris: vec![format!("https://{name}.test/cb")],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scope: "profile email".parse().unwrap(),
        ..Client::new(id(name))
    }
}

/// The clients of the checklist's fixtures that exist so far, and `first`, a first-party client with the password
/// grant.
pub(crate) fn clients() -> Vec<Client> {
    let public = |name: &str| Client {
        token_endpoint_auth_method: AuthMethod::None,
        secrets: vec![],
        ..web(name)
    };
    vec![
        web("web"),
        web("web2"),
        Client {
            redirect_uris: vec!["https://spa.test/cb".into()],
            origins: vec!["https://spa.test".into()],
            ..public("pub")
        },
        Client {
            application_type: ApplicationType::Native,
            redirect_uris: vec!["http://127.0.0.1/cb".into(), "com.example.app:/cb".into()],
            ..public("nat")
        },
        Client {
            grant_types: vec![GrantType::ClientCredentials],
            redirect_uris: vec![],
            ..web("svc")
        },
        Client {
            grant_types: vec![GrantType::Password, GrantType::RefreshToken],
            origins: vec!["https://first.test".into()],
            redirect_uris: vec![],
            ..public("first")
        },
        Client { token_endpoint_auth_method: AuthMethod::ClientSecretPost, ..web("post") },
        Client { introspect: true, grant_types: vec![], redirect_uris: vec![], ..web("rs1") },
    ]
}

/// Alice and Bob.
#[derive(Debug)]
pub(crate) struct People;

#[async_trait]
impl Users for People {
    async fn authenticate(&self, name: &str, secret: &Secret) -> Result<Option<Subject>, Denied> {
        let known = matches!(name, "alice" | "bob") && secret.matches(&Secret::new(PASSWORD));
        Ok(known.then(|| subject(name)))
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied> {
        let known = matches!(subject.as_str(), "alice" | "bob");
        Ok(known.then(|| Profile::new(subject.as_str())))
    }
}

/// A provider and its router.
pub(crate) struct Op {
    pub(crate) provider: Provider,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) router: Router,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Op {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with_policy(policy: Policy) -> Self {
        Self::with(|builder| builder.policy(policy)).await
    }

    pub(crate) async fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Clock::fixed(START);
        let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
        Self::over(store, clock, change).await
    }

    /// A provider over this store.
    pub(crate) async fn over(
        store: Arc<dyn Store>,
        clock: Clock,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let builder = Provider::builder(ISSUER)
            .store(store.clone())
            .clock(clock.clone())
            .clients(clients())
            .users(People);
        let provider = change(builder).build().await.unwrap();
        let router = provider.router().merge(provider.well_known());
        Self { provider, clock, store, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A form, by a client with its authentication: `web:` by Basic, `pub` by its id in the body.
    pub(crate) async fn post(&self, path: &str, client: &str, pairs: &[(&str, &str)]) -> Answer {
        self.send(post(path, client, pairs)).await
    }

    pub(crate) async fn token(&self, client: &str, pairs: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token", client, pairs).await
    }

    /// What a token introspects to, asked by a resource server.
    pub(crate) async fn introspect(&self, token: &str) -> Value {
        let answer = self.post("/oauth/introspect", "rs1", &[("token", token)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// A code of alice's for a client, as her consent makes it, and its verifier.
    pub(crate) async fn code(&self, client: &str) -> (String, String) {
        let (verifier, challenge) = pkce::pair(&[7; 32]);
        let challenge = challenge.to_string();
        let registered = self.provider.authority().client(&id(client)).await.unwrap().unwrap();
        let query = form::encode([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", &registered.redirect_uris[0]),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let form = Form::parse(query.as_bytes()).unwrap();
        let destination = Destination::find(&form, &registered).unwrap();
        let authority = self.provider.authority();
        let request = Asked::check(&form, &registered, destination, authority.policy()).unwrap();
        let consented = Consented {
            grant: authority.new_grant_id(),
            request: &request,
            subject: &subject("alice"),
            session: None,
            auth_time: self.clock.now(),
            flow_ends: self.clock.now() + secs(600),
        };
        let code = authority.consent(consented).await.unwrap();
        (code.expose().to_owned(), verifier.expose().to_owned())
    }

    /// What a code is redeemed with.
    pub(crate) async fn redeem(&self, client: &str, code: &str, verifier: &str) -> Answer {
        let registered = self.provider.authority().client(&id(client)).await.unwrap().unwrap();
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &registered.redirect_uris[0]),
            ("code_verifier", verifier),
        ];
        self.token(client, &pairs).await
    }

    /// Tokens of alice's for a client.
    pub(crate) async fn tokens(&self, client: &str) -> Value {
        let (code, verifier) = self.code(client).await;
        self.redeem(client, &code, &verifier).await.ok()
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

/// The request that [`Op::post`] sends.
pub(crate) fn post(path: &str, client: &str, pairs: &[(&str, &str)]) -> Request<Body> {
    let known = clients().into_iter().find(|known| known.client_id.as_str() == client);
    let method = known.map(|known| known.token_endpoint_auth_method);
    let mut body = form::encode(pairs.iter().copied());
    let mut request =
        Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let mut append = |name: &str, value: &str| {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(&form::encode([(name, value)]));
    };
    match method {
        Some(AuthMethod::ClientSecretBasic) => {
            request = request.header(header::AUTHORIZATION, basic(client, SECRET));
        }
        Some(AuthMethod::ClientSecretPost) => {
            append("client_id", client);
            append("client_secret", SECRET);
        }
        Some(AuthMethod::None) => append("client_id", client),
        None => {}
    }
    request.body(Body::from(body)).unwrap()
}

pub(crate) fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// `OK` of the checklist: 200, JSON, not to be stored.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.is_clean_json();
        self.json()
    }

    /// `E(x)` of the checklist, or `E401(x)` when the code's status is 401.
    #[track_caller]
    pub(crate) fn refused(&self, error: &str) {
        let status = if error == "invalid_client" { 401 } else { 400 };
        self.refused_with(status, error);
    }

    #[track_caller]
    pub(crate) fn refused_with(&self, status: u16, error: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self.is_clean_json();
        let json = self.json();
        assert_eq!(json["error"], error, "{self:?}");
        assert!(json["error_description"].is_string(), "{self:?}");
        assert!(json.get("access_token").is_none(), "{self:?}");
        assert_eq!(self.header("www-authenticate").is_some(), status == 401, "{self:?}");
    }

    /// T26: JSON, `no-store`, `nosniff`, no cookie.
    #[track_caller]
    fn is_clean_json(&self) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        assert_eq!(self.header("set-cookie"), None, "{self:?}");
    }
}

/// A member of a JSON answer as text.
pub(crate) fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}"))
}
