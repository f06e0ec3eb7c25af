//! The example of pages that are not the provider's own, as a newcomer opens them.

use std::{
    fs, iter,
    process::{Child, Command, Stdio},
    time::Duration,
};

use countersign_tests::{
    command::{program, root},
    port,
};
use fantoccini::{Locator, error::CmdError};
use serde_json::Value;
use tempfile::TempDir;

use crate::chromium::Chromium;

/// The running example, on ports of its own: its page is a copy that names the provider's.
struct Example {
    issuer: String,
    site: String,
    child: Child,
    _folder: TempDir,
}

impl Example {
    async fn start() -> Self {
        let files = fs::read_dir(root().join("provider/examples/static_site/site")).unwrap();
        let files = files.map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, fs::read_to_string(file.path()).unwrap())
        });
        Self::with(files).await
    }

    /// With these files, by name and text.
    async fn with(files: impl Iterator<Item = (String, String)>) -> Self {
        let issuer = format!("http://127.0.0.1:{}", port::free());
        let site = format!("http://localhost:{}", port::free());
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let text = text.replace("http://127.0.0.1:8080", &issuer);
            fs::write(folder.path().join(name), text).unwrap();
        }
        let child = Command::new(program("examples/static_site"))
            .args([&issuer, &site])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let example = Self { issuer, site, child, _folder: folder };
        example.answers().await;
        example
    }

    /// Waits until both of its servers answer.
    async fn answers(&self) {
        for origin in [&self.issuer, &self.site] {
            for _ in 0..400 {
                if reqwest::get(origin.as_str()).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn status(&self, path: &str) -> u16 {
        reqwest::get(format!("{}{path}", self.site)).await.unwrap().status().as_u16()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chromium {
    /// Signs in on the provider's page, and gives the application this answer.
    async fn answer_as_ada(&self, answer: &str) {
        self.fill("username", "ada").await;
        self.fill("password", "analytical engine").await;
        self.answer("yes").await;
        self.wait_for_question().await;
        self.answer(answer).await;
    }

    /// Waits until an element's text holds this; gives the text.
    async fn says(&self, id: &str, words: &str) -> String {
        let path = format!("//*[@id='{id}' and contains(., '{words}')]");
        let found = self.client.wait().at_most(Duration::from_secs(20));
        let found: Result<_, CmdError> = found.for_element(Locator::XPath(&path)).await;
        let source = self.client.source().await;
        found.unwrap_or_else(|_| panic!("no {words}: {source:?}")).text().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_another_site_signs_in_calls_the_api_and_signs_out() {
    let example = Example::start().await;
    let browser = Chromium::start().await;
    browser.client.goto(&example.site).await.unwrap();
    browser.says("status", "signed out").await;
    browser.click("#login").await;
    browser.answer_as_ada("yes").await;
    browser.says("status", "signed in").await;
    let address = browser.client.current_url().await.unwrap();
    assert_eq!(address.as_str(), format!("{}/", example.site));
    browser.click("#call").await;
    let me: Value = serde_json::from_str(&browser.says("answer", "subject").await).unwrap();
    assert_eq!((&me["subject"], &me["client"]), (&"ada".into(), &"shop".into()));
    browser.client.refresh().await.unwrap();
    browser.says("status", "signed in").await;
    browser.click("#logout").await;
    browser.says("status", "signed out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_readme_is_a_whole_page() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, page) = readme.split_once("```html\n").unwrap();
    let (page, _) = page.split_once("```").unwrap();
    let example = Example::with(iter::once(("index.html".into(), page.into()))).await;
    let browser = Chromium::start().await;
    browser.client.goto(&example.site).await.unwrap();
    browser.answer_as_ada("yes").await;
    let body = Locator::XPath("//body[contains(., 'subject')]");
    let body = browser.client.wait().at_most(Duration::from_secs(20)).for_element(body).await;
    let said = body.unwrap().text().await.unwrap();
    let me: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&me["subject"], &me["client"]), (&"ada".into(), &"shop".into()));
}

/// A provider that is away: the page says what to do, and nobody is signed out.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_provider_is_away_says_so() {
    let mut example = Example::start().await;
    let browser = Chromium::start().await;
    browser.client.goto(&example.site).await.unwrap();
    browser.says("status", "signed out").await;
    browser.click("#login").await;
    browser.answer_as_ada("yes").await;
    browser.says("status", "signed in").await;
    example.child.kill().unwrap();
    browser.click("#call").await;
    assert!(!browser.says("answer", ";").await.is_empty());
    browser.says("status", "signed in").await;
}

/// What the visitor answered is said, and nothing is left of it in the address.
#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_told_on_the_page_that_asked() {
    let example = Example::start().await;
    let browser = Chromium::start().await;
    browser.client.goto(&example.site).await.unwrap();
    browser.says("status", "signed out").await;
    browser.click("#login").await;
    browser.answer_as_ada("no").await;
    browser.says("status", "signed out").await;
    assert!(!browser.says("answer", "").await.is_empty());
    let address = browser.client.current_url().await.unwrap();
    assert_eq!(address.as_str(), format!("{}/", example.site));
}

/// Seed S0: the old page, but for the script's name as it was: a relative `action`, no client, the answer's handler.
#[tokio::test(flavor = "multi_thread")]
async fn seed_an_old_page_with_a_form_signs_in() {
    let example = Example::start().await;
    let browser = Chromium::start().await;
    let page = format!("{}/old_form.html", example.issuer);
    browser.client.goto(&page).await.unwrap();
    browser.fill("username", "ada").await;
    browser.fill("password", "analytical engine").await;
    browser.click("form.oauth button").await;
    browser.says("response", "Bearer").await;
    let me: Value = serde_json::from_str(&browser.says("me", "subject").await).unwrap();
    assert_eq!((&me["subject"], &me["client"]), (&"ada".into(), &"shop".into()));
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), page);
}

#[tokio::test]
async fn the_static_file_server_gives_nothing_beside_its_folder() {
    let example = Example::start().await;
    assert_eq!(example.status("/style.css").await, 200);
    for path in ["/..%2fCargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd", "/.hidden", "/none"] {
        assert_eq!(example.status(path).await, 404, "{path}");
    }
}
