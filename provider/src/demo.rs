//! `serve --demo`: a user, a client and a service to try things with, an API to call, and a page that says how.
//!
//! What is secret is generated once an installation and kept beside the database, so that the same credentials work
//! after a restart; there is no default password.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    http::{
        HeaderMap,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST},
    },
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_protocol::{
    ClientId, Secret,
    client::{ApplicationType, AuthMethod, Client, ClientSecret, GrantType},
    discovery::Issuer,
    endpoint::Origin,
    secret::SecretHash,
};
use countersign_provider::{
    Builder, Provider,
    authority::{generate_password, generate_secret},
    guard::Authorized,
    users::ListedUser,
};
use minijinja::{Environment, value::Serde};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    cli::{Failure, place},
    config::Config,
};

/// Where the secrets are kept, in the data folder.
const FILE: &str = "demo.json";
const USER: &str = "demo";
const CLIENT: &str = "demo";
const SERVICE: &str = "demo-service";
/// What clients of the demo may ask for. The API asks for the first.
const SCOPES: [&str; 2] = ["profile", "email"];

const STYLE: &str = include_str!("pages/style.css");
const OWN_STYLE: &str = include_str!("demo/page.css");
const SCRIPT: &str = include_str!("demo/page.js");
const PAGE: &str = include_str!("demo/page.html");

/// The demo of one installation.
pub(crate) struct Demo {
    secrets: Secrets,
    issuer: Issuer,
    file: String,
}

/// What is generated once.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    user: UserSecret,
    service: ServiceSecret,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserSecret {
    username: String,
    password: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceSecret {
    client_id: String,
    client_secret: Secret,
}

impl Demo {
    /// The demo that the configuration asks for. Its secrets are generated if they are not there yet. Off loopback it is
    /// refused: everybody could use it.
    pub(crate) fn open(
        config: &Config,
        address: SocketAddr,
        issuer: &Issuer,
    ) -> Result<Option<Self>, Failure> {
        if !config.demo {
            return Ok(None);
        }
        if !address.ip().is_loopback() || !issuer.origin().is_loopback() {
            return Err(Failure::DemoOffLoopback(address));
        }
        let path = config.data.join(FILE);
        let secrets =
            keep(&config.data, &path).map_err(|cause| Failure::Demo { path: path.clone(), cause });
        Ok(Some(Self {
            secrets: secrets?,
            issuer: issuer.clone(),
            file: path.display().to_string(),
        }))
    }

    /// Adds the user, the client and the service.
    pub(crate) fn furnish(&self, builder: Builder) -> Builder {
        let user = ListedUser {
            name: Some("Demo User".into()),
            ..ListedUser::new(USER, self.secrets.user.password.clone())
        };
        let clients = [client(&self.issuer), service(&self.secrets.service)];
        let builder = match ClientId::new(CLIENT) {
            Some(client) => builder.form_client(client),
            None => builder,
        };
        builder.clients(clients.into_iter().flatten()).list_users([user])
    }

    /// The page and the API, which stand at the host's root whatever path the issuer has.
    pub(crate) fn routes(&self, provider: &Provider) -> Result<Router, Failure> {
        let page = self.page()?;
        let (issuer, here) = (self.issuer.origin().clone(), self.address());
        let api =
            Router::new().route("/api/me", get(me)).layer(provider.guard().require([SCOPES[0]]));
        let page = get(async move |headers: HeaderMap| {
            if is_another_name(&headers, &issuer) {
                return Redirect::to(&here).into_response();
            }
            page.into_response()
        });
        Ok(provider.lock_down(Router::new().route("/", page).merge(api)))
    }

    /// What is said at each start, for programs.
    pub(crate) fn describe(&self) -> Value {
        json!({
            "page": self.address(),
            "client_id": CLIENT,
            "user": self.secrets.user,
            "service": self.secrets.service,
        })
    }

    /// What is said at each start, for people.
    pub(crate) fn words(&self) -> String {
        let Secrets { user, service } = &self.secrets;
        format!(
            "The service {} has the secret {}\nOpen {} and sign in as {} with the password {}",
            service.client_id,
            service.client_secret.expose(),
            self.address(),
            user.username,
            user.password.expose(),
        )
    }

    fn address(&self) -> String {
        format!("{}/", self.issuer.origin())
    }

    fn page(&self) -> Result<Page, Failure> {
        let values = json!({
            "issuer": self.issuer.as_str().trim_end_matches('/'),
            "file": self.file,
            "style": STYLE,
            "own_style": OWN_STYLE,
            "script": SCRIPT,
        });
        // Its name says that values are to be escaped.
        let html = Environment::new().render_named_str("page.html", PAGE, Serde(values));
        let html = html.map_err(|error| Failure::DemoPage(error.to_string()))?;
        let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
        let (style, own_style, script) = (hash(STYLE), hash(OWN_STYLE), hash(SCRIPT));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}' 'sha256-{own_style}'; \
             script-src 'self' 'sha256-{script}' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Ok(Page { html, policy })
    }
}

