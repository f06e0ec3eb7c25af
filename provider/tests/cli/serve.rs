//! `serve`: what it makes, what it refuses, and how it ends.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::tempdir;

use super::process::{Server, ask, command, json, refusal, run};

#[test]
fn what_is_missing_is_made_for_this_user_alone() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &[]);
    assert_eq!(server.get("/readyz", &[]).status, 200);
    assert_eq!(server.issuer(), format!("http://{}", server.address()));
    let mode = |path: &str| {
        let metadata = fs::metadata(folder.path().join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/master.key"), 0o600);
    assert_eq!(mode("data/countersign.db"), 0o600);
}

#[test]
fn a_port_in_use_is_refused() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:"]);
    let address = server.address().to_string();
    let line = refusal(&folder, &["serve", "--listen", &address]);
    assert!(line.contains(&address) && line.contains("--listen"), "{line}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_data_folder_that_cannot_be_used_is_refused() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for data in ["file", "file/below", "/proc/none"] {
        let line = refusal(&folder, &["serve", "--listen", "127.0.0.1:0", "--data", data]);
        assert!(line.contains(data) && line.contains("--data"), "{line}");
    }
}

#[test]
fn a_lost_or_wrong_master_key_is_refused() {
    let folder = tempdir().unwrap();
    drop(Server::start(&folder, &[]));
    let key = folder.path().join("data/master.key");
    let right = fs::read_to_string(&key).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0"];

    fs::remove_file(&key).unwrap();
    let line = refusal(&folder, &serve);
    assert!(line.contains("data/master.key is missing"), "{line}");
    assert!(line.contains("restore the file") && line.contains("countersign key reset"), "{line}");
    assert!(!key.exists(), "none is made while there is a ring");

    fs::write(&key, "A".repeat(43)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(refusal(&folder, &serve).contains("does not open the ring"));

    fs::write(&key, &right).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refusal(&folder, &serve).contains("chmod 600"));

    fs::remove_file(&key).unwrap();
    assert!(run(&folder, &["key", "reset"]).status.success());
    drop(Server::start(&folder, &[]));
}

#[test]
fn listening_for_others_needs_an_issuer_by_https() {
    let folder = tempdir().unwrap();
    let line = refusal(&folder, &["serve", "--listen", "0.0.0.0:0"]);
    assert!(line.contains("--issuer https://"), "{line}");
    let plain = ["serve", "--listen", "0.0.0.0:0", "--issuer", "http://id.example"];
    assert!(refusal(&folder, &plain).contains("--tls-cert"));
    let proxied = ["--listen", "127.0.0.1:0", "--issuer", "https://id.example"];
    let server = Server::spawn(command(
        &folder,
        &[&["serve", "--json", "--store", "memory:"][..], &proxied].concat(),
    ));
    assert_eq!(server.issuer(), "https://id.example");
}

/// M2: neither the host that is asked for nor what a proxy is said to have been asked changes a URL of ours.
#[test]
fn host_headers_change_no_url() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:"]);
    let path = "/.well-known/oauth-authorization-server";
    let honest = server.get(path, &[]).body;
    for header in [
        "host: evil.example",
        "x-forwarded-host: evil.example",
        "x-forwarded-proto: https",
        "x-forwarded-port: 1",
        "x-forwarded-prefix: /evil",
        "forwarded: host=evil.example;proto=https",
    ] {
        let answer = server.get(path, &[header]);
        assert_eq!(answer.body, honest, "{header}");
    }
}

/// M5: nothing but the provider answers, and what does not bears the headers too.
#[test]
fn nothing_else_stands_on_the_port() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:"]);
    for path in [
        "/",
        "/metrics",
        "/debug",
        "/health?verbose",
        "/actuator",
        "/.git/config",
        "/swagger",
        "/admin",
        "/api/me",
        "/demo.json",
        "/data/master.key",
    ] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    for path in ["/readyz", "/oauth/authorize", "/oauth/token"] {
        let answer = ask(server.address(), &format!("TRACE {path} HTTP/1.1"), &[], "");
        assert_eq!(answer.status, 405, "{path}");
    }
}

