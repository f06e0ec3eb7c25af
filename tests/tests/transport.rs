//! The listener as an outsider meets it: TLS, plain http on the same port, and nothing there that was not meant to be.

use std::process::Command;

use countersign_tests::{
    Answer, PASSWORD, Server, Visitor,
    command::{peers, run},
    endpoint::{By, http},
    server::Setup,
    visitor::Asking,
};
use reqwest::{Method, StatusCode, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const REDIRECT: &str = "https://shop.test/callback";

async fn over_tls() -> Server {
    let setup = Setup::new().args(&["--tls", "adhoc"]);
    let issuer = format!("https://127.0.0.1:{}", setup.port());
    setup.issuer(issuer).start().await
}

/// M5: the newest two versions of TLS are spoken, and no older one.
#[tokio::test]
async fn tls_is_spoken_in_its_newest_two_versions_alone() {
    const HANDSHAKE: &str = "
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_ciphers('ALL:@SECLEVEL=0')
context.minimum_version = context.maximum_version = ssl.TLSVersion[sys.argv[2]]
try:
    with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 10) as raw:
        with context.wrap_socket(raw) as tls:
            print(tls.version())
except ssl.SSLError as error:
    print(error.reason)
";
    let server = over_tls().await;
    let port = server.setup().port().to_string();
    let spoken = |version: &str| {
        let mut command = Command::new(peers().join("venv/bin/python"));
        command.args(["-W", "ignore", "-c", HANDSHAKE, &port, version]);
        run(command, "").well().stdout.trim().to_owned()
    };
    assert_eq!(spoken("TLSv1_3"), "TLSv1.3");
    assert_eq!(spoken("TLSv1_2"), "TLSv1.2");
    // It is the server that refuses: the client offered it.
    for old in ["TLSv1_1", "TLSv1"] {
        let said = spoken(old);
        assert!(said.contains("_ALERT_"), "{old}: {said}");
    }
}

/// Sends a request in clear to the port where TLS is spoken.
async fn in_clear(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.setup().port())).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(std::time::Duration::from_secs(20), read).await.unwrap().unwrap();
    answer
}

/// M5: a page asked for in clear is redirected to https; an API is refused, for its caller has sent secrets in clear.
#[tokio::test]
async fn in_clear_pages_are_redirected_and_programs_are_refused() {
    let server = over_tls().await;
    let page = "GET /oauth/authorize?client_id=shop HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
                Accept: text/html\r\n\r\n";
    let answer = in_clear(&server, page).await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    let to = format!("location: {}/oauth/authorize?client_id=shop\r\n", server.issuer());
    assert!(answer.contains(&to), "{answer}");

    let form = "grant_type=client_credentials&client_id=a&client_secret=b";
    let token = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = in_clear(&server, &token).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(!answer.contains("location:"), "{answer}");
}

/// The headers that every answer to a browser has; over TLS with HSTS for a year at least.
fn is_secured(path: &str, answer: &Answer) {
    let header = |name| answer.header(&name).unwrap_or_else(|| panic!("{path}: no {name}"));
    let policy = header(header::CONTENT_SECURITY_POLICY);
    for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe-"), "{path}: {policy}");
    assert_eq!(header(header::X_FRAME_OPTIONS), "DENY");
    assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(header(header::REFERRER_POLICY), "no-referrer");
    let lasting = header(header::STRICT_TRANSPORT_SECURITY);
    let seconds = lasting.trim_start_matches("max-age=").split(';').next().unwrap();
    assert!(seconds.parse::<u64>().unwrap() >= 31_536_000, "{path}: {lasting}");
}

