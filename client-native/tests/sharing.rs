//! Several processes of the example program share one session.

use std::{process::Stdio, time::Duration};

use countersign_client::{Error, Offline, Out, Status};
use tokio::time::{sleep, timeout};

use crate::fake::{Fake, Reply, place, sign_in};

/// N3: five at once, one refresh request.
#[tokio::test]
async fn five_processes_share_one_refresh() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    let programs =
        (0..5).map(|_| fake.program(&place.file).stdout(Stdio::piped()).spawn().unwrap());
    for program in programs.collect::<Vec<_>>() {
        let done = program.wait_with_output().await.unwrap();
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(shown.starts_with("200 OK") && shown.contains("GET at1"), "{shown}");
    }
    assert_eq!(fake.refreshes(), ["rt0"]);
    assert_eq!(fake.seen("/api").len(), 5);
}

#[tokio::test]
async fn nobody_is_signed_out_when_the_one_that_refreshes_is_killed() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    fake.next("/token", Reply::CarriedOutAndSilent);
    let mut first = fake.program(&place.file).spawn().unwrap();
    fake.until_seen("/token", 2).await;
    let second = fake.program(&place.file).stdout(Stdio::piped()).spawn().unwrap();
    sleep(Duration::from_millis(300)).await;
    first.start_kill().unwrap(); // SIGKILL
    first.wait().await.unwrap();
    let done = timeout(Duration::from_secs(5), second.wait_with_output()).await.unwrap().unwrap();
    assert!(done.status.success() && done.stdout.starts_with(b"200 OK"), "{done:?}");
    assert_eq!(fake.refreshes(), ["rt0", "rt0"]);
    assert_eq!(fake.thefts(), 0);
}

#[tokio::test]
async fn who_waits_for_the_lock_takes_what_another_left() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let waiting = client.restore().await.unwrap().unwrap();
    let refreshed = client.restore().await.unwrap().unwrap();
    refreshed.access_token().await.unwrap();

    // The lock is never freed again, as by a process that hangs after it has kept its tokens.
    let _held = lock(&place.file).await;
    let token = timeout(Duration::from_secs(1), waiting.access_token()).await.unwrap().unwrap();
    assert_eq!(token.expose(), "at1");
    assert_eq!(fake.refreshes().len(), 1);
}

#[tokio::test]
async fn who_waits_for_20_seconds_is_offline_and_goes_on_waiting_without_stealing() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let session = client.restore().await.unwrap().unwrap();
    let held = lock(&place.file).await;
    let began = std::time::Instant::now();
    let error = session.access_token().await.unwrap_err();
    assert!(matches!(error, Error::Offline(Offline::Waiting)), "{error}");
    assert!((20..22).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let mut watch = session.watch();
    while watch.next().await != Some(Status::Offline(Offline::Waiting)) {}
    assert_eq!(fake.refreshes().len(), 0);
    drop(held);
    assert_eq!(watch.next().await, Some(Status::In), "it went on by itself");
    assert_eq!(fake.refreshes(), ["rt0"]);
}

#[tokio::test]
async fn a_sign_out_elsewhere_is_noticed_and_another_users_sign_in_is_not_taken_over() {
    let (fake, place) = (Fake::start().await, place());
    fake.lives([0]);
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let here = sign_in(&client).await;
    client.restore().await.unwrap().unwrap().logout().await.unwrap();
    let error = here.access_token().await.unwrap_err();
    assert!(matches!(error, Error::SignedOut(Out::LeftElsewhere)), "{error}");

    fake.lives([0]);
    let here = sign_in(&client).await;
    sign_in(&client).await;
    let error = here.access_token().await.unwrap_err();
    assert!(matches!(error, Error::SignedOut(Out::Replaced)), "{error}");
    here.logout().await.unwrap();
    assert!(client.restore().await.unwrap().is_some(), "the other user stays");
    assert_eq!(fake.refreshes().len(), 0);
}

/// A disk that is really full, and then read-only: a small file system in a name space of the test's own.
#[tokio::test]
async fn a_full_or_read_only_disk_is_offline_and_exchanges_nothing() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    let disk = place.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let program = fake.program(&countersign_client::FileStorage::new(disk.join("session.json")));
    let program = program.as_std();
    let steps = r#"
        set -u; disk=$1 session=$2; shift 2
        mount -t tmpfs -o size=64k tmpfs "$disk" && cp "$session" "$disk" || exit 9
        head -c 200000 /dev/zero >"$disk/ballast"
        "$@"; echo "full: $?"
        rm "$disk/ballast"; mount -o remount,ro "$disk" || exit 9
        "$@"; echo "read-only: $?"
        mount -o remount,rw "$disk" || exit 9
        "$@"; echo "free: $?"
    "#;
    let mut all = tokio::process::Command::new("unshare");
    all.args(["--user", "--map-root-user", "--mount", "sh", "-c", steps, "sh"]);
    all.arg(&disk).arg(place.file.path()).arg(program.get_program()).args(program.get_args());
    all.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let done = all.output().await.unwrap();
    let (shown, told) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(shown, "full: 1\nread-only: 1\n200 OK\nGET at1 \nfree: 0\n", "{told}");
    assert_eq!(told.matches("Offline(Storage)").count(), 2, "{told}");
    assert_eq!(fake.refreshes(), ["rt0"]);
}

async fn lock(file: &countersign_client::FileStorage) -> countersign_client::Lock {
    use countersign_client::Storage as _;
    file.try_lock().await.unwrap().unwrap()
}
