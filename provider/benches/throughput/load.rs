//! The load: connections that each ask again as soon as they are answered. Requests are bytes made beforehand, since
//! the load shares the machine with what it measures.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::{PASSWORD, SECRET};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Bare,
    ClientCredentials,
    Introspection,
    Guard,
    Refresh,
    Swap,
}

/// What came of it: requests a second, and microseconds.
pub(crate) struct Report {
    pub(crate) rate: f64,
    pub(crate) p50: u32,
    pub(crate) p99: u32,
}

impl Load {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::ClientCredentials => "client credentials",
            Self::Introspection => "introspection",
            Self::Guard => "guard",
            Self::Refresh => "refresh, rotated",
            Self::Swap => "swap",
        }
    }
}

pub(crate) fn run(address: &str, load: Load, connections: usize, time: Duration) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut prepared = Vec::new();
        for number in 0..connections {
            prepared.push(Connection::prepare(address, load, number).await);
        }
        let start = Instant::now();
        let end = start + time;
        let tasks: Vec<_> = prepared
            .into_iter()
            .map(|connection| tokio::spawn(connection.ask_until(load, end)))
            .collect();
        let mut micros = Vec::new();
        for task in tasks {
            micros.extend(task.await.unwrap());
        }
        crate::report(micros, start)
    })
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    async fn prepare(address: &str, load: Load, number: usize) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self { stream, request: Vec::new(), answer: Vec::new() };
        connection.request = match load {
            Load::Bare => form("/bare", false, "grant_type=client_credentials"),
            Load::Swap => form("/swap", false, &format!("row={number}")),
            Load::ClientCredentials => machine_token(),
            Load::Introspection => {
                let token = connection.token(machine_token(), "access_token").await;
                form("/oauth/introspect", true, &format!("token={token}"))
            }
            Load::Guard => {
                let token = connection.token(machine_token(), "access_token").await;
                format!("GET /me HTTP/1.1\r\nhost: b\r\nauthorization: Bearer {token}\r\n\r\n")
                    .into()
            }
            Load::Refresh => {
                let sign_in = format!(
                    "grant_type=password&client_id=app&username=user{number}&password={PASSWORD}"
                );
                let sign_in = form("/oauth/token", false, &sign_in);
                refresh(&connection.token(sign_in, "refresh_token").await)
            }
        };
        connection
    }

    async fn token(&mut self, request: Vec<u8>, name: &str) -> String {
        self.request = request;
        self.ask().await;
        member(&self.answer, name)
    }

    async fn ask_until(mut self, load: Load, end: Instant) -> Vec<u32> {
        let mut micros = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            self.ask().await;
            micros.push(u32::try_from(start.elapsed().as_micros()).unwrap());
            if load == Load::Refresh {
                self.request = refresh(&member(&self.answer, "refresh_token"));
            }
        }
        micros
    }

    /// One request and its whole answer, which must be a good one.
    async fn ask(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        self.answer.clear();
        loop {
            self.stream.read_buf(&mut self.answer).await.unwrap();
            if is_whole(&self.answer) {
                break;
            }
        }
        let good = self.answer.starts_with(b"HTTP/1.1 200");
        assert!(good, "{}", String::from_utf8_lossy(&self.answer));
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let text = std::str::from_utf8(&answer[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    answer.len() >= head + 4 + length.parse::<usize>().unwrap()
}

fn member(answer: &[u8], name: &str) -> String {
    let text = std::str::from_utf8(answer).unwrap();
    let (_, rest) = text.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn machine_token() -> Vec<u8> {
    form("/oauth/token", true, "grant_type=client_credentials")
}

fn refresh(token: &str) -> Vec<u8> {
    let body = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
    form("/oauth/token", false, &body)
}

fn form(path: &str, is_service: bool, body: &str) -> Vec<u8> {
    let basic = STANDARD.encode(format!("service:{SECRET}"));
    let authorization =
        if is_service { format!("authorization: Basic {basic}\r\n") } else { String::new() };
    format!(
        "POST {path} HTTP/1.1\r\nhost: b\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         {authorization}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}
