//! The flags, each of which may stand in the environment: `--tls-cert` as `COUNTERSIGN_TLS_CERT`.
#![expect(clippy::doc_markdown, reason = "what stands at a flag is printed as it is by --help")]

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser};
use countersign_protocol::{
    client::GrantType,
    policy::{Rotate, UnknownScope},
};

use super::{
    Invalid,
    lifetimes::LifetimeSpec,
    values::{LogFormat, Network, Span, Stores, TlsMode, by_name},
};

/// Which provider is meant: every command takes these.
#[derive(Args, Default)]
#[command(next_help_heading = "Which provider (each also as COUNTERSIGN_… in the environment)")]
pub(crate) struct Place {
    /// The configuration file (TOML)
    #[arg(long, env = "COUNTERSIGN_CONFIG", hide_env = true, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// The data folder, with the database and the master key [default: data]
    #[arg(long, env = "COUNTERSIGN_DATA", hide_env = true, global = true, value_name = "FOLDER")]
    pub(super) data: Option<PathBuf>,

    /// Where records are kept: sqlite:PATH, memory:, or for one kind KIND=URL; may be repeated
    /// [default: sqlite:DATA/countersign.db]
    #[arg(long, env = "COUNTERSIGN_STORE", hide_env = true, global = true, value_name = "URL")]
    pub(super) store: Option<Vec<Stores>>,

    /// Where the server listens [default: 127.0.0.1:8080]
    #[arg(
        long,
        env = "COUNTERSIGN_LISTEN",
        hide_env = true,
        global = true,
        value_name = "ADDRESS:PORT"
    )]
    pub(super) listen: Option<SocketAddr>,

    /// The URL that applications know the provider by [default: where it listens, if on loopback]
    #[arg(long, env = "COUNTERSIGN_ISSUER", hide_env = true, global = true, value_name = "URL")]
    pub(super) issuer: Option<String>,

    /// The name that its records bear; providers that share a store need one each [default: default]
    #[arg(long, env = "COUNTERSIGN_REALM", hide_env = true, global = true, value_name = "NAME")]
    pub(super) realm: Option<String>,

    /// The file with the master key; COUNTERSIGN_MASTER_KEY may hold the key itself
    /// [default: DATA/master.key]
    #[arg(
        long,
        env = "COUNTERSIGN_MASTER_KEY_FILE",
        hide_env = true,
        global = true,
        value_name = "FILE"
    )]
    pub(super) master_key_file: Option<PathBuf>,
}

/// How it serves.
#[derive(Args, Default)]
#[command(next_help_heading = "How it serves (each also as COUNTERSIGN_… in the environment)")]
pub(crate) struct Serving {
    /// Also a client, a service and a user to try things with, and a guarded /api/me; on loopback only
    #[arg(long, env = "COUNTERSIGN_DEMO", hide_env = true)]
    pub(super) demo: bool,

    /// Speak TLS by a certificate that is made at each start
    #[arg(long, env = "COUNTERSIGN_TLS", hide_env = true, value_name = "adhoc")]
    pub(super) tls: Option<TlsMode>,

    /// Speak TLS by this chain of certificates (PEM), read again when it changes and on SIGHUP
    #[arg(long, env = "COUNTERSIGN_TLS_CERT", hide_env = true, value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// The private key of the certificate (PEM)
    #[arg(long, env = "COUNTERSIGN_TLS_KEY", hide_env = true, value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Networks of proxies whose X-Forwarded-For is believed, separated by commas
    #[arg(
        long,
        env = "COUNTERSIGN_PROXIES",
        hide_env = true,
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub(super) proxies: Option<Vec<Network>>,

    /// A folder of templates, texts and a style sheet in place of the built-in ones
    #[arg(long, env = "COUNTERSIGN_TEMPLATES", hide_env = true, value_name = "FOLDER")]
    pub(super) templates: Option<PathBuf>,

    /// From readiness saying no to the listener closing, after SIGTERM [default: 1s]
    #[arg(long, env = "COUNTERSIGN_DRAIN", hide_env = true, value_name = "DURATION")]
    pub(super) drain: Option<Span>,

    /// What is logged: error, warn, info, debug, trace, or by part as in info,countersign_provider=debug
    /// [default: info]
    #[arg(long, env = "COUNTERSIGN_LOG", hide_env = true, value_name = "FILTER")]
    pub(super) log: Option<String>,

    /// How a line of the log is written: text, json [default: text]
    #[arg(long, env = "COUNTERSIGN_LOG_FORMAT", hide_env = true, value_name = "FORMAT", value_parser = by_name::<LogFormat>)]
    pub(super) log_format: Option<LogFormat>,

    /// The grant types on offer, separated by commas [default: all]
    #[arg(long, env = "COUNTERSIGN_GRANT_TYPES", hide_env = true, value_name = "GRANT", value_delimiter = ',', value_parser = by_name::<GrantType>)]
    pub(super) grant_types: Option<Vec<GrantType>>,

    /// Whose refresh tokens are rotated: public-bearer, always, never [default: public-bearer]
    #[arg(long, env = "COUNTERSIGN_ROTATE", hide_env = true, value_name = "WHOSE", value_parser = by_name::<Rotate>)]
    pub(super) rotate: Option<Rotate>,

    /// What becomes of a scope that a client may not have: refuse, drop [default: refuse]
    #[arg(long, env = "COUNTERSIGN_UNKNOWN_SCOPE", hide_env = true, value_name = "WHAT", value_parser = by_name::<UnknownScope>)]
    pub(super) unknown_scope: Option<UnknownScope>,

    /// Keep every grant in the store, also those that their only token could carry
    #[arg(long, env = "COUNTERSIGN_KEEP_GRANTS", hide_env = true)]
    pub(super) keep_grants: bool,

    /// How long things live: NAME=DURATION, separated by commas; the names are those of the table "lifetimes" in the file
    #[arg(long, env = "COUNTERSIGN_LIFETIME", hide_env = true, value_name = "NAME=DURATION")]
    pub(super) lifetime: Option<LifetimeSpec>,
}

/// The environment alone.
#[derive(Parser)]
struct Environment {
    #[command(flatten)]
    _place: Place,
    #[command(flatten)]
    serving: Serving,
}

impl Serving {
    /// What the environment says, for commands that have no flags for it. [`Invalid`] names the variable that holds
    /// no such thing, whether it is of this group or of [`Place`].
    pub(crate) fn from_environment() -> Result<Self, Invalid> {
        let read = Environment::try_parse_from(["countersign"]);
        Ok(read.map_err(|error| Invalid::variable(&error))?.serving)
    }
}
