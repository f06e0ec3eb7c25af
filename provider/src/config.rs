//! What can be set: by flag, by environment, in the configuration file (in this order), or else by default.
//!
//! # Adding a setting
//! Give it a flag in [`flags`], a key in [`mod@file`], and its default with the reason in [`Config::resolve`].

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use countersign_protocol::{
    Secret,
    client::Client,
    discovery::{Distrust, Issuer, PlainHttp},
    policy::Policy,
};
use countersign_provider::{Paths, keys::MasterKey, store::Kind, users::ListedUser};
use ipnet::IpNet;

mod client;
mod file;
mod flags;
mod invalid;
mod lifetimes;
mod paths;
mod user;
mod values;

pub(crate) use self::{
    client::ClientSpec,
    flags::{Place, Serving},
    invalid::Invalid,
    values::{LogFormat, Span, by_name},
};
use self::{file::File, values::TlsMode};

/// The variable that may hold the master key itself; what holds its path is `COUNTERSIGN_MASTER_KEY_FILE`.
const MASTER_KEY: &str = "COUNTERSIGN_MASTER_KEY";

/// Everything that was set, checked, with the defaults for what was not.
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    issuer: Option<String>,
    pub(crate) data: PathBuf,
    stores: Vec<String>,
    pub(crate) realm: String,
    master_key_file: PathBuf,
    pub(crate) tls: Tls,
    pub(crate) proxies: Vec<IpNet>,
    pub(crate) templates: Option<PathBuf>,
    pub(crate) drain: Duration,
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
    pub(crate) demo: bool,
    pub(crate) policy: Policy,
    pub(crate) paths: Paths,
    pub(crate) clients: Vec<Client>,
    pub(crate) users: Vec<ListedUser>,
}

/// How the listener speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Plain http: on loopback, or behind a proxy that speaks TLS.
    Off,
    /// With a certificate of its own making.
    AdHoc,
    /// With these files.
    Files { cert: PathBuf, key: PathBuf },
}

impl Config {
    /// Reads the file that is named, if one is, and puts all together.
    pub(crate) fn load(place: Place, serving: Serving) -> Result<Self, Invalid> {
        let file = match &place.config {
            Some(path) => file::read(path)?,
            None => File::default(),
        };
        Self::resolve(place, serving, file)
    }

    fn resolve(place: Place, serving: Serving, file: File) -> Result<Self, Invalid> {
        let (clients, users) = (file.clients()?, file.users()?);
        let policy = policy(&serving, &file)?;
        // Loopback: nobody else reaches a provider that was not yet told who it is.
        let listen = place.listen.or(file.listen);
        let listen = listen.unwrap_or((Ipv4Addr::LOCALHOST, 8080).into());
        // Beside where the command was started, so that a first try needs no right and leaves no trace elsewhere.
        let data = place.data.or(file.data).unwrap_or_else(|| "data".into());
        let master_key_file = place.master_key_file.or(file.master_key_file);
        let config = Self {
            listen,
            issuer: place.issuer.or(file.issuer),
            stores: values::together(place.store, file.store),
            // One provider a store is what most have.
            realm: place.realm.or(file.realm).unwrap_or("default".into()),
            // With the database, so that both are backed up together; who wants them apart says so.
            master_key_file: master_key_file.unwrap_or_else(|| data.join("master.key")),
            data,
            tls: tls(
                (serving.tls, serving.tls_cert, serving.tls_key),
                (file.tls, file.tls_cert, file.tls_key),
            )?,
            // None: anybody can write that header.
            proxies: nets(serving.proxies.unwrap_or(file.proxies)),
            templates: serving.templates.or(file.templates),
            // A balancer that looks every second has seen it by then.
            drain: (serving.drain.or(file.drain)).map_or(Duration::from_secs(1), Into::into),
            log: serving.log.or(file.log),
            log_format: serving.log_format.or(file.log_format).unwrap_or_default(),
            demo: serving.demo,
            policy,
            paths: file.paths.paths(),
            clients,
            users,
        };
        config.check_issuer()?;
        Ok(config)
    }

