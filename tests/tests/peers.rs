//! Foreign implementations on the other side: clients from Python at our provider, our client at a provider from
//! JavaScript.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use countersign_client::{Client, Loopback};
use countersign_tests::{
    Embedded, PASSWORD, Visitor,
    command::{peers, root},
    embedded::{SECRET, WEB_REDIRECT},
    port,
    visitor::Seen,
};
use reqwest::StatusCode;
use serde_json::json;
use url::Url;

#[tokio::test(flavor = "multi_thread")]
async fn authlib_gets_refreshes_introspects_and_revokes_tokens() {
    agrees("authlib_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_oauthlib_gets_and_refreshes_tokens() {
    agrees("requests_oauthlib_client.py").await;
}

/// Runs a client in Python, and is its user in between.
async fn agrees(script: &str) {
    let provider = Embedded::start().await;
    let given = json!({
        "issuer": provider.issuer(),
        "api": format!("{}/api/me", provider.issuer()),
        "redirect_uri": WEB_REDIRECT,
        "secret": SECRET,
        "password": PASSWORD,
    });
    let mut peer = Peer::start(
        Command::new(peers().join("venv/bin/python"))
            .arg(root().join("tests/peers").join(script))
            .arg(given.to_string())
            .env("AUTHLIB_INSECURE_TRANSPORT", "1")
            .env("OAUTHLIB_INSECURE_TRANSPORT", "1"),
    );
    let url = Url::parse(&peer.line()).unwrap();
    let back = Visitor::new().grant(&url, "alice").await.unwrap().application();
    peer.say(back.as_str());
    assert_eq!(peer.line(), "done");
}

/// The native client signs in by code, refreshes and calls, at npm `oidc-provider`.
#[tokio::test(flavor = "multi_thread")]
async fn the_native_client_signs_in_and_refreshes_at_a_foreign_provider() {
    let at = port::free();
    let folder = peers();
    // Its imports are looked up from where the script stands.
    let script = folder.join("provider.mjs");
    std::fs::copy(root().join("tests/peers/provider.mjs"), &script).unwrap();
    let peer = Peer::start(Command::new("node").arg(&script).arg(at.to_string()));
    assert_eq!(peer.line_with("ready"), "ready");
    let issuer = format!("http://127.0.0.1:{at}");

    let client = Client::discover(&issuer)
        .client_id("native")
        .scope("openid")
        .api(&issuer)
        .build()
        .await
        .unwrap();
    let (sender, shown) = mpsc::channel();
    let login = tokio::spawn({
        let client = client.clone();
        async move {
            client
                .login(Loopback::shown_by(move |url| {
                    sender.send(url.to_owned()).unwrap();
                }))
                .await
        }
    });
    let url = tokio::task::spawn_blocking(move || shown.recv_timeout(Duration::from_secs(20)));
    sign_in(&Url::parse(&url.await.unwrap().unwrap()).unwrap()).await;
    let session = login.await.unwrap().unwrap();
    assert_eq!(peer.line_with("granted"), "granted authorization_code");

    for _ in 0..2 {
        let answer = session.get(format!("{issuer}/me")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.text().await.unwrap().contains("alice"));
        tokio::time::sleep(Duration::from_millis(2100)).await;
    }
    assert_eq!(peer.line_with("granted"), "granted refresh_token");
    session.logout().await.unwrap();
}

/// Fills that provider's own pages, up to the client's redirect URI.
async fn sign_in(url: &Url) {
    let visitor = Visitor::new();
    let login = visitor.visit(url).await.unwrap().page();
    let values = [("login", "alice"), ("password", "any")];
    let consent = visitor.fill(&login, &values).await.unwrap().page();
    let back = match visitor.fill(&consent, &[]).await.unwrap() {
        Seen::Application(back) => back,
        Seen::Page(page) => panic!("not back: {page:?}"),
    };
    let page = visitor.visit(&back).await.unwrap().page();
    assert!(page.status.is_success(), "{page:?}");
}

/// A program that talks line by line; it is killed when this is dropped.
struct Peer {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Peer {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// The next line.
    fn line(&mut self) -> String {
        match self.lines.recv_timeout(Duration::from_mins(1)) {
            Ok(line) => line,
            Err(error) => {
                let _ = self.child.kill();
                let mut complaint = String::new();
                let _ = self.child.stderr.take().unwrap().read_to_string(&mut complaint);
                panic!("{error}: {complaint}");
            }
        }
    }

    /// The next line that begins so.
    fn line_with(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_mins(1)).unwrap();
            if line.starts_with(start) {
                return line;
            }
            assert!(!line.starts_with("failed"), "{line}");
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