/// M5, L6, L7: what is not there is 404 with the headers of everything else, and says nothing of its insides.
#[tokio::test]
async fn nothing_is_there_that_was_not_meant_to_be() {
    let server = over_tls().await;
    let paths = [
        "/metrics",
        "/debug",
        "/debug/pprof",
        "/health?verbose",
        "/actuator",
        "/actuator/env",
        "/.git",
        "/.git/config",
        "/.env",
        "/swagger",
        "/swagger.json",
        "/admin",
        "/server-status",
        "/data/countersign.db",
        "/master.key",
        "/..%2f..%2fetc%2fpasswd",
        "/no/such/page",
    ];
    for path in paths {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
        is_secured(path, &answer);
        assert!(!answer.headers.contains_key(header::SERVER), "{path}");
        assert!(answer.body.len() < 20_000 && !answer.body.contains("src/"), "{path}: {answer:?}");
    }
    for path in ["/oauth/authorize", "/livez", "/.well-known/oauth-authorization-server"] {
        is_secured(path, &server.get(path).await);
    }
}

/// M5.
#[tokio::test]
async fn trace_is_not_allowed() {
    let server = over_tls().await;
    for path in ["/oauth/token", "/oauth/authorize", "/livez"] {
        let asked = http().request(Method::TRACE, server.url(path)).header("x-echo", "secret");
        let answer = Answer::read(asked.send().await.unwrap()).await.unwrap();
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(!answer.body.contains("secret"));
    }
}

/// L1: over https every cookie is `__Host-`, `Secure`, `HttpOnly`, of the whole site and of it alone.
#[tokio::test]
async fn cookies_are_locked_to_the_host_over_tls() {
    let server = over_tls().await;
    server.add_user("alice");
    server.add_client(&[
        "--id",
        "shop",
        "--public",
        "--redirect-uri",
        REDIRECT,
        "--scope",
        "profile",
    ]);
    let asking = Asking::of(server.issuer(), "shop", REDIRECT, "profile");
    let visitor = Visitor::new();
    let page = visitor.visit(&asking.url).await.unwrap().page();
    let signed_in = visitor
        .send(&page, &[("username", "alice"), ("password", PASSWORD), ("answer", "yes")])
        .await
        .unwrap();
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    let all: Vec<_> = [&page.headers, signed_in.headers()]
        .into_iter()
        .flat_map(|headers| headers.get_all(header::SET_COOKIE))
        .map(|value| value.to_str().unwrap().to_owned())
        .collect();
    assert!(all.len() >= 2, "{all:?}");
    for cookie in &all {
        let mut parts = cookie.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let flags: Vec<_> = parts.collect();
        assert!(name.starts_with("__Host-") && value.len() >= 22, "{cookie}");
        for flag in ["Secure", "HttpOnly", "Path=/"] {
            assert!(flags.contains(&flag), "{cookie}");
        }
        assert!(flags.contains(&"SameSite=Lax") || flags.contains(&"SameSite=Strict"), "{cookie}");
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    // The session stands in no address.
    assert!(!signed_in.headers()[header::LOCATION].to_str().unwrap().contains("session"));
}

/// A certificate from files is served, and the next one when the files have changed, without a restart.
#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
    };
    let first = make();
    let setup = Setup::new().args(&[
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    let issuer = format!("https://127.0.0.1:{}", setup.port());
    let server = setup.issuer(issuer).start().await;
    let is_trusted = async |certificate: &reqwest::Certificate| {
        let http =
            reqwest::Client::builder().tls_certs_only([certificate.clone()]).build().unwrap();
        http.get(server.url("/livez")).send().await.is_ok()
    };
    assert!(is_trusted(&first).await);
    let second = make();
    assert!(!is_trusted(&second).await);
    server.hang_up();
    for _ in 0..500 {
        if is_trusted(&second).await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the old one is still served: {}", server.log());
}

/// N5's neighbour: tokens over TLS, to a client that trusts the certificate it was told to.
#[tokio::test]
async fn tokens_are_given_over_tls() {
    let server = over_tls().await;
    let secret = server.add_client(&["--id", "service"]);
    let form = [("grant_type", "client_credentials")];
    let answer = server.endpoints().token(By::Basic("service", &secret), &form).await.well();
    assert!(answer.text("access_token").starts_with("cs_at_"));
}
