//! The command as a process, and just enough of HTTP to talk to what it serves.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The command, in a folder, with nothing of this test's own environment.
pub(super) fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).current_dir(folder.path()).env_clear().stdin(Stdio::null());
    command
}

/// Runs the command to its end, which one that must be refused reaches soon.
pub(super) fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    let child =
        command(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_child(&child);
    let (done, over) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let waited = over.recv_timeout(Duration::from_mins(1));
        if waited == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            kill_process(id, Signal::KILL).unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watch.join().unwrap();
    output
}

/// Runs the command with something on its standard input.
pub(super) fn run_with(folder: &TempDir, arguments: &[&str], input: &str) -> Output {
    let mut child = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// What a command that must succeed prints as JSON.
pub(super) fn json(folder: &TempDir, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let output = run(folder, &arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one line on standard error with which a command that must be refused ends, with status 1.
pub(super) fn refusal(folder: &TempDir, arguments: &[&str]) -> String {
    refused(arguments, &run(folder, arguments))
}

/// The same of a command that has run.
pub(super) fn refused(arguments: &[&str], output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    assert!(text.starts_with("countersign: "), "{arguments:?}: {text}");
    text.trim_end().to_owned()
}

/// A server that ends with the test.
pub(super) struct Server {
    child: Child,
    /// What it said at its start.
    pub(super) said: Value,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `serve` on a free port of loopback and waits until it says where.
    pub(super) fn start(folder: &TempDir, arguments: &[&str]) -> Self {
        let free = ["serve", "--listen", "127.0.0.1:0", "--json"];
        let arguments = [free.as_slice(), arguments].concat();
        Self::spawn(command(folder, &arguments))
    }

    /// The same with a command of one's own that prints JSON.
    pub(super) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Ok(said) = serde_json::from_str(&line) else {
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            panic!("{line:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        Self { child, said, _stdout: stdout }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.said["address"].as_str().unwrap().parse().unwrap()
    }

    pub(super) fn issuer(&self) -> &str {
        self.said["issuer"].as_str().unwrap()
    }

    pub(super) fn get(&self, path: &str, headers: &[&str]) -> Answer {
        ask(self.address(), &format!("GET {path} HTTP/1.1"), headers, "")
    }

    pub(super) fn post(&self, path: &str, headers: &[&str], body: &str) -> Answer {
        let form = "content-type: application/x-www-form-urlencoded";
        let headers = [headers, &[form]].concat();
        let line = format!("POST {path} HTTP/1.1");
        ask(self.address(), &line, &headers, body)
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end, at most 15 s.
    pub(super) fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it by SIGINT; what it wrote to standard error.
    pub(super) fn stop(mut self) -> String {
        self.signal(Signal::INT);
        assert_eq!(self.end().code(), Some(0));
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer of a server.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut pairs = lines.filter_map(|line| line.split_once(": "));
        let found = pairs.find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// One request on a connection of its own.
pub(super) fn ask(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let host = headers.iter().any(|header| header.starts_with("host:"));
    let host = if host { String::new() } else { format!("host: {address}\r\n") };
    let mut request = format!("{line}\r\n{host}connection: close\r\n");
    for header in headers {
        write!(request, "{header}\r\n").unwrap();
    }
    write!(request, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("{answer:?}")),
        head: head.into(),
        body: body.into(),
    }
}

/// The value of a form field or of a Basic credential's part, percent-encoded.
pub(super) fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    value.bytes().map(byte).collect()
}