    /// The issuer of a provider that listens there. Without one that was set it is the address itself, if that is on
    /// this machine.
    pub(crate) fn issuer(&self, address: SocketAddr) -> Result<String, Invalid> {
        match &self.issuer {
            Some(issuer) => Ok(issuer.clone()),
            None if address.ip().is_loopback() => Ok(format!("{}://{address}", self.scheme())),
            None => Err(Invalid::IssuerUnset(address)),
        }
    }

    /// The issuer for a command that changes records, which no URL is part of.
    pub(crate) fn issuer_of_commands(&self) -> String {
        let issuer = self.issuer.clone();
        issuer.unwrap_or_else(|| "http://localhost".into())
    }

    fn scheme(&self) -> &'static str {
        if self.tls == Tls::Off { "http" } else { "https" }
    }

    fn check_issuer(&self) -> Result<(), Invalid> {
        let Some(issuer) = &self.issuer else {
            return Ok(());
        };
        match Issuer::parse(issuer, PlainHttp::Loopback) {
            Ok(_) => Ok(()),
            Err(Distrust::IssuerInsecure) => Err(Invalid::IssuerPlain(issuer.clone())),
            Err(_) => Err(Invalid::IssuerMalformed(issuer.clone())),
        }
    }

    /// Where records are kept, as `--store` says it.
    pub(crate) fn stores(&self) -> &[String] {
        &self.stores
    }

    /// Where records are kept that `--store` says nothing of.
    pub(crate) fn default_store(&self) -> String {
        format!("sqlite:{}", self.data.join("countersign.db").display())
    }

    /// Where records of this kind are kept.
    pub(crate) fn store_of(&self, kind: Kind) -> String {
        let own = format!("{kind}=");
        let own = self.stores.iter().find_map(|it| it.strip_prefix(&own));
        let all = || self.stores.iter().find(|it| values::is_for_all(it));
        let url = own.map(str::to_owned).or_else(|| all().cloned());
        url.unwrap_or_else(|| self.default_store())
    }

    /// Whether records of this kind end with the process.
    pub(crate) fn forgets(&self, kind: Kind) -> bool {
        let url = self.store_of(kind);
        url == "memory" || url.starts_with("memory:")
    }

    /// Whether anything is kept in the data folder: the database, or the master key.
    pub(crate) fn uses_data(&self) -> bool {
        let in_data = |kind| self.store_of(kind) == self.default_store();
        let key_in_data = !self.forgets(Kind::Key) && self.master_key_file.starts_with(&self.data);
        key_in_data || Kind::ALL.into_iter().any(in_data)
    }

    /// Where the master key is. While the ring lives in memory, it needs none that outlives it.
    pub(crate) fn master_key(&self) -> Result<MasterKey, Invalid> {
        if self.forgets(Kind::Key) {
            return Ok(MasterKey::generate());
        }
        match std::env::var(MASTER_KEY) {
            Ok(text) => Ok(MasterKey::from_text(MASTER_KEY, &Secret::new(text))?),
            Err(_) => Ok(MasterKey::file(&self.master_key_file)),
        }
    }
}

fn nets(networks: Vec<values::Network>) -> Vec<IpNet> {
    networks.into_iter().map(Into::into).collect()
}

type TlsSettings = (Option<TlsMode>, Option<PathBuf>, Option<PathBuf>);

/// How TLS is spoken: as the flags say, if they say anything of it, else as the file does. Not at all by default, which only
/// loopback and a proxy in front allow.
fn tls(flags: TlsSettings, file: TlsSettings) -> Result<Tls, Invalid> {
    let settings = if flags == (None, None, None) { file } else { flags };
    match settings {
        (None, None, None) => Ok(Tls::Off),
        (Some(TlsMode), None, None) => Ok(Tls::AdHoc),
        (None, Some(cert), Some(key)) => Ok(Tls::Files { cert, key }),
        (Some(TlsMode), ..) => Err(Invalid::TlsTwice),
        (None, ..) => Err(Invalid::TlsHalf),
    }
}

