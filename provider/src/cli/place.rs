//! From a configuration to its provider: the data folder, the store, the keys.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use countersign_provider::{
    Builder, Provider,
    clock::Clock,
    pages::Pages,
    store::{Kind, Store, open_mixed},
};

use super::Failure;
use crate::config::Config;

/// The provider of the configuration, for a command that changes records of a kind: refused where they live in the
/// memory of another process.
pub(crate) async fn reach(config: &Config, kind: Kind) -> Result<Provider, Failure> {
    check_reachable(config, kind)?;
    let issuer = config.issuer_of_commands();
    Ok(build(config, &issuer)?.build().await?)
}

/// Whether records of a kind live where another process can reach them.
pub(crate) fn check_reachable(config: &Config, kind: Kind) -> Result<(), Failure> {
    if config.forgets(kind) {
        return Err(Failure::Memory(kind));
    }
    Ok(())
}

/// What the provider of the configuration is made of.
pub(crate) fn build(config: &Config, issuer: &str) -> Result<Builder, Failure> {
    let clock = Clock::system();
    let builder = Provider::builder(issuer)
        .realm(config.realm.as_str())
        .store(store(config, &clock)?)
        .clock(clock)
        .master_key(config.master_key()?)
        .clients(config.clients.iter().cloned())
        .list_users(config.users.iter().cloned())
        .policy(config.policy.clone())
        .paths(config.paths.clone())
        .proxies(config.proxies.iter().copied());
    Ok(match &config.templates {
        Some(folder) => builder.pages(Pages::from_folder(host(issuer), folder)?),
        None => builder,
    })
}

/// The issuer's host.
pub(crate) fn host(issuer: &str) -> &str {
    let authority = issuer.split('/').nth(2).unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Opens the store, with the data folder if anything is kept there.
pub(crate) fn store(config: &Config, clock: &Clock) -> Result<Arc<dyn Store>, Failure> {
    if config.uses_data() {
        make_folder(&config.data)
            .map_err(|cause| Failure::Data { path: config.data.clone(), cause })?;
    }
    let store = open_mixed(config.stores(), &config.default_store(), clock)?;
    Ok(store)
}

/// Makes the folder, for this user alone, unless it is there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // That it may be read shows here, before an engine says so in words of its own.
    path.read_dir().map(drop)
}
