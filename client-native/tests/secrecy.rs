//! N3: no token where others look.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use crate::fake::{Fake, Reply, place, sign_in};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_error_or_debug_shows_a_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let guard = tracing::subscriber::set_default(subscriber.with_writer(log.clone()).finish());
    let (fake, place) = (Fake::start().await, place());
    let client = fake.client().client_secret("s3cret").storage(place.file.clone());
    let client = client.build().await.unwrap();
    fake.lives([0]);
    let session = sign_in(&client).await;
    for _ in 0..3 {
        fake.next("/token", Reply::CarriedOutAndCut);
    }
    let error = session.access_token().await.unwrap_err();
    session.access_token().await.unwrap();
    fake.set_up(false);
    let request = session.get(fake.url("/api?secret=at1"));
    let failed = request.send().await.unwrap_err();
    session.logout().await.unwrap();
    std::fs::write(place.file.path(), place.text().replace('{', "{\"rt0\":")).unwrap();
    let unreadable = client.restore().await.unwrap_err();
    drop(guard);

    let debug = format!("{client:?} {session:?} {error:?} {failed:?} {failed} {unreadable:?}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("did not answer"), "the log was looked at: {log}");
    for secret in ["at0", "at1", "rt0", "rt1", "s3cret", "wonderland", "Y2xpOnMzY3JldA"] {
        assert!(!debug.contains(secret), "{secret}: {debug}");
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// The example program's arguments, environment and output, while it waits with a refresh under way.
#[tokio::test]
async fn no_argument_environment_or_output_shows_a_secret() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    fake.next("/token", Reply::CarriedOutAndSilent);
    let mut program = fake.program(&place.file);
    let mut program = program.stderr(std::process::Stdio::piped()).spawn().unwrap();
    fake.until_seen("/token", 2).await;
    let process = format!("/proc/{}", program.id().unwrap());
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("{process}/{file}")).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains("rt0") && !text.contains("at0"), "{file}: {text}");
    }
    program.start_kill().unwrap();
    let told = program.wait_with_output().await.unwrap();
    assert!(told.stderr.is_empty(), "{told:?}");
}
