//! A real Chromium, driven by its WebDriver.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use axum::http::Method;
use fantoccini::{
    Client, ClientBuilder, Locator, elements::Element, error::CmdError,
    wd::WebDriverCompatibleCommand,
};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// One browser with a profile of its own; it ends when this is dropped, and no page may have thrown by then what
/// nobody caught.
pub(crate) struct Chromium {
    pub(crate) client: Client,
    driver: Child,
    port: u16,
    session: String,
    profile: Arc<TempDir>,
}

/// A command of Chromium's debugging protocol.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.0, "params": self.1 });
        (Method::POST, Some(body.to_string()))
    }
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Dies as by SIGKILL, and starts anew on the same profile after this long.
    pub(crate) async fn die_and_start_after(self, time: Duration) -> Self {
        let profile = self.profile.clone();
        drop(self);
        tokio::time::sleep(time).await;
        Self::on(profile).await
    }

    async fn on(profile: Arc<TempDir>) -> Self {
        let (driver, port) = start_driver(profile.path());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let data = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<_> = arguments.into_iter().chain([data.as_str()]).collect();
        let options = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let client = ClientBuilder::rustls()
            .unwrap()
            .capabilities(serde_json::from_value(options).unwrap())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromium and its driver are installed: see tests/install");
        let session = client.session_id().await.unwrap().unwrap();
        Self { client, driver, port, session, profile }
    }

    /// Sends the tab a command of the debugging protocol.
    pub(crate) async fn tell(&self, command: &'static str, parameters: Value) -> Value {
        self.client.issue_cmd(DevTools(command, parameters)).await.unwrap()
    }

    /// Runs this before every page's own scripts.
    pub(crate) async fn before_pages(&self, script: &str) {
        let script = json!({ "source": script });
        self.tell("Page.addScriptToEvaluateOnNewDocument", script).await;
    }

    /// What pages threw since this was asked last, and rejected promises, that nobody caught.
    pub(crate) fn uncaught(&self) -> io::Result<Vec<String>> {
        let log = self.log("browser")?;
        let messages = log.iter().filter_map(|entry| entry["message"].as_str());
        Ok(messages.filter(|message| message.contains("Uncaught")).map(str::to_owned).collect())
    }

    /// What went over the network since this was asked last: events of the debugging protocol.
    pub(crate) fn network(&self) -> Vec<Value> {
        let log = self.log("performance").unwrap();
        let events = log.iter().filter_map(|entry| entry["message"].as_str());
        let events = events.map(|event| serde_json::from_str::<Value>(event).unwrap());
        events.map(|mut event| event["message"].take()).collect()
    }

    /// What the driver noted since this was asked last.
    fn log(&self, kind: &str) -> io::Result<Vec<Value>> {
        let mut answer = self.ask_driver("se/log", &json!({ "type": kind }))?;
        Ok(serde_json::from_value(answer["value"].take())?)
    }

    /// Blocks, so that it serves where a value is dropped.
    fn ask_driver(&self, path: &str, body: &Value) -> io::Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let body = body.to_string();
        write!(
            stream,
            "POST /session/{}/{path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-length: {}\r\n\
             \r\n{body}",
            self.session,
            self.port,
            body.len()
        )?;
        // It leaves the connection open, so the length is what counts.
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            line.clear();
        }
        Ok(serde_json::from_reader(reader.take(length))?)
    }

    /// Types into the field of this name.
    pub(crate) async fn fill(&self, name: &str, text: &str) {
        let css = format!("input[name={name}]");
        self.act_on(&css, async |field| {
            field.clear().await?;
            field.send_keys(text).await
        })
        .await;
    }

    /// Clicks the button with this value.
    pub(crate) async fn answer(&self, value: &str) {
        let css = format!("button[name=answer][value={value}]");
        self.click(&css).await;
    }

    /// Waits for a page that asks for a yes or a no, and for no password.
    pub(crate) async fn wait_for_question(&self) {
        let css = "form:not(:has([name=password])) button[name=answer][value=no]";
        let question = self.client.wait().at_most(Duration::from_secs(20));
        question.for_element(Locator::Css(css)).await.unwrap();
    }

    pub(crate) async fn click(&self, css: &str) {
        self.act_on(css, async |element| element.click().await).await;
    }

    /// Waits until the page has this heading.
    pub(crate) async fn shows(&self, heading: &str) {
        let path = format!("//h1[normalize-space()='{heading}']");
        let found = self
            .client
            .wait()
            .at_most(Duration::from_secs(20))
            .for_element(Locator::XPath(&path))
            .await;
        if found.is_err() {
            let url = self.client.current_url().await;
            let source = self.client.source().await.unwrap_or_default();
            let body = source.split("</style>").last().unwrap_or_default();
            panic!("no {heading:?} at {url:?}: {body}");
        }
    }

    /// Acts on an element; again where a navigation under way took it away meanwhile.
    async fn act_on(&self, css: &str, act: impl AsyncFn(Element) -> Result<(), CmdError>) {
        for _ in 0..50 {
            match act(self.find(css).await).await {
                Err(error) if has_left(&error) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                done => return done.unwrap(),
            }
        }
        panic!("{css} does not stay");
    }

    async fn find(&self, css: &str) -> Element {
        self.client.wait().for_element(Locator::Css(css)).await.unwrap()
    }
}

/// Whether the element belongs to a page that is no longer shown; the driver has two ways to say so.
fn has_left(error: &CmdError) -> bool {
    error.is_stale_element_reference()
        || error.to_string().contains("does not belong to the document")
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let uncaught = if thread::panicking() { Ok(Vec::new()) } else { self.uncaught() };
        self.kill();
        assert!(uncaught.as_ref().is_ok_and(Vec::is_empty), "nobody caught {uncaught:?}");
    }
}

impl Chromium {
    fn kill(&mut self) {
        // The driver leads a group of its own, and the browser is in it.
        if let Some(group) = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.driver.wait();
    }
}

/// What a page throws and nobody catches fails the test that shows it.
#[tokio::test]
async fn what_nobody_caught_is_noticed() {
    let browser = Chromium::start().await;
    for (script, words) in [
        ("setTimeout(() => { throw new Error('thrown') })", "thrown"),
        ("Promise.reject(new Error('rejected'))", "rejected"),
    ] {
        let page = format!("data:text/html,<h1>Bad</h1><script>{script}</script>");
        browser.client.goto(&page).await.unwrap();
        browser.shows("Bad").await;
        let uncaught = browser.uncaught().unwrap();
        assert!(uncaught.len() == 1 && uncaught[0].contains(words), "{uncaught:?}");
    }
}

/// The driver chooses a port that is free at 127.0.0.1, and ends where somebody has the same one at `::1`: then another
/// is tried. What it and the browser leave behind goes with `folder`.
fn start_driver(folder: &Path) -> (Child, u16) {
    for _ in 0..5 {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed: see tests/install");
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
        });
        if let Some(port) = port {
            return (driver, port);
        }
        driver.wait().unwrap();
    }
    panic!("chromedriver finds no port");
}
