//! A provider and an API in one, which does what a test tells it and remembers what it was asked.

use std::{
    collections::VecDeque,
    env,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_client::{Builder, Client, FileStorage, Password, Session};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
    time::sleep,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.body.as_bytes());
        let mut values = pairs.filter(|(own, _)| own == name);
        values.next().map(|(_, value)| value.into_owned())
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// As a provider does.
    Well,
    /// With this.
    With(u16, &'static str, String),
    /// With this header as well.
    Header(u16, &'static str, String),
    /// As a provider does, after this long.
    Late(Duration),
    /// The request is carried out, and the connection cut before the answer.
    CarriedOutAndCut,
    /// The request is carried out, and never answered.
    CarriedOutAndSilent,
    /// A body without end.
    Flood,
    /// A head without end, one header every 100 ms.
    Drip,
}

pub(crate) fn refuse(code: &str) -> Reply {
    Reply::With(400, "application/json", json!({ "error": code }).to_string())
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::With(status, "text/plain", "no".into())
}

struct State {
    issuer: String,
    metadata: Value,
    script: VecDeque<(&'static str, Reply)>,
    seen: Vec<Seen>,
    /// The number of the newest refresh token.
    head: u64,
    /// Refresh tokens older than the previous one that came.
    thefts: u64,
    expires_in: VecDeque<u64>,
    refused: Vec<String>,
}

/// The provider. Everything that it hears is kept.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    up: Arc<AtomicBool>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self::at(&format!("http://{}", listener.local_addr().unwrap()));
        let server = fake.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(server.clone().serve(stream));
            }
        });
        fake
    }

    pub(crate) fn at(issuer: &str) -> Self {
        let at = |path| format!("{issuer}{path}");
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "revocation_endpoint": at("/revoke"),
            "end_session_endpoint": at("/logout"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        let state = State {
            issuer: issuer.to_owned(),
            metadata,
            script: VecDeque::new(),
            seen: Vec::new(),
            head: 0,
            thefts: 0,
            expires_in: VecDeque::new(),
            refused: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), up: Arc::new(AtomicBool::new(true)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn issuer(&self) -> String {
        self.state().issuer.clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer())
    }

    /// Announces something else.
    pub(crate) fn announce(&self, member: &str, value: Value) {
        self.state().metadata[member] = value;
    }

    /// Answers the next request to this path so.
    pub(crate) fn next(&self, path: &'static str, reply: Reply) {
        self.state().script.push_back((path, reply));
    }

    /// The next access tokens live so many seconds; those after them ten minutes.
    pub(crate) fn lives(&self, seconds: impl IntoIterator<Item = u64>) {
        self.state().expires_in.extend(seconds);
    }

    /// The API refuses this access token from now on.
    pub(crate) fn refuse_token(&self, token: &str) {
        self.state().refused.push(token.to_owned());
    }

    /// Cuts every connection before an answer, or answers again.
    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }

    /// What was asked of this path.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let of_path = |seen: &&Seen| seen.target.split('?').next() == Some(path);
        self.state().seen.iter().filter(of_path).cloned().collect()
    }

    /// The refresh tokens that were presented, in order.
    pub(crate) fn refreshes(&self) -> Vec<String> {
        self.seen("/token").iter().filter_map(|seen| seen.parameter("refresh_token")).collect()
    }

    pub(crate) fn thefts(&self) -> u64 {
        self.state().thefts
    }

    pub(crate) async fn until_seen(&self, path: &str, times: usize) {
        while self.seen(path).len() < times {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// A client of this provider and its API.
    pub(crate) fn client(&self) -> Builder {
        Client::discover(self.issuer()).client_id("cli").api(self.issuer())
    }

    /// Somebody who is signed in, with `at0` and `rt0`.
    pub(crate) async fn session(&self) -> Session {
        sign_in(&self.client().build().await.unwrap()).await
    }

    /// Leaves a session in a file, whose access token is over.
    pub(crate) async fn leave_expired(&self, file: &FileStorage) {
        self.lives([0]);
        let client = self.client().storage(file.clone()).build().await.unwrap();
        sign_in(&client).await;
    }

    /// The example program, which calls the API with the session in the file.
    pub(crate) fn program(&self, file: &FileStorage) -> Command {
        self.program_told(file, &self.url("/api"))
    }

    pub(crate) fn program_told(&self, file: &FileStorage, what: &str) -> Command {
        let tests = env::current_exe().unwrap();
        let program = tests.parent().unwrap().with_file_name("examples").join("login");
        assert!(program.exists(), "build the examples first: cargo build --examples");
        let mut command = Command::new(program);
        command.args([&self.issuer(), "cli", what]).env("SESSION_FILE", file.path());
        command.env("BROWSER", "/bin/false").kill_on_drop(true);
        command
    }

    pub(crate) async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Some(seen) = read(&mut stream).await else {
            return;
        };
        let path = seen.target.split('?').next().unwrap_or_default().to_owned();
        self.state().seen.push(seen.clone());
        if !self.up.load(Ordering::SeqCst) {
            return;
        }
        let scripted = {
            let mut state = self.state();
            let at = state.script.iter().position(|(of, _)| *of == path);
            at.and_then(|at| state.script.remove(at)).map_or(Reply::Well, |(_, reply)| reply)
        };
        let (status, header, body) = match scripted {
            Reply::Well => self.answer(&path, &seen),
            Reply::Late(wait) => {
                sleep(wait).await;
                self.answer(&path, &seen)
            }
            Reply::With(status, media, body) => (status, format!("Content-Type: {media}"), body),
            Reply::Header(status, name, value) => {
                (status, format!("{name}: {value}"), String::new())
            }
            Reply::CarriedOutAndCut => {
                self.answer(&path, &seen);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{").await;
                return;
            }
            Reply::CarriedOutAndSilent => {
                self.answer(&path, &seen);
                return std::future::pending().await;
            }
            Reply::Flood => return flood(&mut stream).await,
            Reply::Drip => return drip(&mut stream).await,
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} x\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    fn answer(&self, path: &str, seen: &Seen) -> (u16, String, String) {
        let json = |status, value: Value| {
            (status, "Content-Type: application/json".to_owned(), value.to_string())
        };
        match path {
            "/.well-known/oauth-authorization-server" => json(200, self.state().metadata.clone()),
            "/token" => match self.tokens(seen) {
                Some(tokens) => json(200, tokens),
                None => json(400, json!({ "error": "invalid_grant" })),
            },
            "/revoke" | "/logout" => json(200, json!({})),
            "/api" => self.api(seen),
            _ => json(404, json!({})),
        }
    }

    /// As design: the head rotates, the previous one is answered with the same head, anything older is theft.
    fn tokens(&self, seen: &Seen) -> Option<Value> {
        let mut state = self.state();
        if let Some(token) = seen.parameter("refresh_token") {
            let number = token.strip_prefix("rt").and_then(|it| it.parse::<u64>().ok())?;
            if number == state.head {
                state.head += 1;
            } else if number + 1 != state.head {
                state.thefts += 1;
                return None;
            }
        }
        let head = state.head;
        let expires_in = state.expires_in.pop_front().unwrap_or(600);
        Some(json!({
            "access_token": format!("at{head}"),
            "token_type": "Bearer",
            "expires_in": expires_in,
            "refresh_token": format!("rt{head}"),
        }))
    }

    fn api(&self, seen: &Seen) -> (u16, String, String) {
        let token = seen.header("authorization").and_then(|it| it.strip_prefix("Bearer "));
        let good = token.is_some_and(|it| !self.state().refused.iter().any(|own| own == it));
        let challenge = r#"WWW-Authenticate: Bearer error="invalid_token""#;
        match token {
            Some(token) if good => {
                let body = format!("{} {token} {}", seen.method, seen.body);
                (200, "Content-Type: text/plain".into(), body)
            }
            _ => (401, challenge.into(), String::new()),
        }
    }
}

pub(crate) async fn sign_in(client: &Client) -> Session {
    client.login(Password::new("alice", "wonderland")).await.unwrap()
}

/// A file in a folder of its own.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) file: FileStorage,
}

pub(crate) fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = FileStorage::new(folder.path().join("session.json"));
    Place { folder, file }
}

impl Place {
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.file.path()).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Sends bytes to an address and reads the answer's first line.
pub(crate) async fn send_raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut words = head.split(' ');
        let seen = Seen {
            method: words.next()?.to_owned(),
            target: words.next()?.to_owned(),
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length = seen.header("content-length").map_or(Ok(0), str::parse).ok()?;
        if body.len() >= length {
            return Some(seen);
        }
    }
}

async fn flood(stream: &mut (impl AsyncWrite + Unpin)) {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n";
    let mut sent = stream.write_all(head.as_bytes()).await;
    while sent.is_ok() {
        sent = stream.write_all(&[b' '; 16 * 1024]).await;
    }
}

async fn drip(stream: &mut (impl AsyncWrite + Unpin)) {
    let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
    while sent.is_ok() {
        sleep(Duration::from_millis(100)).await;
        sent = stream.write_all(b"X-More: x\r\n").await;
    }
}
