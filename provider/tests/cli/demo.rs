//! `serve --demo`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tempfile::tempdir;

use super::process::{Server, command, encoded, refusal};

/// X8: there is no default password; what is generated once stays the same.
#[test]
fn the_same_credentials_are_printed_at_each_start() {
    let folder = tempdir().unwrap();
    let first = Server::start(&folder, &["--demo"]);
    let (said, log) = (first.said["demo"].clone(), first.stop());
    let password = said["user"]["password"].as_str().unwrap();
    assert!(password.len() >= 20);
    assert!(!log.contains(password));
    let mode = fs::metadata(folder.path().join("data/demo.json")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    for more in [&["--demo"][..], &["--demo", "--store", "memory:"]] {
        let again = Server::start(&folder, more).said["demo"].clone();
        assert_eq!(again["user"], said["user"]);
        assert_eq!(again["service"], said["service"]);
    }
    let elsewhere = Server::start(&tempdir().unwrap(), &["--demo"]);
    assert_ne!(elsewhere.said["demo"]["user"], said["user"]);
}

#[test]
fn the_last_line_says_which_page_to_open_and_which_credentials_to_use() {
    let folder = tempdir().unwrap();
    let known = Server::start(&folder, &["--demo"]).said["demo"].clone();
    let password = known["user"]["password"].as_str().unwrap();
    let mut child = command(&folder, &["serve", "--demo", "--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<_> = std::io::BufRead::lines(stdout).take(3).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = &lines[2];
    assert!(last.starts_with("Open http://127.0.0.1:"), "{lines:?}");
    assert!(
        last.ends_with(&format!("/ and sign in as demo with the password {password}")),
        "{lines:?}"
    );
}

#[test]
fn the_credentials_open_the_guarded_api() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--demo", "--store", "memory:"]);
    let demo = &server.said["demo"];
    assert_eq!(server.get("/api/me", &[]).status, 401);

    let password = encoded(demo["user"]["password"].as_str().unwrap());
    let form = format!("grant_type=password&client_id=demo&username=demo&password={password}");
    let tokens = server.post("/oauth/token", &[], &form).json();
    let bearer = format!("authorization: Bearer {}", tokens["access_token"].as_str().unwrap());
    let me = server.get("/api/me", &[&bearer]).json();
    assert_eq!(me["subject"], "demo");
    assert_eq!(me["client"], "demo");
    assert!(tokens["refresh_token"].is_string());

    let secret = demo["service"]["client_secret"].as_str().unwrap();
    let basic = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("demo-service:{secret}"),
    );
    let basic = format!("authorization: Basic {basic}");
    let tokens = server.post("/oauth/token", &[&basic], "grant_type=client_credentials").json();
    let token = tokens["access_token"].as_str().unwrap();
    let seen = server.post("/oauth/introspect", &[&basic], &format!("token={token}")).json();
    assert_eq!(seen["active"], true);
    assert_eq!(seen["client_id"], "demo-service");
}

#[test]
fn the_page_says_how_to_sign_in_and_tells_no_secret() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--demo"]);
    let page = server.get("/", &["accept: text/html"]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("--example login"), "{}", page.body);
    let demo = &server.said["demo"];
    for secret in [&demo["user"]["password"], &demo["service"]["client_secret"]] {
        assert!(!page.body.contains(secret.as_str().unwrap()));
    }
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");

    let port = server.address().port();
    let localhost = format!("host: localhost:{port}");
    let elsewhere = server.get("/", &[&localhost]);
    assert_eq!(elsewhere.status, 303);
    assert_eq!(elsewhere.header("location").unwrap(), format!("{}/", server.issuer()));
    let evil = server.get("/", &["host: evil.example"]);
    assert_eq!(evil.status, 200);
    assert!(!evil.body.contains("evil.example"));
}

#[test]
fn it_is_refused_off_loopback() {
    let folder = tempdir().unwrap();
    for more in [
        &["--listen", "0.0.0.0:0", "--issuer", "http://127.0.0.1:1"][..],
        &["--listen", "127.0.0.1:0", "--issuer", "https://id.example"],
    ] {
        let line = refusal(&folder, &[&["serve", "--demo"], more].concat());
        assert!(line.contains("--demo is for this machine alone"), "{line}");
    }
    assert!(!folder.path().join("data/demo.json").exists());
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let folder = tempdir().unwrap();
    drop(Server::start(&folder, &["--demo"]));
    let file = folder.path().join("data/demo.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let line = refusal(&folder, &["serve", "--demo", "--listen", "127.0.0.1:0"]);
    assert!(line.contains("demo.json") && line.contains("chmod 600"), "{line}");
}