/// The page, and what it may do.
#[derive(Clone)]
struct Page {
    html: String,
    policy: String,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (CONTENT_SECURITY_POLICY, &self.policy),
        ];
        (headers, self.html).into_response()
    }
}

/// Whether a page is asked for under another name of this machine than the issuer's: a cookie of the one would not be
/// seen by the other.
fn is_another_name(headers: &HeaderMap, issuer: &Origin) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let scheme = issuer.to_string();
    let scheme = scheme.split(':').next().unwrap_or_default();
    let asked = host.and_then(|host| Origin::parse(&format!("{scheme}://{host}")));
    asked.is_some_and(|asked| {
        asked.is_loopback() && asked.port() == issuer.port() && asked != *issuer
    })
}

/// What the access token of the request says.
async fn me(access: Authorized) -> Response {
    let said = json!({
        "subject": access.subject,
        "client": access.client,
        "scope": access.scope,
    });
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, said.to_string()).into_response()
}

/// A client for programs on this machine and for pages of this provider.
fn client(issuer: &Issuer) -> Option<Client> {
    Some(Client {
        client_name: Some("Countersign demo".into()),
        application_type: ApplicationType::Native,
        token_endpoint_auth_method: AuthMethod::None,
        redirect_uris: vec![
            "http://127.0.0.1/callback".into(),
            "http://[::1]/callback".into(),
            "http://localhost/callback".into(),
            format!("{}/", issuer.origin()),
        ],
        grant_types: vec![
            GrantType::AuthorizationCode,
            GrantType::RefreshToken,
            GrantType::Password,
        ],
        scope: SCOPES.into_iter().collect(),
        origins: vec![issuer.origin().to_string()],
        ..Client::new(ClientId::new(CLIENT)?)
    })
}

/// A client that acts for itself, and introspects.
fn service(secret: &ServiceSecret) -> Option<Client> {
    Some(Client {
        client_name: Some("Countersign demo service".into()),
        secrets: vec![ClientSecret { hash: SecretHash::of(&secret.client_secret), expires: None }],
        grant_types: vec![GrantType::ClientCredentials],
        scope: SCOPES.into_iter().collect(),
        introspect: true,
        ..Client::new(ClientId::new(SERVICE)?)
    })
}

/// The secrets that are kept; those that are generated now if none are.
fn keep(folder: &Path, path: &Path) -> io::Result<Secrets> {
    loop {
        match read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(folder, path)?,
            read => return read,
        }
    }
}

fn read(path: &Path) -> io::Result<Secrets> {
    let file = fs::File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("it is open to other users, restrict it by `chmod 600`"));
    }
    Ok(serde_json::from_reader(file)?)
}

/// Writes them beside the path and links them there, so that of two who start at once one is followed by the other.
fn create(folder: &Path, path: &Path) -> io::Result<()> {
    place::make_folder(folder)?;
    let side = folder.join(format!(".{FILE}-{}", std::process::id()));
    let written = write(&side).and_then(|()| match fs::hard_link(&side, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&side).and(written)
}

fn write(side: &Path) -> io::Result<()> {
    let secrets = Secrets {
        user: UserSecret { username: USER.into(), password: generate_password() },
        service: ServiceSecret { client_id: SERVICE.into(), client_secret: generate_secret() },
    };
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(side)?;
    serde_json::to_writer_pretty(&mut file, &secrets)?;
    file.write_all(b"\n")?;
    file.sync_all()
}
