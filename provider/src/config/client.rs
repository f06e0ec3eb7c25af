//! A client as a person describes it: by flags of `client add`, or by a `[[client]]` in the configuration file.
#![expect(clippy::doc_markdown, reason = "what stands at a flag is printed as it is by --help")]

use std::path::PathBuf;

use clap::Args;
use countersign_protocol::{
    ClientId, Scope, Secret,
    client::{ApplicationType, AuthMethod, Client, ClientSecret, GrantType},
    policy::{ClientLifetimes, Lifetime, Rotate, SessionsPerUser},
    secret::SecretHash,
};
use countersign_provider::authority::generate_client_id;
use serde::Deserialize;

use super::{
    Invalid, Span,
    values::{by_name, read_secret, secret, several},
};

/// What is said of a client. What is not said follows from the rest.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, as people write them"
)]
#[derive(Args, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientSpec {
    /// Its name on the wire [default: a random one]
    #[arg(long, value_parser = by_name::<ClientId>)]
    id: Option<ClientId>,

    /// Its name for people
    #[arg(long)]
    name: Option<String>,

    /// It can keep no secret: a program on a person's device, a page in the browser
    #[arg(long)]
    public: bool,

    /// It runs on a person's device: any port of its loopback address, schemes of its own
    #[arg(long)]
    native: bool,

    /// A grant type that it may use; may be repeated [default: authorization_code and refresh_token if it has a
    /// redirect URI, else client_credentials]
    #[arg(long = "grant", value_name = "GRANT", value_parser = by_name::<GrantType>)]
    grants: Vec<GrantType>,

    /// Where its users may be sent back to, letter by letter; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
    #[serde(deserialize_with = "several")]
    redirect_uris: Vec<String>,

    /// A scope that it may ask for; may be repeated
    #[arg(long, value_parser = by_name::<Scope>)]
    #[serde(deserialize_with = "several")]
    scope: Vec<Scope>,

    /// A scope that it gets when it asks for none; may be repeated [default: all that it may ask for]
    #[arg(long, value_name = "SCOPE", value_parser = by_name::<Scope>)]
    #[serde(deserialize_with = "several")]
    default_scope: Vec<Scope>,

    /// An origin whose pages may call the endpoints for it (CORS); may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    #[serde(deserialize_with = "several")]
    origins: Vec<String>,

    /// How it proves who it is: none, client_secret_basic, client_secret_post [default: client_secret_basic]
    #[arg(long, value_name = "METHOD", value_parser = by_name::<AuthMethod>)]
    auth: Option<AuthMethod>,

    /// It may introspect tokens, as a resource server does
    #[arg(long)]
    introspect: bool,

    /// It is the provider's own: nobody is asked for consent
    #[arg(long)]
    first_party: bool,

    /// Its authorization requests need no code challenge, for old software
    #[arg(long)]
    no_pkce: bool,

    /// Its grants are kept in the store, also those that their only token could carry
    #[arg(long)]
    keep_grants: bool,

    /// Whether its refresh tokens are rotated: public-bearer, always, never [default: as the provider does]
    #[arg(long, value_name = "WHEN", value_parser = by_name::<Rotate>)]
    rotate: Option<Rotate>,

    /// From when on its access tokens' life counts: fixed (their issue), sliding (their last use)
    #[arg(long, value_name = "HOW", value_parser = by_name::<Lifetime>)]
    lifetime: Option<Lifetime>,

    /// How many grants a user may have with it: many, one
    #[arg(long, value_name = "HOW MANY", value_parser = by_name::<SessionsPerUser>)]
    sessions_per_user: Option<SessionsPerUser>,

    /// How long its access tokens live [default: as the provider says]
    #[arg(long, value_name = "DURATION")]
    access_token: Option<Span>,

    /// How long a refresh token lives that nobody uses [default: as the provider says]
    #[arg(long, value_name = "DURATION")]
    refresh_idle: Option<Span>,

    /// How long a line of refresh tokens lives [default: as the provider says]
    #[arg(long, value_name = "DURATION")]
    refresh_cap: Option<Span>,

    /// How long the previous refresh token is answered with the same successor [default: as the provider says]
    #[arg(long, value_name = "DURATION")]
    leeway: Option<Span>,

    /// Its secret.
    #[arg(skip)]
    #[serde(deserialize_with = "secret")]
    secret: Option<Secret>,

    /// A file with its secret.
    #[arg(skip)]
    secret_file: Option<PathBuf>,

    /// The SHA-256 of its secret, in base64url.
    #[arg(skip)]
    secret_hash: Option<SecretHash>,
}

