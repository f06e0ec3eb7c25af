//! What a connection may ask of a server, and TLS.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use super::process::Server;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    let patience = Some(Duration::from_secs(100));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// How long it takes until the server hangs up.
fn until_end(mut stream: TcpStream) -> Duration {
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    begun.elapsed()
}

/// F15: a request's head must be whole within 10 s, whether it is the first on its connection or a later one.
#[test]
fn a_head_that_does_not_end_is_cut_off() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:"]);
    let mut first = connect(&server);
    first.write_all(b"GET /livez HTTP/1.1\r\nhost:").unwrap();
    let mut later = connect(&server);
    later.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = [0; 1024];
    assert!(later.read(&mut answer).unwrap() > 0);
    std::thread::sleep(Duration::from_secs(1));
    later.write_all(b"GET /liv").unwrap();
    let silent = connect(&server);
    for stream in [first, later, silent] {
        let took = until_end(stream);
        assert!(took < Duration::from_secs(12), "{took:?}");
    }
}

/// A connection may rest between requests for longer than a head may take.
#[test]
fn a_connection_may_rest_between_requests() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:"]);
    let mut stream = connect(&server);
    for pause in [11, 0] {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let read = stream.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        std::thread::sleep(Duration::from_secs(pause));
    }
}

/// F15, F16: a head of more than 16 KiB is too large.
#[test]
fn a_large_head_is_refused() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:"]);
    let large = format!("x-large: {}", "x".repeat(20 * 1024));
    assert_eq!(server.get("/livez", &[&large]).status, 431);
    let fits = format!("x-large: {}", "x".repeat(8 * 1024));
    assert_eq!(server.get("/livez", &[&fits]).status, 200);
}

/// F15: at most 100 requests at once on a connection of HTTP/2, and heads of at most 16 KiB, are announced.
#[test]
fn http_2_has_its_bounds() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--store", "memory:"]);
    let mut stream = connect(&server);
    let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&empty_settings).unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[3], 4, "the first frame is the settings");
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).unwrap();
    let value = |name: u8| {
        let mut pairs = settings.chunks(6);
        let found = pairs.find(|pair| pair[..2] == [0, name]).unwrap();
        u32::from_be_bytes(found[2..].try_into().unwrap())
    };
    assert_eq!(value(3), 100);
    assert_eq!(value(6), 16 * 1024);
}

fn client(server: &Server, cert: Option<&str>) -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .resolve("localhost", server.address());
    let builder = match cert {
        None => builder.tls_danger_accept_invalid_certs(true),
        Some(pem) => {
            let cert = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
            builder.tls_certs_only([cert])
        }
    };
    builder.build().unwrap()
}

/// Seed S1: a certificate of its own making, at start-up.
#[tokio::test]
async fn seed_tls_is_spoken_ad_hoc() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--tls", "adhoc"]);
    assert!(server.issuer().starts_with("https://127.0.0.1:"));
    let url = format!("{}/readyz", server.issuer());
    let answer = client(&server, None).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert!(answer.headers().contains_key("strict-transport-security"));
}

/// M5: over plain http a page is redirected, and a program is refused.
#[test]
fn plain_http_where_tls_is_spoken_is_redirected_or_refused() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &["--tls", "adhoc", "--store", "memory:"]);
    let page = server.get("/oauth/authorize?x=1", &["accept: text/html,*/*"]);
    assert_eq!(page.status, 308);
    let there = format!("{}/oauth/authorize?x=1", server.issuer());
    assert_eq!(page.header("location"), Some(there.as_str()));
    assert_eq!(server.get("/readyz", &[]).status, 403);
    let program = server.post("/oauth/token", &["accept: text/html"], "grant_type=password");
    assert_eq!(program.status, 403);
    assert_eq!(program.header("location"), None);
}

/// Writes a new certificate for `localhost`, and its key; the certificate.
fn certify(folder: &TempDir) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.pem()
}

/// Seed S1: files, read again when told so, and a bad pair changes nothing.
#[tokio::test]
async fn a_certificate_is_read_again() {
    let folder = tempdir().unwrap();
    let first = certify(&folder);
    let files = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--store", "memory:"];
    let server = Server::start(&folder, &files);
    let url = format!("https://localhost:{}/livez", server.address().port());
    let trusts = async |pem: &str| client(&server, Some(pem)).get(&url).send().await.is_ok();
    assert!(trusts(&first).await);

    let second = certify(&folder);
    assert!(!trusts(&second).await);
    server.signal(Signal::HUP);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(trusts(&second).await);
    assert!(!trusts(&first).await);

    fs::write(folder.path().join("key.pem"), "nonsense").unwrap();
    server.signal(Signal::HUP);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(trusts(&second).await);
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let line = super::process::refusal(&folder, &arguments);
    assert!(
        line.contains("cert.pem") && line.contains("key.pem") && line.contains("PEM"),
        "{line}"
    );
}
