//! What an acknowledgement rests on: the log of the database is on the disk before the answer leaves.
//!
//! The server runs under `strace`, which writes down each write to the log, each sync of it, and each answer.

use std::collections::HashSet;

use countersign_tests::{endpoint::By, server::Setup};

/// What the trace shows of interest, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// The log gets bytes.
    Written,
    /// A sync of the log has returned.
    Synced,
    /// The first bytes of a positive answer go out.
    Answered,
}

/// How many answers there were, and how many of them left while the log had bytes that no sync had covered.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    answers: usize,
    unsynced: usize,
    unwritten: usize,
}

#[tokio::test]
async fn the_log_is_synced_before_each_answer_that_acknowledges_a_write() {
    let verdict = traced("sqlite:DATA/countersign.db").await;
    assert_eq!((verdict.unsynced, verdict.unwritten), (0, 0), "{verdict:?}");
    assert!(verdict.answers >= 30, "{verdict:?}");
}

/// The same judge finds fault with the mode that may lose the last writes at a power cut.
#[tokio::test]
async fn without_full_synchronization_the_answer_leaves_before_the_sync() {
    let verdict = traced("sqlite:DATA/countersign.db?synchronous=normal").await;
    assert!(verdict.unsynced > 20, "{verdict:?}");
}

/// Refreshes and revokes, one after the other, under `strace`.
async fn traced(store: &str) -> Verdict {
    let setup = Setup::new().store(store);
    let trace = setup.folder().join("trace");
    // `-D` keeps the tracer aside, so that the process started is the server itself.
    let wrapper = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-yy",
        "-s",
        "32",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg",
    ];
    let mut server = setup.under(&wrapper).start().await;
    server.add_user("alice");
    server.add_client(&[
        "--id",
        "first",
        "--public",
        "--grant",
        "password",
        "--grant",
        "refresh_token",
        "--scope",
        "profile",
    ]);
    let oauth = server.endpoints();
    let client = By::Public("first");
    let mut answers = 0;
    for _ in 0..10 {
        let signed_in = oauth.password(client, "alice").await.well();
        let next = oauth.refresh(client, &signed_in.text("refresh_token")).await.well();
        oauth.revoke(client, &next.text("refresh_token")).await.well();
        answers += 3;
    }
    server.terminate();
    server.wait();
    let mut calls = calls(&std::fs::read_to_string(&trace).unwrap());
    // Before the first sign-in stand the answers about readiness, which acknowledge nothing.
    let acknowledging = calls.iter().rev().filter(|call| **call == Call::Answered).count();
    let skip = acknowledging.checked_sub(answers).expect("each answer is in the trace");
    let start = nth(&calls, skip);
    judge(&calls.split_off(start))
}

/// Where the calls begin that lead to the answer with this number.
fn nth(calls: &[Call], skip: usize) -> usize {
    let answers = calls.iter().enumerate().filter(|call| *call.1 == Call::Answered);
    answers.map(|call| call.0 + 1).take(skip).last().unwrap_or(0)
}

fn judge(calls: &[Call]) -> Verdict {
    let mut verdict = Verdict { answers: 0, unsynced: 0, unwritten: 0 };
    let (mut written, mut dirty) = (false, false);
    for call in calls {
        match call {
            Call::Written => (written, dirty) = (true, true),
            Call::Synced => dirty = false,
            Call::Answered => {
                verdict.answers += 1;
                verdict.unsynced += usize::from(dirty);
                verdict.unwritten += usize::from(!written);
                written = false;
            }
        }
    }
    verdict
}

/// Reads a trace. A write counts when it begins, a sync when it has returned: the judge is never too kind.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut syncing = HashSet::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        let sync = rest.starts_with("fdatasync(") || rest.starts_with("fsync(");
        let of_log = rest.contains("-wal>");
        if sync && of_log && rest.contains("<unfinished") {
            syncing.insert(thread);
        } else if sync && of_log && rest.ends_with("= 0") {
            calls.push(Call::Synced);
        } else if rest.contains("sync resumed") && syncing.remove(thread) {
            assert!(rest.ends_with("= 0"), "{line}");
            calls.push(Call::Synced);
        } else if rest.starts_with("pwrite64(") && of_log {
            calls.push(Call::Written);
        } else if rest.contains("<TCP") && rest.contains("HTTP/1.1 200") {
            calls.push(Call::Answered);
        }
    }
    calls
}

#[cfg(test)]
mod judge {
    use super::{Call, Verdict, calls, judge};

    #[test]
    fn an_answer_between_the_write_and_the_return_of_its_sync_is_found() {
        let trace = "\
7 pwrite64(9<data/x.db-wal>, \"..\", 24, 0) = 24
7 fdatasync(9<data/x.db-wal> <unfinished ...>
8 writev(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base=\"HTTP/1.1 200 OK\", iov_len=9}], 1) = 9
7 <... fdatasync resumed>) = 0
8 writev(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base=\"HTTP/1.1 200 OK\", iov_len=9}], 1) = 9";
        let calls = calls(trace);
        assert_eq!(calls, [Call::Written, Call::Answered, Call::Synced, Call::Answered]);
        assert_eq!(judge(&calls), Verdict { answers: 2, unsynced: 1, unwritten: 1 });
    }
}
