//! Signing in by a browser: the listener, the request, the answer, the launch.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use countersign_client::{Client, Error, Loopback, Session};
use serde_json::json;
use tokio::{sync::oneshot, task::JoinHandle};
use url::Url;

use crate::fake::{Fake, place, send_raw};

struct Begun {
    url: Url,
    login: JoinHandle<Result<Session, Error>>,
}

impl Begun {
    /// Where the listener is.
    fn address(&self) -> String {
        let redirect = Url::parse(&self.parameter("redirect_uri")).unwrap();
        format!("{}:{}", redirect.host_str().unwrap(), redirect.port().unwrap())
    }

    fn parameter(&self, name: &str) -> String {
        let mut found = self.url.query_pairs().filter(|(own, _)| own == name);
        found.next().unwrap().1.into_owned()
    }

    fn answer(&self, extra: &str) -> String {
        format!("GET /callback?state={}{extra} HTTP/1.1", self.parameter("state"))
    }

    async fn send(&self, line: &str) -> String {
        let head = format!("{line}\r\nHost: {}\r\n\r\n", self.address());
        send_raw(&self.address(), head.as_bytes()).await
    }
}

async fn begin(client: &Client) -> Begun {
    begin_with(client, |loopback| loopback).await
}

async fn begin_with(client: &Client, change: impl FnOnce(Loopback) -> Loopback) -> Begun {
    let (shown, url) = oneshot::channel();
    let shown = std::sync::Mutex::new(Some(shown));
    let loopback = change(Loopback::shown_by(move |url| {
        let _ = shown.lock().unwrap().take().unwrap().send(url.to_owned());
    }));
    let client = client.clone();
    let login = tokio::spawn(async move { client.login(loopback).await });
    Begun { url: url.await.unwrap().parse().unwrap(), login }
}

async fn client(fake: &Fake) -> Client {
    fake.client().scope("a b").build().await.unwrap()
}

/// N1: what is not the answer leaves the listener waiting and the token endpoint unasked; the answer closes it.
#[tokio::test]
async fn only_the_answer_is_taken_and_only_once() {
    let fake = Fake::start().await;
    let begun = begin(&client(&fake).await).await;
    let issuer = format!("&iss={}", fake.issuer());
    let good = begun.answer(&format!("&code=c{issuer}"));
    let (address, port) = (begun.address(), begun.address().rsplit(':').next().unwrap().to_owned());

    let wrong_host = format!("{good}\r\nHost: localhost:{port}\r\n\r\n");
    assert!(send_raw(&address, wrong_host.as_bytes()).await.contains(" 421 "));
    let rebound = format!("{good}\r\nHost: evil.test\r\n\r\n");
    assert!(send_raw(&address, rebound.as_bytes()).await.contains(" 421 "));
    let twice = format!("{good}\r\nHost: {address}\r\nHost: {address}\r\n\r\n");
    assert!(send_raw(&address, twice.as_bytes()).await.contains(" 421 "));
    for (line, answer) in [
        (good.replace("GET", "POST"), " 405 "),
        (good.replace("GET", "HEAD"), " 405 "),
        (good.replace("/callback", "/"), " 404 "),
        (good.replace("/callback", "/callback/x"), " 404 "),
        (good.replace("state=", "state=x"), " 400 "),
        (good.replace("state=", "estate="), " 400 "),
        ("GET /callback HTTP/1.1".to_owned(), " 400 "),
        ("GET /favicon.ico HTTP/1.1".to_owned(), " 404 "),
        ("\0\u{1}".to_owned(), " 405 "),
    ] {
        let got = begun.send(&line).await;
        assert!(got.contains(answer), "{line}: {got}");
    }
    let megabyte = format!("{good}\r\nX: {}\r\n\r\n", "x".repeat(1_000_000));
    let answer = send_raw(&address, megabyte.as_bytes()).await;
    assert!(answer.is_empty() || answer.contains(" 431 "), "{answer}");
    let _silent = tokio::net::TcpStream::connect(&address).await.unwrap();

    assert_eq!(fake.seen("/token").len(), 0);
    assert!(!begun.login.is_finished());
    assert!(begun.send(&good).await.contains(" 200 "));
    begun.login.await.unwrap().unwrap();
    assert_eq!(fake.seen("/token").len(), 1);
    // Nobody is there, or by now a test beside this one that was given the same port; not the one who was answered.
    if tokio::net::TcpStream::connect(&address).await.is_ok() {
        let again = format!("{good}\r\nHost: {address}\r\n\r\n");
        let again =
            tokio::time::timeout(Duration::from_secs(5), send_raw(&address, again.as_bytes()))
                .await;
        assert!(!again.is_ok_and(|it| it.contains(" 200 ")), "a second answer is taken");
    }
}

/// N1: on this machine alone, at a port that changes.
#[tokio::test]
async fn the_listener_is_on_loopback_alone_and_closes_in_time() {
    let fake = Fake::start().await;
    let client = client(&fake).await;
    let short = |loopback: Loopback| loopback.patience(Duration::from_millis(300));
    let (one, two) = (begin_with(&client, short).await, begin_with(&client, short).await);
    assert_ne!(one.address(), two.address());
    for begun in [&one, &two] {
        let address = begun.address();
        let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
        let listening = |table: &str| -> Vec<String> {
            let table = fs::read_to_string(table).unwrap();
            let ours = format!(":{port:04X}");
            let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let ours = lines.filter(|line| line[1].ends_with(&ours) && line[3] == "0A");
            ours.map(|line| line[1].to_owned()).collect()
        };
        assert_eq!(listening("/proc/net/tcp"), [format!("0100007F:{port:04X}")]);
        assert!(listening("/proc/net/tcp6").is_empty());
    }
    let address = one.address();
    assert!(matches!(one.login.await.unwrap(), Err(Error::LoginTimedOut)));
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}

