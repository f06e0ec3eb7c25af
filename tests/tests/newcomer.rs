//! What the README promises, done as a newcomer does it.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use countersign_tests::{
    Ran, Server,
    command::{countersign, program, root, run},
    server::Setup,
};
use serde_json::Value;

use crate::chromium::Chromium;

/// The provider as `serve --demo` starts it.
struct Demo {
    server: Server,
    secrets: Value,
}

impl Demo {
    async fn start() -> Self {
        let server = Setup::new().args(&["--demo"]).start().await;
        let secrets = fs::read_to_string(server.data().join("demo.json")).unwrap();
        Self { secrets: serde_json::from_str(&secrets).unwrap(), server }
    }

    fn password(&self) -> &str {
        self.secrets["user"]["password"].as_str().unwrap()
    }

    fn service_secret(&self) -> &str {
        self.secrets["service"]["client_secret"].as_str().unwrap()
    }

    /// The last line of what it prints names the page and the credentials.
    fn ends_with_the_credentials(&self) {
        let output = self.server.output();
        let last = output.lines().last().unwrap();
        let page = format!("{}/", self.server.issuer());
        for named in [page.as_str(), "demo", self.password()] {
            assert!(last.contains(named), "nothing of {named}: {output}");
        }
    }

    fn login(&self, what: &str) -> Command {
        let what = what.replace("API", &format!("{}/api/me", self.server.issuer()));
        let mut command = Command::new(program("examples/login"));
        command
            .args([self.server.issuer(), "demo", &what])
            .env("SESSION_FILE", self.server.setup().folder().join("session.json"))
            .env("BROWSER", "true");
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_signs_in_calls_the_api_comes_back_and_signs_out() {
    let mut demo = Demo::start().await;
    demo.ends_with_the_credentials();
    let browser = Chromium::start().await;
    browser.client.goto(&demo.server.url("/")).await.unwrap();
    let source = browser.client.source().await.unwrap();
    assert!(source.contains("--example login"), "the page does not say how: {source}");
    assert!(!source.contains(demo.password()), "the page shows a secret");

    let mut login = demo.login("API");
    let mut login = login.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    browser.client.goto(&shown_url(&mut login)).await.unwrap();
    browser.fill("username", "demo").await;
    browser.fill("password", demo.password()).await;
    browser.answer("yes").await;
    browser.wait_for_question().await;
    browser.answer("yes").await;
    let said = tokio::task::spawn_blocking(move || ends_well(login)).await.unwrap();
    assert!(said.starts_with("200 OK\n") && said.contains("\"client\":\"demo\""), "{said}");

    // Everything goes on after a restart of either side.
    demo.server.terminate();
    assert!(demo.server.wait().success());
    demo.server.restart().await;
    demo.ends_with_the_credentials();
    let again = run(demo.login("API"), "").well();
    assert!(again.stdout.starts_with("200 OK\n") && again.stderr.is_empty(), "{again:?}");
    run(demo.login("logout"), "").well();
    let kept = fs::read_to_string(demo.server.setup().folder().join("session.json"));
    assert!(!kept.unwrap_or_default().contains("cs_"), "tokens are kept after signing out");
}

#[tokio::test]
async fn the_service_of_the_demo_calls_the_api() {
    let demo = Demo::start().await;
    let mut service = Command::new(program("examples/service"));
    let api = format!("{}/api/me", demo.server.issuer());
    service.args([demo.server.issuer(), "demo-service", &api]);
    service.env("CLIENT_SECRET", demo.service_secret());
    let said = run(service, "").well().stdout;
    assert!(said.starts_with("200 OK\n") && said.contains("\"client\":\"demo-service\""), "{said}");
    // Without a token the API says how to come by one.
    let refused = demo.server.get("/api/me").await;
    assert_eq!(refused.status, 401);
    assert!(refused.headers.contains_key("www-authenticate"));
}

/// X8: what is secret in the demo is drawn for each installation, and nobody else on the machine can read it.
#[tokio::test]
async fn the_demos_secrets_are_each_installations_own() {
    use std::os::unix::fs::PermissionsExt;
    let (one, other) = (Demo::start().await, Demo::start().await);
    assert_ne!(one.password(), other.password());
    assert_ne!(one.service_secret(), other.service_secret());
    assert!(one.password().len() >= 16);
    let file = fs::metadata(one.server.data().join("demo.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_demo_beyond_loopback_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    let program = program("countersign");
    command.arg("20").arg(program).args(["serve", "--demo", "--listen", "0.0.0.0:0"]);
    command.args(["--issuer", "https://id.example"]).current_dir(folder.path());
    let ran = run(command, "");
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("demo") && ran.stderr.contains("loopback"), "{ran:#?}");
}

/// The commands of the README that administrate do what they say, beside a running server.
#[tokio::test]
async fn the_commands_of_the_readme_work_as_they_are_written() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let server = Server::start().await;
    let mut done = BTreeSet::new();
    for line in readme.lines().filter(|line| line.starts_with("countersign ")) {
        let words = words(line);
        if words[1] == "serve" {
            serves(&words[1..]);
        } else {
            let mut command = countersign();
            command.args(&words[1..]).env("COUNTERSIGN_DATA", server.data());
            command.env("COUNTERSIGN_LISTEN", format!("127.0.0.1:{}", server.setup().port()));
            run(command, "").well();
        }
        done.insert(words[1].clone());
    }
    for command in ["serve", "user", "client", "doctor"] {
        assert!(done.contains(command), "the README no longer shows {command}");
    }
    assert!(readme.contains("cargo run --release -- serve --demo") && readme.contains("tests/run"));
}

/// Its flags are understood: it fails on a file of its example that is not here, and on nothing before.
fn serves(words: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = countersign();
    let own = words.iter().map(|word| word.replace("0.0.0.0:443", "127.0.0.1:0"));
    command.args(own).current_dir(folder.path());
    let ran: Ran = run(command, "");
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("id.pem"), "{ran:#?}");
}

/// The words of a line of a shell, where only whole words are quoted.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    parts
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

fn shown_url(program: &mut Child) -> String {
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines().map_while(Result::ok);
    lines.find(|line| line.starts_with("http")).expect("it shows an address")
}

fn ends_well(mut program: Child) -> String {
    let mut said = String::new();
    program.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(program.wait().unwrap().success(), "{said}");
    said
}
