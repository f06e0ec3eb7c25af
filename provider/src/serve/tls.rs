//! TLS: by a certificate of our own making, or by files that are read again when they change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use axum_server::tls_rustls::RustlsConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{cli::Failure, config::Tls};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// What TLS is spoken with; `None`: it is not. Where it comes from files, they are followed from now on.
pub(super) async fn configure(tls: &Tls, host: &str) -> Result<Option<RustlsConfig>, Failure> {
    match tls {
        Tls::Off => Ok(None),
        Tls::AdHoc => ad_hoc(host).await.map(Some).map_err(Failure::AdHoc),
        Tls::Files { cert, key } => {
            let files = Files::new(cert, key);
            let config = RustlsConfig::from_pem_file(cert, key).await;
            let config = config.map_err(|cause| files.refuse(cause))?;
            let hangup = signal(SignalKind::hangup()).map_err(Failure::Serve)?;
            tokio::spawn(files.follow(hangup, config.clone()));
            Ok(Some(config))
        }
    }
}

/// A certificate that nobody vouches for, for this host and for this process alone.
async fn ad_hoc(host: &str) -> io::Result<RustlsConfig> {
    let names = vec![host.trim_matches(['[', ']']).to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    RustlsConfig::from_pem(cert.into_bytes(), key.into_bytes()).await
}

/// The files of a certificate, and when they were last changed.
struct Files {
    cert: PathBuf,
    key: PathBuf,
    changed: [Option<SystemTime>; 2],
}

impl Files {
    fn new(cert: &Path, key: &Path) -> Self {
        Self { cert: cert.into(), key: key.into(), changed: [cert, key].map(changed) }
    }

    fn refuse(&self, cause: io::Error) -> Failure {
        Failure::Certificate { cert: self.cert.clone(), key: self.key.clone(), cause }
    }

    /// Reads the files again when they have changed, and when SIGHUP says so. A pair that is no good changes nothing.
    async fn follow(mut self, mut hangup: Signal, config: RustlsConfig) {
        loop {
            let told = tokio::select! {
                told = hangup.recv() => told.is_some(),
                () = tokio::time::sleep(LOOK) => false,
            };
            let changed = [&self.cert, &self.key].map(|path| changed(path));
            if told || changed != self.changed {
                self.changed = changed;
                self.reload(&config).await;
            }
        }
    }

    async fn reload(&self, config: &RustlsConfig) {
        let cert = self.cert.display();
        match config.reload_from_pem_file(&self.cert, &self.key).await {
            Ok(()) => tracing::info!(%cert, "the certificate was read again"),
            Err(error) => {
                tracing::error!(%cert, %error, "the new certificate is no good; the old one stays in use");
            }
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|it| it.modified()).ok()
}