/// N2: fresh state and challenge, at least 128 bits, and the code goes with its own verifier.
#[tokio::test]
async fn every_request_is_fresh() {
    let fake = Fake::start().await;
    let client = client(&fake).await;
    let (one, two) = (begin(&client).await, begin(&client).await);
    for name in ["state", "code_challenge"] {
        assert_ne!(one.parameter(name), two.parameter(name));
        assert_eq!(one.parameter(name).len(), 43, "256 bits");
    }
    assert_eq!(one.parameter("scope"), "a b");
    one.send(&one.answer(&format!("&code=c1&iss={}", fake.issuer()))).await;
    let (challenge, redirect_uri) =
        (one.parameter("code_challenge"), one.parameter("redirect_uri"));
    one.login.await.unwrap().unwrap();
    let exchange = &fake.seen("/token")[0];
    let challenge = countersign_protocol::pkce::Challenge::parse(&challenge).unwrap();
    let verifier = exchange.parameter("code_verifier").unwrap().into();
    assert_eq!(challenge.verify(&verifier), Ok(()));
    assert_eq!(exchange.parameter("code").as_deref(), Some("c1"));
    assert_eq!(exchange.parameter("redirect_uri"), Some(redirect_uri));
}

/// N2: none of these reaches the token endpoint.
#[tokio::test]
async fn an_answer_of_another_issuer_or_a_refusal_ends_the_sign_in() {
    let fake = Fake::start().await;
    let client = client(&fake).await;
    for extra in [
        "&code=c".to_owned(),
        "&code=c&iss=https://evil.test".to_owned(),
        format!("&code=c&iss={}/", fake.issuer()),
        format!("&error=access_denied&iss={}", fake.issuer()),
        format!("&iss={}", fake.issuer()),
    ] {
        let begun = begin(&client).await;
        assert!(begun.send(&begun.answer(&extra)).await.contains(" 400 "), "{extra}");
        let error = begun.login.await.unwrap().unwrap_err();
        match &error {
            Error::Refused(refusal) => assert_eq!(refusal.error, "access_denied"),
            other => assert!(matches!(other, Error::Callback(_)), "{extra}: {other}"),
        }
    }
    assert_eq!(fake.seen("/token").len(), 0);
}

/// N2: a code is not asked for without S256, and another issuer's metadata is not believed.
#[tokio::test]
async fn metadata_that_cannot_be_trusted_ends_it_before_it_begins() {
    let fake = Fake::start().await;
    fake.announce("code_challenge_methods_supported", json!(["plain"]));
    let error = client(&fake).await.login(Loopback::shown_by(|_| panic!())).await.unwrap_err();
    assert!(matches!(error, Error::Distrust(_)), "{error}");
    fake.announce("issuer", json!("https://evil.test"));
    let error = fake.client().build().await.unwrap_err();
    assert!(matches!(error, Error::Distrust(_)), "{error}");
}

#[tokio::test]
async fn a_code_whose_answer_was_lost_is_not_sent_again() {
    let fake = Fake::start().await;
    let begun = begin(&client(&fake).await).await;
    fake.next("/token", crate::fake::Reply::CarriedOutAndCut);
    begun.send(&begun.answer(&format!("&code=c&iss={}", fake.issuer()))).await;
    let error = begun.login.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Offline(_)), "{error}");
    assert_eq!(fake.seen("/token").len(), 1);
}

/// N4: a stub in the browser's place logs what it is started with.
#[tokio::test]
async fn only_a_web_page_reaches_the_browser_and_as_one_argument() {
    let place = place();
    let (stub, log) = (place.path("browser"), place.path("log"));
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" >>'{}'\n", log.display());
    fs::write(&stub, script).unwrap();
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    for bad in [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "-flag",
        "$(touch x)",
        "http://id.example/authorize",
        "https://user@id.example/",
        "https://id.example/ --incognito",
    ] {
        let fake = Fake::start().await;
        fake.announce("authorization_endpoint", json!(bad));
        let done = fake.program(&place.file).env("BROWSER", &stub).output().await.unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && told.contains("Distrust"), "{bad}: {told}");
        assert!(!log.exists(), "{bad} reached the browser");
    }

    let fake = Fake::start().await;
    fake.announce("authorization_endpoint", json!(fake.url("/authorize?a=$(x)&b='c'")));
    let mut program = fake.program(&place.file).env("BROWSER", &stub).spawn().unwrap();
    while !fs::read_to_string(&log).is_ok_and(|log| log.lines().count() == 2) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.kill().await.unwrap();
    let log = fs::read_to_string(&log).unwrap();
    let (count, url) = log.split_once('\n').unwrap();
    assert_eq!(count, "1");
    assert!(url.starts_with(&fake.url("/authorize?a=$(x)&b=%27c%27&response_type=code")), "{url}");
}

#[tokio::test]
async fn without_a_browser_the_url_is_printed() {
    let (fake, place) = (Fake::start().await, place());
    let mut program = fake.program(&place.file);
    let program = program.env("BROWSER", "").env("PATH", "").stderr(std::process::Stdio::piped());
    let mut program = program.spawn().unwrap();
    let mut lines = String::new();
    let mut stderr = program.stderr.take().unwrap();
    while !lines.contains(&fake.url("/authorize?response_type=code")) {
        let mut chunk = [0; 1024];
        let read = tokio::io::AsyncReadExt::read(&mut stderr, &mut chunk).await.unwrap();
        assert!(read > 0, "{lines}");
        lines.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    program.kill().await.unwrap();
}
