//! What is wrong with the configuration: one line that names the thing, its value and the remedy.

use std::{io, net::SocketAddr, path::PathBuf};

use clap::error::{ContextKind, ContextValue};
use countersign_provider::keys::KeyError;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    /// The file cannot be read.
    #[error("{path}: {cause}; give --config the path of a TOML file that this user may read", path = path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    /// The file is not TOML, or says something that cannot be.
    #[error("{path}:{line}: {what}", path = path.display())]
    File { path: PathBuf, line: usize, what: String },
    /// A variable of the environment says something that cannot be.
    #[error("{name} in the environment: {why}")]
    Variable { name: String, why: String },
    /// A lifetime is too long, too short, or contradicts another.
    #[error("lifetimes.{0} {1}")]
    Lifetime(&'static str, String),
    /// A client does not hold together.
    #[error("client {id}: {why}")]
    Client { id: String, why: String },
    /// A user does not hold together.
    #[error("user {username}: {why}")]
    User { username: String, why: String },
    /// Two ways to speak TLS.
    #[error("tls = adhoc and tls_cert exclude one another; leave one of them out")]
    TlsTwice,
    /// Half a certificate.
    #[error("tls_cert and tls_key need one another; give both, or neither")]
    TlsHalf,
    /// Listening for others without a name.
    #[error(
        "listening on {0} needs an issuer: say --issuer https://… as applications know this provider, or listen on \
         127.0.0.1"
    )]
    IssuerUnset(SocketAddr),
    /// Passwords and tokens would go over the network in clear.
    #[error(
        "the issuer {0} is plain http and not on loopback; give an https URL, and TLS by --tls-cert and --tls-key or \
         by a proxy in front"
    )]
    IssuerPlain(String),
    /// The issuer is no URL.
    #[error(
        "the issuer {0:?} is no URL without query and fragment; write one such as https://id.example"
    )]
    IssuerMalformed(String),
    /// The master key in the environment is none.
    #[error(transparent)]
    MasterKey(#[from] KeyError),
}

impl Invalid {
    /// From what clap says when it has read the environment alone.
    pub(super) fn variable(error: &clap::Error) -> Self {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            _ => String::new(),
        };
        let flag = context(ContextKind::InvalidArg);
        let flag = flag.split([' ', '=', '[']).next().unwrap_or_default();
        let name = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
        let why = match std::error::Error::source(error) {
            Some(source) => source.to_string(),
            None => format!("{:?} is not possible", context(ContextKind::InvalidValue)),
        };
        Self::Variable { name: format!("COUNTERSIGN_{name}"), why }
    }
}
