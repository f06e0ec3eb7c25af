//! `countersign doctor`: looks at everything that a server needs, and says what to do about what it finds.

use std::{fmt::Display, fs, os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use countersign_protocol::{
    Timestamp,
    discovery::{Issuer, Metadata, PlainHttp},
};
use countersign_provider::{
    clock::Clock,
    keys::Keys,
    record::{Document, Records},
    store::{Key, Kind, Store, open_mixed},
};
use serde::{Deserialize, Serialize};

use super::{Failure, Output};
use crate::config::{Config, Tls};

/// How long the issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A skew that does no harm.
const SKEW: Duration = Duration::from_secs(5);

/// What was found of one thing.
#[derive(Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    says: String,
}

impl Finding {
    fn well(check: &'static str, says: impl Display) -> Self {
        Self { check, ok: true, says: says.to_string() }
    }

    fn unwell(check: &'static str, says: impl Display) -> Self {
        Self { check, ok: false, says: says.to_string() }
    }

    fn line(&self) -> String {
        let sign = if self.ok { "ok      " } else { "TO DO   " };
        format!("{sign}{}: {}", self.check, self.says)
    }
}

/// Does it. It changes nothing but a mark in the store that it removes again.
pub(crate) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let mut findings = vec![Finding::well("configuration", "holds together")];
    findings.extend(data(config));
    findings.extend(records(config).await);
    findings.push(issuer(config).await);
    let lines: Vec<_> = findings.iter().map(Finding::line).collect();
    output.show(&findings, lines.join("\n"))?;
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(()),
        count => Err(Failure::Unwell(count)),
    }
}

fn data(config: &Config) -> Option<Finding> {
    let check = "data folder";
    if !config.uses_data() {
        return None;
    }
    let path = config.data.display();
    let metadata = match fs::metadata(&config.data) {
        Ok(metadata) => metadata,
        Err(error) => {
            let remedy = "`countersign serve` makes it, if it may";
            return Some(Finding::unwell(check, format!("{path}: {error}; {remedy}")));
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    Some(if !metadata.is_dir() {
        Finding::unwell(check, format!("{path} is no folder; name another by --data"))
    } else if mode & 0o077 != 0 {
        let says = format!("{path} is open to other users ({mode:o}); run `chmod 700 {path}`");
        Finding::unwell(check, says)
    } else {
        Finding::well(check, format!("{path} is this user's alone"))
    })
}

async fn records(config: &Config) -> Vec<Finding> {
    let check = "store";
    if config.uses_data() && !config.data.is_dir() {
        return vec![Finding::unwell(check, "is not there yet; `countersign serve` makes it")];
    }
    let clock = Clock::system();
    let store = match open_mixed(config.stores(), &config.default_store(), &clock) {
        Ok(store) => store,
        Err(error) => return vec![Finding::unwell(check, error)],
    };
    vec![
        writes(config, &store, &clock).await,
        skew(&store, &clock).await,
        ring(config, store, clock).await,
    ]
}

/// A mark that comes and goes.
#[derive(Clone, Serialize, Deserialize)]
struct Mark {
    expires: Timestamp,
}

impl Document for Mark {
    const KIND: Kind = Kind::Replay;

    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

async fn writes(config: &Config, store: &Arc<dyn Store>, clock: &Clock) -> Finding {
    let check = "store";
    let realm: Arc<str> = config.realm.as_str().into();
    let records = Records::new(store.clone(), realm, clock.clone());
    let mark = Mark { expires: clock.now() + Duration::from_mins(1) };
    let id = format!("doctor-{}", std::process::id());
    let written = async {
        records.create(&id, &mark).await?;
        records.delete::<Mark>(&id).await
    };
    match written.await {
        Ok(_) => Finding::well(check, "reads and writes"),
        Err(denied) => Finding::unwell(
            check,
            format!("{denied}; see that it runs, and that this user may write it"),
        ),
    }
}

async fn skew(store: &Arc<dyn Store>, clock: &Clock) -> Finding {
    let check = "clock";
    match store.time().await {
        Ok(None) => Finding::well(check, "the store has none of its own"),
        Ok(Some(time)) => {
            let now = clock.now();
            let skew = time.since(now).max(now.since(time));
            if skew > SKEW {
                let says = format!("this machine's and the store's differ by {skew:?}; set them");
                return Finding::unwell(check, says);
            }
            Finding::well(check, "this machine's and the store's agree")
        }
        Err(error) => Finding::unwell(check, error),
    }
}

async fn ring(config: &Config, store: Arc<dyn Store>, clock: Clock) -> Finding {
    let check = "master key";
    if config.forgets(Kind::Key) {
        return Finding::well(check, "is drawn at each start, as the keys live in memory");
    }
    let realm: Arc<str> = config.realm.as_str().into();
    let ring = Key { issuer: realm.clone(), kind: Kind::Key, id: "ring".into() };
    match store.get(&ring).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            return Finding::unwell(check, "there are no keys yet; `countersign serve` makes them");
        }
        Err(error) => return Finding::unwell(check, error),
    }
    let master = match config.master_key() {
        Ok(master) => master,
        Err(error) => return Finding::unwell(check, error),
    };
    match Keys::open(store, realm, master, clock, config.policy.longest()).await {
        Ok(keys) => Finding::well(check, format!("opens the ring (keys: {})", keys.list().len())),
        Err(error) => Finding::unwell(check, error),
    }
}

async fn issuer(config: &Config) -> Finding {
    let check = "issuer";
    let issuer = match config.issuer(config.listen) {
        Ok(issuer) => issuer,
        Err(error) => return Finding::unwell(check, error),
    };
    match metadata(config, &issuer).await {
        Ok(()) => Finding::well(check, format!("{issuer} answers with its metadata")),
        Err(why) => Finding::unwell(check, format!("{issuer}: {why}")),
    }
}

/// Asks the issuer for its metadata as an application does.
async fn metadata(config: &Config, issuer: &str) -> Result<(), String> {
    let issuer = Issuer::parse(issuer, PlainHttp::Loopback).map_err(|error| error.to_string())?;
    let url = issuer.metadata_url();
    let ours = config.tls == Tls::AdHoc && issuer.origin().is_loopback();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        // A certificate that the server made for itself is one that nobody vouches for.
        .tls_danger_accept_invalid_certs(ours)
        .no_proxy()
        .build();
    let answer = client.map_err(|error| chain(&error))?.get(&url).send().await;
    let answer = answer.map_err(|error| {
        format!(
            "{}; see that a server runs, and that names, ports and certificates lead to it",
            chain(&error)
        )
    })?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("{url} answers {status}; see that proxies in between lead there"));
    }
    let body = answer.bytes().await.map_err(|error| chain(&error))?;
    let metadata = serde_json::from_slice::<Metadata>(&body);
    let metadata =
        metadata.map_err(|_| format!("{url} answers no metadata; another server is there"))?;
    let checked = issuer.check(metadata);
    checked.map(drop).map_err(|why| {
        format!("{url}: {why}; set the issuer of that server and of this command to the same")
    })
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
