//! N5: a token endpoint that misbehaves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_client::{Client, ClientCredentials, Error, Offline, Password};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::fake::{Fake, Reply, sign_in};

fn password() -> Password {
    Password::new("alice", "wonderland")
}

#[tokio::test]
async fn a_redirect_of_the_token_endpoint_is_not_followed_and_no_secret_resent() {
    let (fake, evil) = (Fake::start().await, Fake::start().await);
    let client = fake.client().client_secret("s3cret").build().await.unwrap();
    for code in [301, 302, 303, 307, 308] {
        fake.next("/token", Reply::Header(code, "Location", evil.url("/token")));
        let error = client.login(password()).await.unwrap_err();
        assert!(matches!(error, Error::Offline(Offline::Provider(got)) if got == code), "{error}");
    }
    assert!(evil.seen("/token").is_empty());
    let basic = fake.seen("/token")[0].header("authorization").map(str::to_owned);
    assert_eq!(basic.as_deref(), Some("Basic Y2xpOnMzY3JldA=="));
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_once() {
    let fake = Fake::start().await;
    let client = fake.client().build().await.unwrap();
    fake.next("/token", Reply::Flood);
    let began = Instant::now();
    let error = client.login(password()).await.unwrap_err();
    assert!(matches!(error, Error::Offline(Offline::Unanswered)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2));

    fake.next("/.well-known/oauth-authorization-server", Reply::Flood);
    let client = fake.client().build().await.unwrap();
    let error = client.restore().await.unwrap().map(|_| ());
    assert!(error.is_none());
}

#[tokio::test]
async fn headers_without_end_time_out() {
    let fake = Fake::start().await;
    let client = fake.client().build().await.unwrap();
    fake.next("/token", Reply::Drip);
    let began = Instant::now();
    let error = client.login(password()).await.unwrap_err();
    assert!(matches!(error, Error::Offline(Offline::Unanswered)), "{error}");
    assert!((7..10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn client_credentials_are_sent_as_announced_and_asked_for_again() {
    let fake = Fake::start().await;
    let client = fake.client().client_secret("s3cret").scope("a").build().await.unwrap();
    fake.lives([0]);
    let session = client.login(ClientCredentials).await.unwrap();
    session.access_token().await.unwrap();
    let seen = fake.seen("/token");
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(request.parameter("grant_type").as_deref(), Some("client_credentials"));
        assert_eq!(request.parameter("scope").as_deref(), Some("a"));
        assert_eq!(request.header("authorization"), Some("Basic Y2xpOnMzY3JldA=="));
    }
    let public = fake.client().build().await.unwrap();
    let error = public.login(ClientCredentials).await.unwrap_err();
    assert!(matches!(error, Error::Configuration(_)), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_as_the_provider_tells_it() {
    let fake = Fake::start().await;
    let client = fake.client().build().await.unwrap();
    fake.next("/token", crate::fake::refuse("invalid_grant"));
    let error = client.login(password()).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.error == "invalid_grant"));
    let request = &fake.seen("/token")[0];
    assert_eq!(request.parameter("password").as_deref(), Some("wonderland"));
    assert_eq!(request.parameter("client_id").as_deref(), Some("cli"));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_until_it_is_trusted() {
    let name = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(name).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fake = Fake::at(&format!("https://{}", listener.local_addr().unwrap()));
    let server = fake.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (server, acceptor) = (server.clone(), acceptor.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    server.serve(stream).await;
                }
            });
        }
    });

    let distrustful = fake.client().build().await.unwrap();
    let error = distrustful.login(password()).await.unwrap_err();
    assert!(matches!(error, Error::Offline(Offline::Unreachable)), "{error}");
    assert!(fake.seen("/token").is_empty());

    let trusting = fake.client().trust_certificate(made.cert.pem()).build().await.unwrap();
    let session = sign_in(&trusting).await;
    let answer = session.get(fake.url("/api")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "GET at0 ");
}

#[tokio::test]
async fn plain_http_is_taken_on_this_machine_alone() {
    let error = Client::discover("http://id.example").client_id("cli").build().await.unwrap_err();
    assert!(matches!(error, Error::Distrust(_)), "{error}");
    let fake = Fake::start().await;
    let error = fake.client().api("http://api.example").build().await.unwrap_err();
    assert!(matches!(error, Error::Configuration(_)), "{error}");
    assert!(
        fake.client().danger_allow_plain_http().api("http://api.example").build().await.is_ok()
    );
}
