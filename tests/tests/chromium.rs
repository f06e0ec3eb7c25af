//! A real Chromium, driven by its WebDriver.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, error::CmdError};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tempfile::TempDir;

/// One browser with a profile of its own; it ends when this is dropped.
pub(crate) struct Chromium {
    pub(crate) client: Client,
    driver: Child,
    profile: Arc<TempDir>,
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
        let (driver, port) = start_driver();
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
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let client = ClientBuilder::rustls()
            .unwrap()
            .capabilities(serde_json::from_value(options).unwrap())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromium and its driver are installed: see tests/install");
        Self { client, driver, profile }
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
        // The driver leads a group of its own, and the browser is in it.
        if let Some(group) = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.driver.wait();
    }
}

fn start_driver() -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("chromedriver is installed: see tests/install");
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
    });
    (driver, port.expect("chromedriver tells its port"))
}
