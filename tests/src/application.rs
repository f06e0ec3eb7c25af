//! An application that sends its users to the provider and waits for what they bring back.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{RawQuery, State},
    response::Html,
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use crate::port;

/// A web application with one page and one redirect URI. It ends when it is dropped.
#[derive(Debug)]
pub struct Application {
    origin: String,
    answers: Mutex<mpsc::UnboundedReceiver<Vec<(String, String)>>>,
    task: JoinHandle<()>,
}

impl Application {
    /// One under this name of the loopback address: `localhost` or `127.0.0.1`.
    pub async fn start(host: &str) -> Self {
        let port = port::free();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (sender, answers) = mpsc::unbounded_channel();
        let router = Router::new().route("/callback", get(callback)).with_state(Arc::new(sender));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin: format!("http://{host}:{port}"), answers: Mutex::new(answers), task }
    }

    /// Its origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Its redirect URI.
    pub fn redirect_uri(&self) -> String {
        format!("{}/callback", self.origin)
    }

    /// The parameters that the next user brings back.
    ///
    /// # Panics
    /// When nobody comes for 20 s.
    pub async fn answer(&self) -> Vec<(String, String)> {
        self.answer_within(Duration::from_secs(20)).await.expect("nobody came back")
    }

    /// The parameters that the next user brings back, if one comes soon enough.
    pub async fn answer_within(&self, time: Duration) -> Option<Vec<(String, String)>> {
        let mut answers = self.answers.lock().await;
        tokio::time::timeout(time, answers.recv()).await.ok().flatten()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Answers = Arc<mpsc::UnboundedSender<Vec<(String, String)>>>;

async fn callback(State(answers): State<Answers>, RawQuery(query): RawQuery) -> Html<&'static str> {
    let query = query.unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let _ = answers.send(pairs);
    Html("<!doctype html><title>Application</title><h1 id=back>Back at the application</h1>")
}

/// A parameter among those that a user brought back.
pub fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let pair = pairs.iter().find(|pair| pair.0 == name)?;
    Some(&pair.1)
}