impl ClientSpec {
    /// The client to be registered, as yet without a secret.
    pub(crate) fn client(&self) -> Result<Client, Invalid> {
        let drawn = || ClientId::new(generate_client_id());
        let id = self.id.clone().or_else(drawn);
        let id = id.ok_or_else(|| self.refuse("it has no id; give one"))?;
        if self.public && self.auth.is_some_and(|method| method != AuthMethod::None) {
            return Err(self.refuse("a public client cannot prove who it is; leave auth out"));
        }
        Ok(Client {
            client_name: self.name.clone(),
            application_type: self.application_type(),
            token_endpoint_auth_method: self.auth_method(),
            redirect_uris: self.redirect_uris.clone(),
            grant_types: self.grant_types(),
            scope: together(&self.scope),
            default_scope: (!self.default_scope.is_empty()).then(|| together(&self.default_scope)),
            origins: self.origins.clone(),
            require_pkce: !self.no_pkce,
            introspect: self.introspect,
            first_party: self.first_party,
            rotate: self.rotate,
            lifetimes: self.lifetimes(),
            lifetime: self.lifetime.unwrap_or_default(),
            sessions_per_user: self.sessions_per_user.unwrap_or_default(),
            keep_grants: self.keep_grants,
            ..Client::new(id)
        })
    }

    /// The client of a configuration file, with its secret, checked.
    pub(super) fn configured(&self) -> Result<Client, Invalid> {
        if self.id.is_none() {
            return Err(self.refuse("it has no id; write one such as id = \"shop\""));
        }
        let mut client = self.client()?;
        let secrets = self.secrets()?;
        if client.is_public() && !secrets.is_empty() {
            return Err(self.refuse("a public client has no secret; leave it or public out"));
        }
        if !client.is_public() && secrets.is_empty() {
            return Err(self.refuse(
                "it needs secret, secret_file or secret_hash, or public = true if it can keep none",
            ));
        }
        client.secrets = secrets;
        let checked = client.check();
        checked.map_err(|why| self.refuse(&why.to_string()))?;
        Ok(client)
    }

    fn application_type(&self) -> ApplicationType {
        if self.native { ApplicationType::Native } else { ApplicationType::Web }
    }

    fn auth_method(&self) -> AuthMethod {
        if self.public {
            return AuthMethod::None;
        }
        self.auth.unwrap_or_default()
    }

    fn grant_types(&self) -> Vec<GrantType> {
        if !self.grants.is_empty() {
            return self.grants.clone();
        }
        if !self.redirect_uris.is_empty() {
            return vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
        }
        if self.auth_method() == AuthMethod::None {
            return Vec::new();
        }
        vec![GrantType::ClientCredentials]
    }

    fn lifetimes(&self) -> ClientLifetimes {
        let secs = |span: Option<Span>| span.map(|span| std::time::Duration::from(span).as_secs());
        ClientLifetimes {
            access_token: secs(self.access_token),
            refresh_idle: secs(self.refresh_idle),
            refresh_cap: secs(self.refresh_cap),
            leeway: secs(self.leeway),
        }
    }

    fn secrets(&self) -> Result<Vec<ClientSecret>, Invalid> {
        let file = self.secret_file.as_ref().map(|path| {
            let read = read_secret(path);
            read.map(|secret| SecretHash::of(&secret))
        });
        let file = file.transpose().map_err(|why| self.refuse(&why))?;
        let given = self.secret.as_ref().map(SecretHash::of);
        let hashes = given.into_iter().chain(file).chain(self.secret_hash.clone());
        Ok(hashes.map(lasting).collect())
    }

    fn refuse(&self, why: &str) -> Invalid {
        let id = self.id.as_ref().map_or("without an id", ClientId::as_str);
        Invalid::Client { id: id.into(), why: why.into() }
    }
}

fn lasting(hash: SecretHash) -> ClientSecret {
    ClientSecret { hash, expires: None }
}

fn together(scopes: &[Scope]) -> Scope {
    scopes.iter().flat_map(Scope::iter).collect()
}
