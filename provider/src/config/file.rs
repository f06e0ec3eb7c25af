//! The configuration file.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use countersign_protocol::{
    client::{Client, GrantType},
    policy::{Rotate, UnknownScope},
};
use countersign_provider::users::ListedUser;
use serde::Deserialize;

use super::{
    ClientSpec, Invalid,
    lifetimes::LifetimeSpec,
    paths::PathSpec,
    user::UserSpec,
    values::{LogFormat, Network, Span, Stores, TlsMode, several},
};

/// What may stand in the file. The keys have the names of the flags, with `_` for `-`.
#[expect(clippy::struct_field_names, reason = "the keys of the file")]
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<SocketAddr>,
    pub(super) issuer: Option<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) store: Option<Stores>,
    pub(super) realm: Option<String>,
    pub(super) master_key_file: Option<PathBuf>,
    pub(super) tls: Option<TlsMode>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    #[serde(deserialize_with = "several")]
    pub(super) proxies: Vec<Network>,
    pub(super) templates: Option<PathBuf>,
    pub(super) drain: Option<Span>,
    pub(super) log: Option<String>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) grant_types: Option<Vec<GrantType>>,
    pub(super) rotate: Option<Rotate>,
    pub(super) unknown_scope: Option<UnknownScope>,
    pub(super) keep_grants: Option<bool>,
    pub(super) lifetimes: LifetimeSpec,
    pub(super) paths: PathSpec,
    client: Vec<ClientSpec>,
    user: Vec<UserSpec>,
}

impl File {
    /// The clients of the file, checked.
    pub(super) fn clients(&self) -> Result<Vec<Client>, Invalid> {
        self.client.iter().map(ClientSpec::configured).collect()
    }

    /// The users of the file.
    pub(super) fn users(&self) -> Result<Vec<ListedUser>, Invalid> {
        self.user.iter().map(UserSpec::listed).collect()
    }
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<File, Invalid> {
    let text = fs::read_to_string(path)
        .map_err(|cause| Invalid::Unreadable { path: path.into(), cause })?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<File, Invalid> {
    let malformed = |error: &toml::de::Error, key: Option<String>| {
        let line = error.span().map_or(1, |span| line(text, span.start));
        let key = key.map_or_else(String::new, |key| format!("{key}: "));
        Invalid::File {
            path: path.into(),
            line,
            what: format!("{key}{}", one_line(error.message())),
        }
    };
    let document = toml::Deserializer::parse(text).map_err(|error| malformed(&error, None))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let key = error.path().to_string();
        malformed(error.inner(), (key != ".").then_some(key))
    })
}

fn line(text: &str, offset: usize) -> usize {
    1 + text[..offset.min(text.len())].matches('\n').count()
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
