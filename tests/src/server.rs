//! `countersign serve` in a process of its own.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    PASSWORD, command,
    command::Ran,
    endpoint::{Answer, Endpoints},
    port,
};

/// How long a start or an end may take, on a machine that builds beside it.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server that has not started.
#[derive(Clone, Debug)]
pub struct Setup {
    folder: Arc<TempDir>,
    port: u16,
    issuer: String,
    store: Option<String>,
    program: Option<PathBuf>,
    under: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// One with a new data folder, on a free port, in whose database everything is kept.
    pub fn new() -> Self {
        let port = port::free();
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            port,
            issuer: format!("http://127.0.0.1:{port}"),
            store: None,
            program: None,
            under: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// With this store; what stands for `DATA` in it becomes the data folder.
    pub fn store(mut self, url: &str) -> Self {
        let data = self.data();
        self.store = Some(url.replace("DATA", data.to_str().unwrap()));
        self
    }

    /// Known by this URL.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// With further arguments of `serve`.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// With a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// By this copy of the program.
    pub fn program(mut self, path: PathBuf) -> Self {
        self.program = Some(path);
        self
    }

    /// Started by another program, which must replace itself with the server.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.under = wrapper.iter().map(ToString::to_string).collect();
        self
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with everything that belongs to it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it ends or is not ready in time, with its log.
    pub async fn start(self) -> Server {
        let child = self.spawn();
        let mut server = Server { setup: self, child };
        server.wait_until_ready().await;
        server
    }

    /// Starts it, expecting that it cannot serve, and waits for its end.
    ///
    /// # Panics
    /// When it goes on.
    pub fn fail(self) -> Ran {
        let (before, mut child) = (self.log().len(), self.spawn());
        let status = wait(&mut child, PATIENCE).unwrap_or_else(|| {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it serves: {}", self.log())
        });
        Ran { status, stdout: read(&self.output()), stderr: self.log().split_off(before) }
    }

    fn spawn(&self) -> Child {
        let append = |path: PathBuf| File::options().create(true).append(true).open(path).unwrap();
        self.command()
            .stdout(append(self.output()))
            .stderr(append(self.log_file()))
            .spawn()
            .unwrap()
    }

    fn command(&self) -> Command {
        let program = self.program.clone().unwrap_or_else(|| command::program("countersign"));
        let mut line = self.under.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = command::clean(Command::new(line.next().unwrap()));
        command.args(line);
        command
            .args(["serve", "--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--issuer", &self.issuer])
            .arg("--data")
            .arg(self.data())
            .args(self.store.iter().flat_map(|url| ["--store", url]))
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder());
        command
    }

    fn output(&self) -> PathBuf {
        self.folder().join(format!("output-{}", self.port))
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join(format!("log-{}", self.port))
    }

    fn log(&self) -> String {
        read(&self.log_file())
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// A running server. It is killed when this is dropped.
pub struct Server {
    setup: Setup,
    child: Child,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.setup.fmt(f)
    }
}

impl Server {
    /// One as [`Setup::new`] has it.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    /// What it was started with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.setup.issuer
    }

    /// The URL of a path, where this process listens.
    pub fn url(&self, path: &str) -> String {
        let scheme = self.setup.issuer.split_once("://").unwrap().0;
        format!("{scheme}://127.0.0.1:{}{path}", self.setup.port)
    }

    /// The protocol's endpoints of this process.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::at(self.url(""))
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.setup.data()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.setup.log()
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        read(&self.setup.output())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Another process with the same records, on a port of its own.
    pub fn replica(&self) -> Setup {
        Setup { port: port::free(), ..self.setup.clone() }
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child, PATIENCE).unwrap_or_else(|| panic!("it goes on: {}", self.log()))
    }

    /// Starts it again, after its end, and waits until it is ready.
    pub async fn restart(&mut self) {
        self.child = self.setup.spawn();
        self.wait_until_ready().await;
    }

    /// Runs a command on its records, as an administrator does beside it.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs a command with this standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = command::countersign();
        command
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .args(self.setup.store.iter().flat_map(|url| ["--store", url]));
        command::run(command, input)
    }

    /// Adds a user with everybody's [`PASSWORD`].
    pub fn add_user(&self, name: &str) {
        let added = self.run_with(&["user", "add", name, "--password-stdin"], PASSWORD);
        assert!(added.status.success(), "{added:#?}");
    }

    /// Adds a client; gives its secret, which is empty for a public one.
    pub fn add_client(&self, flags: &[&str]) -> String {
        let added = self.run(&[&["client", "add", "--json"], flags].concat()).well();
        let secret = &added.json()["client_secret"];
        secret.as_str().unwrap_or_default().to_owned()
    }

    /// Asks a path, following no redirect.
    pub async fn get(&self, path: &str) -> Answer {
        self.endpoints().get(path).await
    }

    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let http = crate::endpoint::http();
        while !self.answers_ready(&http).await {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended, {status}: {}", self.log());
            }
            assert!(Instant::now() < deadline, "it is not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn answers_ready(&self, http: &reqwest::Client) -> bool {
        let asked = http.get(self.url("/readyz")).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
