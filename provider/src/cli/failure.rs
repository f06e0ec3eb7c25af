//! Why a command was refused: one line that names the thing and what to do next.

use std::{io, net::SocketAddr, path::PathBuf};

use countersign_protocol::Denied;
use countersign_provider::{
    BuildError,
    authority::{ClientError, UserError},
    keys::KeyError,
    pages::PagesError,
    store::{Kind, OpenError},
};

use crate::config::Invalid;

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration cannot be.
    #[error(transparent)]
    Config(#[from] Invalid),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The provider cannot be put together.
    #[error(transparent)]
    Provider(#[from] BuildError),
    /// The templates are no good.
    #[error("templates: {0}")]
    Pages(#[from] PagesError),
    /// The ring of keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Somebody listens there already.
    #[error("{0} is in use by another process; stop that one, or choose another place by --listen")]
    InUse(SocketAddr),
    /// It cannot listen there.
    #[error(
        "cannot listen on {0}: {1}; choose an address of this machine and a port that this user may use"
    )]
    Listen(SocketAddr, #[source] io::Error),
    /// The data folder cannot be made or used.
    #[error(
        "the data folder {path}: {cause}; let this user read and write it, or name another by --data",
        path = path.display()
    )]
    Data { path: PathBuf, cause: io::Error },
    /// What is changed here would end with this command.
    #[error(
        "records of kind {0} are in memory, so that this command cannot reach those of a server; write [[user]] and \
         [[client]] into the configuration file, or keep them elsewhere by --store"
    )]
    Memory(Kind),
    /// The demo would be open to others.
    #[error(
        "--demo is for this machine alone: its page and its user are for everybody who reaches {0}; listen on \
         127.0.0.1 under an issuer on loopback, or leave --demo out"
    )]
    DemoOffLoopback(SocketAddr),
    /// The demo's secrets cannot be read or kept.
    #[error(
        "the demo's secrets in {path}: {cause}; let this user read and write the file, or remove it to get new ones",
        path = path.display()
    )]
    Demo { path: PathBuf, cause: io::Error },
    /// The demo's page cannot be made.
    #[error("the demo's page cannot be made: {0}; leave --demo out")]
    DemoPage(String),
    /// A user was not changed.
    #[error(transparent)]
    User(#[from] UserError),
    /// A client was not changed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no such grant.
    #[error(
        "no grant {0} is kept; `grant list` shows those that are, and what a token carries ends with its client or user"
    )]
    NoGrant(String),
    /// What was asked for was refused.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// Standard input or output.
    #[error("{0}: {1}")]
    Pipe(&'static str, #[source] io::Error),
    /// What came by standard input, or beside it, makes no sense.
    #[error("{0}")]
    Input(String),
    /// The log cannot be begun.
    #[error("log = {0:?}: {1}; write one such as info or info,countersign_provider=debug")]
    Log(String, String),
    /// No threads.
    #[error("cannot start threads: {0}; allow this user more of them")]
    Threads(#[source] io::Error),
    /// The certificate or its key is no good.
    #[error(
        "tls_cert {cert} and tls_key {key}: {cause}; give a chain of certificates and its private key, both PEM",
        cert = cert.display(),
        key = key.display()
    )]
    Certificate { cert: PathBuf, key: PathBuf, cause: io::Error },
    /// No certificate can be made for the issuer's host.
    #[error(
        "no certificate can be made for the issuer's host: {0}; give files by --tls-cert and --tls-key"
    )]
    AdHoc(#[source] io::Error),
    /// Something is amiss.
    #[error("{0} of these checks found something to do")]
    Unwell(usize),
    /// The server stopped by itself.
    #[error("the server stopped: {0}")]
    Serve(#[source] io::Error),
}