/// F11: readiness says no before the listener closes, and what is in flight is finished.
#[test]
fn sigterm_ends_it_gracefully() {
    let folder = tempdir().unwrap();
    let mut server = Server::start(&folder, &["--drain", "2s"]);
    json(&folder, &["client", "add", "--id", "app", "--public", "--grant", "password"]);
    let mut slow = TcpStream::connect(server.address()).unwrap();
    let body = "grant_type=password&client_id=app&username=nobody&password=wrong";
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(500));
    let ready = server.get("/readyz", &[]);
    assert_eq!((ready.status, ready.json()["why"].as_str()), (503, Some("leaving")));
    assert_eq!(server.get("/livez", &[]).status, 200);
    // The listener is closed by now, and the request that was begun before is not.
    std::thread::sleep(Duration::from_millis(2500));
    assert!(TcpStream::connect(server.address()).is_err());
    slow.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("invalid_grant"), "{answer}");
    assert_eq!(server.end().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_person_who_interrupts_it_does_not_wait() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:", "--drain", "10s"]);
    let idle = TcpStream::connect(server.address()).unwrap();
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(idle);
}

#[test]
fn two_processes_serve_from_one_file() {
    let folder = tempdir().unwrap();
    let issuer = ["--issuer", "http://localhost:1"];
    let (one, other) = (Server::start(&folder, &issuer), Server::start(&folder, &issuer));
    let secret = json(
        &folder,
        &["client", "add", "--id", "svc", "--auth", "client_secret_post", "--introspect"],
    );
    let secret = secret["client_secret"].as_str().unwrap();
    let me = format!("client_id=svc&client_secret={secret}");
    let form = format!("grant_type=client_credentials&{me}");
    let token = one.post("/oauth/token", &[], &form).json()["access_token"].clone();
    let form = format!("token={}&{me}", token.as_str().unwrap());
    assert_eq!(other.post("/oauth/introspect", &[], &form).json()["active"], true);
}

/// Records bear a name that is not the issuer's, so that they are found again under another address.
#[test]
fn clients_outlive_a_change_of_address() {
    let folder = tempdir().unwrap();
    json(&folder, &["client", "add", "--id", "svc", "--auth", "client_secret_post"]);
    let secret = json(&folder, &["client", "rotate-secret", "svc"]);
    let secret = secret["client_secret"].as_str().unwrap();
    let form = format!("grant_type=client_credentials&client_id=svc&client_secret={secret}");
    for _ in 0..2 {
        let server = Server::start(&folder, &[]);
        assert_eq!(server.post("/oauth/token", &[], &form).status, 200);
    }
    let apart = Server::start(&folder, &["--realm", "other", "--master-key-file", "other.key"]);
    assert_eq!(apart.post("/oauth/token", &[], &form).status, 401);
}

#[test]
fn the_log_names_each_request_and_no_query() {
    let folder = tempdir().unwrap();
    let log = ["--store", "memory:", "--log", "debug", "--log-format", "json"];
    let server = Server::start(&folder, &log);
    let answer = server.get("/oauth/authorize?client_id=s3cret", &["x-request-id: forged"]);
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_ne!(id, "forged");
    assert_ne!(server.get("/livez", &[]).header("x-request-id"), Some(id.as_str()));
    let log = server.stop();
    assert!(!log.contains("s3cret") && !log.contains("forged"), "{log}");
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let line = lines.into_iter().find(|line| line["path"] == "/oauth/authorize").unwrap();
    assert_eq!(line["span"]["id"], id.as_str());
    assert_eq!(line["method"], "GET");
    assert_eq!(line["status"], answer.status);
    assert_eq!(line["level"], "INFO");
}

#[test]
fn an_issuer_with_a_path_is_served_below_it() {
    let folder = tempdir().unwrap();
    let issuer = "http://localhost:1/auth";
    let server = Server::start(&folder, &["--store", "memory:", "--issuer", issuer]);
    let metadata = server.get("/.well-known/oauth-authorization-server/auth", &[]).json();
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(server.get("/auth/readyz", &[]).status, 200);
    assert_eq!(server.get("/readyz", &[]).status, 200);
    assert_eq!(server.get("/oauth/token", &[]).status, 404);
}
