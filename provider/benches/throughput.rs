//! Requests a second beside a bare axum handler, in one run: `cargo bench --bench throughput`.
//!
//! Each server is a process of its own, single-threaded and pinned to one core; the load comes from this process,
//! pinned to another. *Bare* parses the form and answers a constant. Every figure is also given as a ratio to bare,
//! since the machine's own speed is nobody's merit. For SQLite, the measure of a refresh is a bare handler that swaps a
//! row of the same size in groups of what waits.
//!
//! `cargo bench --bench throughput -- 5 64` measures each for 5 s over 64 connections; 3 and 16 unless said.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first fault and prints"
)]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

#[path = "throughput/load.rs"]
mod load;
#[path = "throughput/server.rs"]
mod server;
#[path = "throughput/swaps.rs"]
mod swaps;

use load::{Load, Report};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => server::serve(&arguments[1]),
        _ => measure(&arguments),
    }
}

/// How long and over how many connections.
#[derive(Clone, Copy)]
struct Size {
    time: Duration,
    connections: usize,
}

fn measure(arguments: &[String]) {
    let number = |index: usize, default| {
        arguments.get(index).map_or(default, |text: &String| text.parse().unwrap())
    };
    let size = Size {
        time: Duration::from_secs(number(0, 3)),
        connections: usize::try_from(number(1, 16)).unwrap(),
    };
    pin(1);
    println!("{} connections, {} s each\n", size.connections, size.time.as_secs());
    println!("| what | store | requests/s | p50 µs | p99 µs | of bare |");
    println!("|---|---|---:|---:|---:|---:|");
    let folder = tempfile::tempdir().unwrap();
    let bare = Server::start("bare", 0);
    let measure = bare.run(Load::Bare, size);
    print_row("bare", "", &measure, measure.rate);
    drop(bare);
    for store in ["memory:".to_owned(), sqlite(folder.path(), "a")] {
        let server = Server::start(&store, 0);
        let name = store.split(':').next().unwrap();
        for load in [Load::ClientCredentials, Load::Introspection, Load::Guard, Load::Refresh] {
            print_row(load.name(), name, &server.run(load, size), measure.rate);
        }
    }
    compare_swaps(folder.path(), size);
    second_process(folder.path(), size);
}

/// Refreshes on SQLite beside a bare handler that only swaps rows.
fn compare_swaps(folder: &Path, size: Size) {
    println!(
        "\n| refresh on SQLite, connections | requests/s | of a bare handler that swaps rows |"
    );
    println!("|---|---:|---:|");
    for connections in [16, 64] {
        let size = Size { connections, ..size };
        let file = folder.join(format!("swaps{connections}"));
        let swaps = Server::start(&format!("swaps:{}", file.display()), 0);
        let bare = swaps.run(Load::Swap, size).rate;
        drop(swaps);
        let server = Server::start(&sqlite(folder, &format!("r{connections}")), 0);
        let rate = server.run(Load::Refresh, size).rate;
        println!("| {connections} | {rate:.0} | {:.2} |", rate / bare);
    }
}

/// What a second process gets of a file that the first one saturates.
fn second_process(folder: &Path, size: Size) {
    let store = sqlite(folder, "shared");
    let (first, second) = (Server::start(&store, 0), Server::start(&store, 0));
    let saturated = first.in_background(Load::Refresh, Size { connections: 64, ..size });
    std::thread::sleep(Duration::from_millis(300));
    let time = size.time.saturating_sub(Duration::from_millis(600));
    let calm = second.run(Load::Refresh, Size { time, connections: 1 });
    let busy = saturated.join().unwrap();
    println!(
        "\nA second process on the SQLite file that the first one saturates ({:.0}/s):",
        busy.rate
    );
    println!("one connection, {:.0}/s, p50 {} µs, p99 {} µs", calm.rate, calm.p50, calm.p99);
}

fn sqlite(folder: &Path, name: &str) -> String {
    format!("sqlite:{}", folder.join(name).display())
}

fn print_row(what: &str, store: &str, report: &Report, bare: f64) {
    let Report { rate, p50, p99 } = report;
    println!("| {what} | {store} | {rate:.0} | {p50} | {p99} | {:.2} |", rate / bare);
}

/// Keeps this process, and the threads that it starts, on one core. Without a second core nothing is pinned.
fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core % std::thread::available_parallelism().unwrap().get());
    rustix::thread::sched_setaffinity(None, &set).unwrap();
}

/// A server process; it ends with this value.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(store: &str, core: usize) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["serve", store])
            .env("CORE", core.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    fn run(&self, load: Load, size: Size) -> Report {
        self.in_background(load, size).join().unwrap()
    }

    fn in_background(&self, load: Load, size: Size) -> std::thread::JoinHandle<Report> {
        let address = self.address.clone();
        std::thread::spawn(move || load::run(&address, load, size.connections, size.time))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sorted durations to a report.
fn report(mut micros: Vec<u32>, start: Instant) -> Report {
    micros.sort_unstable();
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into what was measured"
        )]
        let index = (micros.len() as f64 * part) as usize;
        micros.get(index).copied().unwrap_or_default()
    };
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let rate = micros.len() as f64 / start.elapsed().as_secs_f64();
    Report { rate, p50: at(0.5), p99: at(0.99) }
}