fn policy(serving: &Serving, file: &File) -> Result<Policy, Invalid> {
    let default = Policy::default();
    let grant_types = serving.grant_types.as_ref().or(file.grant_types.as_ref());
    let mut lifetimes = default.lifetimes;
    file.lifetimes.apply(&mut lifetimes);
    if let Some(spec) = &serving.lifetime {
        spec.apply(&mut lifetimes);
    }
    lifetimes::check(&lifetimes)?;
    Ok(Policy {
        lifetimes,
        // All: what a client may use is said with the client.
        grant_types: grant_types.cloned().unwrap_or(default.grant_types),
        rotate: serving.rotate.or(file.rotate).unwrap_or(default.rotate),
        unknown_scope: (serving.unknown_scope.or(file.unknown_scope))
            .unwrap_or(default.unknown_scope),
        // A token that carries its grant costs the store nothing.
        keep_grants: serving.keep_grants || file.keep_grants.unwrap_or(default.keep_grants),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The file that shows every setting.
    const EXAMPLE: &str = include_str!("../countersign.example.toml");

    fn resolved(text: &str) -> Config {
        let file = file::parse(Path::new("c.toml"), text).unwrap();
        Config::resolve(Place::default(), Serving::default(), file).unwrap()
    }

    #[test]
    fn the_example_says_the_defaults() {
        let (said, default) = (resolved(EXAMPLE), resolved(""));
        assert_eq!(said.listen, default.listen);
        assert_eq!(said.issuer(said.listen).unwrap(), default.issuer(default.listen).unwrap());
        assert_eq!(said.data, default.data);
        assert_eq!(said.store_of(Kind::Grant), default.store_of(Kind::Grant));
        assert_eq!(said.realm, default.realm);
        assert_eq!(said.master_key_file, default.master_key_file);
        assert_eq!((said.tls, said.proxies), (default.tls, default.proxies));
        assert_eq!(said.drain, default.drain);
        assert_eq!(said.policy, default.policy);
        for endpoint in
            ["authorize", "sign-in", "consent", "logout", "token", "introspect", "revoke"]
        {
            assert!(EXAMPLE.contains(&format!("\"/oauth/{endpoint}\"")));
        }
    }

    /// What is commented out in the example is right too.
    #[test]
    fn the_example_shows_a_client_and_a_user() {
        let folder = tempfile::tempdir().unwrap();
        let at = EXAMPLE.find("# [[client]]").unwrap();
        let mut text = EXAMPLE[at..].replace("\n# ", "\n").replace("\n#\n", "\n");
        for secret in ["shop.secret", "ada.password"] {
            let path = folder.path().join(secret);
            std::fs::write(&path, "analytical engine\n").unwrap();
            text = text.replace(secret, &path.display().to_string());
        }
        let config = resolved(text.trim_start_matches("# "));
        assert_eq!(config.clients[0].display_name(), "The Shop");
        assert_eq!(config.users[0].username, "ada");
    }

    #[test]
    fn flags_about_tls_replace_those_of_the_file() {
        let files = || (None, Some("cert".into()), Some("key".into()));
        let ad_hoc = || (Some(TlsMode), None, None);
        assert_eq!(tls(ad_hoc(), files()).unwrap(), Tls::AdHoc);
        assert!(matches!(tls(files(), ad_hoc()).unwrap(), Tls::Files { .. }));
        assert!(tls((Some(TlsMode), Some("cert".into()), None), ad_hoc()).is_err());
        assert!(tls((None, Some("cert".into()), None), files()).is_err());
    }

    #[test]
    fn the_issuer_is_the_address_only_on_loopback() {
        let config = resolved("");
        let issuer = |address: &str| config.issuer(address.parse().unwrap());
        assert_eq!(issuer("[::1]:9").unwrap(), "http://[::1]:9");
        assert!(issuer("192.0.2.1:9").is_err());
        let tls = resolved("tls = \"adhoc\"");
        assert_eq!(tls.issuer(tls.listen).unwrap(), "https://127.0.0.1:8080");
    }

    #[test]
    fn kinds_in_memory_are_known() {
        let config = resolved("[store]\nall = \"memory:\"\nuser = \"sqlite:u.db\"");
        assert!(config.forgets(Kind::Key) && !config.forgets(Kind::User));
        assert!(!config.uses_data());
        let config = resolved("[store]\nlimit = \"memory:?records=9\"");
        assert!(config.forgets(Kind::Limit) && !config.forgets(Kind::Key));
        assert!(config.uses_data());
    }
}
