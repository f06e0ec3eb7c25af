use std::{
    fmt,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_protocol::{
    discovery::Checked,
    login::{Callback, Pending, Returned, start},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};

use super::page;
use crate::{client::Client, error::Error, world::random};

/// How long the sign-in may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long one connection may take.
const CONNECTION: Duration = Duration::from_secs(10);

/// The longest request head that is read.
const MAX_HEAD: usize = 16 * 1024;

/// How many connections are read at a time.
const MAX_CONNECTIONS: usize = 16;

/// Sign-in by a browser on this machine: authorization code with PKCE, answered to a port of `127.0.0.1` that is open
/// for this one answer ([RFC 8252 §7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
///
/// The client must be registered with the redirect URI `http://127.0.0.1/callback`; the port is any.
pub struct Loopback {
    show: Show,
    path: String,
    patience: Duration,
}

enum Show {
    Browser,
    By(Box<dyn Fn(&str) + Send + Sync>),
}

impl Loopback {
    /// Opens the user's default browser, or the one that the environment variable `BROWSER` names. On standard error it
    /// tells the URL too, for when no browser comes up.
    pub fn browser() -> Self {
        Self::of(Show::Browser)
    }

    /// Lets the program show the URL in its own way. It is an `https` URL, or `http` on this machine.
    pub fn shown_by(show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::of(Show::By(Box::new(show)))
    }

    /// Takes the answer at another path than `/callback`, as registered: `/` and unreserved characters.
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Waits this long for the user; five minutes by default, and at most.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: patience.min(PATIENCE), ..self }
    }

    fn of(show: Show) -> Self {
        Self { show, path: "/callback".to_owned(), patience: PATIENCE }
    }

    pub(super) async fn run(self, client: &Client, provider: &Checked) -> Result<Returned, Error> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
        if !self.path.starts_with('/') || !self.path.bytes().all(plain) {
            return Err(Error::Configuration("`.path(…)` of the loopback is malformed".into()));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let redirect_uri = format!("http://{address}{}", self.path);
        let random = [random(), random()];
        let started = start(provider, client.id(), &redirect_uri, client.scope(), &random)?;
        self.show.url(started.url).await;
        let desk = Arc::new(Desk {
            address,
            path: self.path,
            pending: started.pending,
            answered: AtomicBool::new(false),
        });
        let answer = timeout(self.patience, desk.wait(&listener)).await;
        answer.map_err(|_| Error::LoginTimedOut)?
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loopback")
    }
}

impl Show {
    /// Only a URL that was built from checked metadata comes here: no scheme but `http` and `https`, no option, nothing
    /// that a shell would read. And it goes to the browser as one argument, past any shell.
    async fn url(self, url: String) {
        match self {
            Self::By(show) => show(&url),
            Self::Browser => {
                let shown = format!("To sign in, open this page if no browser does:\n{url}\n");
                let _ = io::stderr().write_all(shown.as_bytes());
                let opened = tokio::task::spawn_blocking(move || webbrowser::open(&url)).await;
                if let Ok(Err(error)) = opened {
                    tracing::info!(%error, "no browser could be opened");
                }
            }
        }
    }
}

/// Who waits for the browser to come back.
struct Desk {
    address: SocketAddr,
    path: String,
    pending: Pending,
    answered: AtomicBool,
}

/// What one connection was.
enum Visit {
    /// Not the answer: go on waiting.
    Other(&'static str),
    /// The answer.
    Answer(Result<Returned, Callback>),
}

impl Desk {
    /// Reads connections side by side, so that one that says nothing does not keep the answer out, until the answer has
    /// come. Then the port is closed: a second answer finds nobody.
    async fn wait(self: Arc<Self>, listener: &TcpListener) -> Result<Returned, Error> {
        let (found, mut answers) = mpsc::channel(1);
        let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            tokio::select! {
                biased;
                Some(answer) = answers.recv() => return answer,
                accepted = accept(listener, &seats) => {
                    let (Some((mut stream, seat)), desk, found) = (accepted, self.clone(), found.clone()) else {
                        continue;
                    };
                    tokio::spawn(async move {
                        if let Ok(Some(answer)) = timeout(CONNECTION, desk.serve(&mut stream)).await {
                            let _ = found.send(answer).await;
                        }
                        drop(seat);
                    });
                }
            }
        }
    }

    /// Answers one connection; what the sign-in came to, if this was its answer.
    async fn serve(&self, stream: &mut TcpStream) -> Option<Result<Returned, Error>> {
        let visit = match read_head(stream).await {
            Some(head) => self.judge(&head),
            None => Visit::Other("431 Request Header Fields Too Large"),
        };
        let (page, answer) = match visit {
            Visit::Other(status) => (
                page::answer(
                    status,
                    "Not found",
                    "This is not the page that the program waits for.",
                ),
                None,
            ),
            Visit::Answer(Ok(returned)) => {
                let text = "Close this page and go back to the program.";
                (page::answer("200 OK", "You are back", text), Some(Ok(returned)))
            }
            Visit::Answer(Err(callback)) => {
                let text = "Close this page; the program tells why.";
                (
                    page::answer("400 Bad Request", "Sign-in failed", text),
                    Some(Err(refused(callback))),
                )
            }
        };
        // That the browser has gone already takes nothing from the answer.
        let _ = stream.write_all(page.as_bytes()).await;
        let _ = stream.shutdown().await;
        answer
    }

    /// Only a GET of the one path, asked of this very address, by the state of this sign-in, is the answer.
    fn judge(&self, head: &str) -> Visit {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some("GET"), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Visit::Other("405 Method Not Allowed");
        };
        let mut hosts = lines.filter_map(|line| header(line, "host"));
        if hosts.next() != Some(self.address.to_string().as_str()) || hosts.next().is_some() {
            return Visit::Other("421 Misdirected Request");
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path != self.path {
            return Visit::Other("404 Not Found");
        }
        match self.pending.check(query) {
            Err(Callback::NotOurs) => Visit::Other("400 Bad Request"),
            _ if self.answered.swap(true, Ordering::Relaxed) => Visit::Other("410 Gone"),
            answer => Visit::Answer(answer),
        }
    }
}

async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let seat = seats.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, seat)),
        Err(error) => {
            // Out of file descriptors, most likely: give them time to come back.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (own, value) = line.split_once(':')?;
    own.eq_ignore_ascii_case(name).then(|| value.trim_matches([' ', '\t']))
}

/// The request's head, without its last empty line; `None` when it is too long, not text, or does not come whole.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&chunk[..read]);
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            head.truncate(end);
            return String::from_utf8(head).ok();
        }
        if head.len() > MAX_HEAD {
            return None;
        }
    }
}

fn refused(callback: Callback) -> Error {
    match callback {
        Callback::Refused(refusal) => Error::Refused(refusal),
        other => Error::Callback(other),
    }
}
