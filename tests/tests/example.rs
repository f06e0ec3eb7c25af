//! The example program of the native client, in processes of its own that share a session in a file.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use countersign_client::{Client, FileStorage, Password};
use countersign_tests::{
    Embedded, PASSWORD, Ran, Visitor,
    command::{program, run},
    embedded::{Fate, SECRET},
    endpoint::By,
};
use tempfile::TempDir;
use url::Url;

const NATIVE: By<'_> = By::Public("native");

/// A little longer than an access token lives.
const LATER: Duration = Duration::from_mins(11);

/// A provider, and a place where sessions are kept.
struct World {
    provider: Embedded,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self { provider: Embedded::start().await, folder: tempfile::tempdir().unwrap() }
    }

    /// One in which alice is signed in, and her access token has expired.
    async fn with_expired_token() -> Self {
        let world = Self::new().await;
        let client = Client::discover(world.provider.issuer())
            .client_id("native")
            .storage(FileStorage::new(world.file()))
            .build()
            .await
            .unwrap();
        client.login(Password::new("alice", PASSWORD)).await.unwrap();
        world.provider.pass(LATER);
        world
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("session.json")
    }

    fn kept_refresh_token(&self) -> String {
        let kept = std::fs::read_to_string(self.file()).unwrap();
        let token = kept.split('"').find(|part| part.starts_with("cs_rt_"));
        token.unwrap().to_owned()
    }

    /// The example program, which calls the API or signs out.
    fn example(&self, what: &str) -> Command {
        let mut command = Command::new(program("examples/login"));
        let what = what.replace("API", &format!("{}/api/me", self.provider.issuer()));
        command
            .args([self.provider.issuer(), "native", &what])
            .env("SESSION_FILE", self.file())
            .env("BROWSER", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(&self) -> Program {
        Program(self.example("API").spawn().unwrap())
    }

    async fn run(&self, what: &str) -> Ran {
        let command = self.example(what);
        tokio::task::spawn_blocking(move || run(command, "")).await.unwrap()
    }
}

/// A running example program; it is killed when this is dropped.
struct Program(Child);

impl Program {
    /// What it prints, when it has ended well without asking anybody to sign in.
    async fn ends_well(self) -> String {
        tokio::task::spawn_blocking(move || self.wait()).await.unwrap()
    }

    fn wait(mut self) -> String {
        let (mut said, mut complained) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut complained).unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success() && complained.is_empty(), "{status}: {said} {complained}");
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_me(said: &str) {
    assert_eq!(said, "200 OK\n\"it is you\"\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_once_is_known_at_the_next_run_and_signs_out() {
    let world = World::new().await;
    let mut first = world.start();
    let stderr = first.0.stderr.take().unwrap();
    let url = tokio::task::spawn_blocking(move || shown_url(stderr)).await.unwrap();
    let visitor = Visitor::new();
    let back = visitor.grant(&url, "alice").await.unwrap().application();
    let page = visitor.visit(&back).await.unwrap().page();
    assert!(page.status.is_success(), "{page:?}");
    first.0.stderr = Some(empty());
    is_me(&first.ends_well().await);
    assert_eq!(mode(&world.file()) & 0o077, 0, "others may read the session");

    is_me(&world.start().ends_well().await);
    assert_eq!(world.provider.refreshes(), 0);
    let refresh_token = world.kept_refresh_token();
    let signed_out = world.run("logout").await.well();
    assert_eq!(signed_out.stderr, "");
    let refused = world.provider.endpoints().refresh(NATIVE, &refresh_token).await;
    assert_eq!(refused.text("error"), "invalid_grant");
    let mut again = world.start();
    let stderr = again.0.stderr.take().unwrap();
    tokio::task::spawn_blocking(move || shown_url(stderr)).await.unwrap();
}

/// The address that the program asks to open.
fn shown_url(stderr: impl Read) -> Url {
    let mut lines = BufReader::new(stderr).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("http")).expect("it shows an address");
    Url::parse(&line).unwrap()
}

/// A stream that has nothing more to say.
fn empty() -> std::process::ChildStderr {
    let mut ended = Command::new("true").stderr(Stdio::piped()).spawn().unwrap();
    ended.wait().unwrap();
    ended.stderr.take().unwrap()
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).unwrap().permissions().mode()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_that_share_a_session_make_one_refresh_request() {
    let world = World::with_expired_token().await;
    let all: Vec<_> = (0..5).map(|_| world.start()).collect();
    for program in all {
        is_me(&program.ends_well().await);
    }
    assert_eq!(world.provider.refreshes(), 1);
}

/// SIGKILL hits the process that refreshes, after the provider has rotated and before the answer has come.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_the_process_that_refreshes_signs_nobody_out() {
    let world = World::with_expired_token().await;
    world.provider.next_refresh(Fate::Late(Duration::from_mins(1)));
    let mut refreshing = world.start();
    wait_for_refresh(&world.provider, 1).await;
    let waiting: Vec<_> = (0..4).map(|_| world.start()).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    refreshing.0.kill().unwrap();

    for program in waiting {
        is_me(&program.ends_well().await);
    }
    assert_eq!(world.provider.refreshes(), 2, "the others took the killed one's place, once");
    // What they keep is the line's head, and works when it is needed next.
    world.provider.pass(Duration::from_hours(24));
    let oauth = world.provider.endpoints();
    oauth.refresh(NATIVE, &world.kept_refresh_token()).await.well();
}

/// Nobody took its place: the session is restored a day later from the token whose successor never arrived.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_killed_in_its_refresh_is_signed_in_a_day_later() {
    let world = World::with_expired_token().await;
    world.provider.next_refresh(Fate::Late(Duration::from_mins(1)));
    let mut refreshing = world.start();
    wait_for_refresh(&world.provider, 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    refreshing.0.kill().unwrap();
    world.provider.pass(Duration::from_hours(24));

    is_me(&world.start().ends_well().await);
    assert_eq!(world.provider.refreshes(), 2);
}

/// The connection breaks instead: the program asks again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_loses_the_answer_asks_again_and_goes_on() {
    let world = World::with_expired_token().await;
    world.provider.next_refresh(Fate::Lost);
    is_me(&world.start().ends_well().await);
    assert_eq!(world.provider.refreshes(), 2);
}

async fn wait_for_refresh(provider: &Embedded, count: usize) {
    for _ in 0..1000 {
        if provider.refreshes() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no refresh came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_calls_the_api_as_itself() {
    let provider = Embedded::start().await;
    let mut command = Command::new(program("examples/service"));
    let api = format!("{}/api/me", provider.issuer());
    command.args([provider.issuer(), "service", &api]).env("CLIENT_SECRET", SECRET);
    let ran = tokio::task::spawn_blocking(move || run(command, "")).await.unwrap().well();
    is_me(&ran.stdout);
}
