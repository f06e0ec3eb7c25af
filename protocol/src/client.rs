//! What is registered of a client ([RFC 7591 §2](https://www.rfc-editor.org/rfc/rfc7591#section-2)), and which redirect
//! URIs it may name ([RFC 9700 §2.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1),
//! [RFC 8252 §7](https://www.rfc-editor.org/rfc/rfc8252#section-7)).

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::Denied,
    id::ClientId,
    policy::{ClientLifetimes, Lifetime, Rotate, SessionsPerUser},
    scope::Scope,
    secret::SecretHash,
    time::Timestamp,
};

/// A way to get tokens ([RFC 6749 §1.3](https://www.rfc-editor.org/rfc/rfc6749#section-1.3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A user's consent, by way of the browser (§4.1).
    AuthorizationCode,
    /// The line that goes on from an earlier grant (§6).
    RefreshToken,
    /// The client for itself (§4.4).
    ClientCredentials,
    /// A user's name and password, for first-party clients registered for it (§4.3).
    Password,
}

impl GrantType {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::Password];

    /// Its name in `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
        }
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GrantType {
    type Err = Denied;

    fn from_str(value: &str) -> Result<Self, Denied> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == value);
        found.ok_or(Denied::GrantUnsupported)
    }
}

/// How a client proves who it is ([RFC 7591 §2](https://www.rfc-editor.org/rfc/rfc7591#section-2),
/// `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// It cannot: a public client.
    None,
    /// Its secret in the `Authorization` header.
    #[default]
    ClientSecretBasic,
    /// Its secret in the body.
    ClientSecretPost,
}

impl AuthMethod {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost];

    /// Its registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

impl FromStr for AuthMethod {
    type Err = String;

    fn from_str(value: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == value);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("{value:?} is no authentication method; there are {known}")
        })
    }
}

/// Where a client runs (`application_type` of OpenID Connect Registration §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// On a server, or in a browser's page.
    #[default]
    Web,
    /// On a person's device: it may name any port of its loopback address, and schemes of its own.
    Native,
}

/// A secret of a client. While one is exchanged for another, both hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// What is kept of it.
    pub hash: SecretHash,
    /// From when on it no longer holds; `None`: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// What is registered of a client.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, as in the registry of metadata"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name on the wire.
    pub client_id: ClientId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub application_type: ApplicationType,
    /// How it proves who it is.
    #[serde(default)]
    pub token_endpoint_auth_method: AuthMethod,
    /// Its secrets. Empty for a public client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ClientSecret>,
    /// Where its users may be sent back to, letter by letter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// The grant types that it may use.
    #[serde(default)]
    pub grant_types: Vec<GrantType>,
    /// All that it may ask for.
    #[serde(default)]
    pub scope: Scope,
    /// What it gets when it asks for nothing; `None`: all that it may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_scope: Option<Scope>,
    /// Origins whose pages may call the endpoints for it (CORS).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// Whether an authorization request needs a code challenge. It always does for a public client.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub require_pkce: bool,
    /// Whether it may introspect tokens, as a resource server does.
    #[serde(default, skip_serializing_if = "is_no")]
    pub introspect: bool,
    /// Whether it is the provider's own, so that nobody is asked for consent.
    #[serde(default, skip_serializing_if = "is_no")]
    pub first_party: bool,
    /// Whether its refresh tokens are rotated; `None`: as the provider does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotate>,
    /// Its own lifetimes.
    #[serde(default, skip_serializing_if = "ClientLifetimes::is_default")]
    pub lifetimes: ClientLifetimes,
    /// Whether its access tokens live from their issue or from their last use.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// How many grants a user may have with it.
    #[serde(default)]
    pub sessions_per_user: SessionsPerUser,
    /// Whether its grants are kept in the store, those included that their only token could carry.
    #[serde(default, skip_serializing_if = "is_no")]
    pub keep_grants: bool,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_no(value: &bool) -> bool {
    !*value
}

/// Why a registration is not accepted: one sentence that names the thing and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unregistrable(pub String);

impl fmt::Display for Unregistrable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unregistrable {}

impl Client {
    /// A client with this id and nothing registered: confidential, no grant type, no scope.
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            client_name: None,
            application_type: ApplicationType::default(),
            token_endpoint_auth_method: AuthMethod::default(),
            secrets: Vec::new(),
            redirect_uris: Vec::new(),
            grant_types: Vec::new(),
            scope: Scope::default(),
            default_scope: None,
            origins: Vec::new(),
            require_pkce: true,
            introspect: false,
            first_party: false,
            rotate: None,
            lifetimes: ClientLifetimes::default(),
            lifetime: Lifetime::default(),
            sessions_per_user: SessionsPerUser::default(),
            keep_grants: false,
        }
    }

    /// Whether it cannot prove who it is ([RFC 6749 §2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)).
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == AuthMethod::None
    }

    /// Whether it is registered for the grant type.
    pub fn has(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Its name for people; its id when it has none.
    pub fn display_name(&self) -> &str {
        self.client_name.as_deref().unwrap_or_else(|| self.client_id.as_str())
    }

    /// What it gets when it asks for nothing.
    pub fn default_scope(&self) -> &Scope {
        self.default_scope.as_ref().unwrap_or(&self.scope)
    }

    /// Whether its authorization requests need a code challenge
    /// ([RFC 9700 §2.1.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1)).
    pub fn needs_pkce(&self) -> bool {
        self.require_pkce || self.is_public()
    }

    /// The redirect URI of a request: the one that it names if that is registered letter by letter, the only one
    /// registered if it names none.
    ///
    /// The one exception is a native client's loopback address, whose port is not compared
    /// ([RFC 8252 §7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
    pub fn redirect_uri<'a>(&'a self, asked: Option<&'a str>) -> Result<&'a str, Denied> {
        match (asked, self.redirect_uris.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(Denied::RedirectUriMissing),
            (Some(asked), registered) => {
                let native = self.application_type == ApplicationType::Native;
                let asked_without_port =
                    if native { without_loopback_port(asked) } else { Cow::Borrowed(asked) };
                let known =
                    registered.iter().any(|own| *own == asked || *own == asked_without_port);
                if known { Ok(asked) } else { Err(Denied::RedirectUriMismatch) }
            }
        }
    }

    /// Whether the registration holds together ([RFC 7591 §2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
    pub fn check(&self) -> Result<(), Unregistrable> {
        let refuse = |text: String| Err(Unregistrable(text));
        if self.is_public() && self.has(GrantType::ClientCredentials) {
            return refuse(
                "a public client cannot use client_credentials: give it a secret".into(),
            );
        }
        if self.is_public() && self.introspect {
            return refuse("a public client cannot introspect: give it a secret".into());
        }
        if self.is_public() && !self.require_pkce {
            return refuse("a public client always needs PKCE".into());
        }
        if !self.is_public() && self.secrets.is_empty() {
            return refuse("a confidential client needs a secret".into());
        }
        if self.has(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            return refuse("the grant authorization_code needs a redirect URI".into());
        }
        if self.default_scope.as_ref().is_some_and(|default| !self.scope.contains_all(default)) {
            return refuse("default_scope names a scope that scope lacks".into());
        }
        let own = &self.lifetimes;
        if [own.access_token, own.refresh_idle, own.refresh_cap].contains(&Some(0)) {
            return refuse("a lifetime must be at least 1 second (only leeway may be 0)".into());
        }
        for uri in &self.redirect_uris {
            check_redirect_uri(uri, self.application_type)?;
        }
        self.origins.iter().try_for_each(|origin| check_origin(origin))
    }
}

/// A loopback address without its port; any other text as it is.
fn without_loopback_port(uri: &str) -> Cow<'_, str> {
    for host in ["http://127.0.0.1", "http://[::1]"] {
        let Some(rest) = uri.strip_prefix(host).and_then(|rest| rest.strip_prefix(':')) else {
            continue;
        };
        let path = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let port = &rest[..rest.len() - path.len()];
        let is_port = !port.starts_with('0') && port.parse::<u16>().is_ok();
        if is_port && (path.is_empty() || path.starts_with(['/', '?'])) {
            return Cow::Owned(format!("{host}{path}"));
        }
    }
    Cow::Borrowed(uri)
}

const MAX_URI: usize = 2000;

fn check_redirect_uri(uri: &str, application_type: ApplicationType) -> Result<(), Unregistrable> {
    let refuse = |why: &str| Err(Unregistrable(format!("redirect URI {uri:?} {why}")));
    if uri.len() > MAX_URI {
        return Err(Unregistrable(format!("a redirect URI has at most {MAX_URI} characters")));
    }
    if uri.chars().any(|c| !c.is_ascii_graphic() || matches!(c, '\\' | '*' | '#' | '"' | '<' | '>'))
    {
        return refuse(
            "must be ASCII without a fragment, wildcard, backslash, quote or white space",
        );
    }
    let Ok(url) = url::Url::parse(uri) else {
        return refuse("is not an absolute URI");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not carry a user name");
    }
    match url.scheme() {
        "https" | "http" if !names_host(uri, &url) => {
            refuse("must write its host plainly, in lower case")
        }
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => refuse("must be https (plain http is for loopback addresses alone)"),
        scheme if application_type == ApplicationType::Native && scheme.contains('.') => Ok(()),
        _ => refuse(
            "must be https; a native client's own scheme is a reversed domain name with a dot",
        ),
    }
}

/// Whether the host stands in the text as every parser reads it: so nobody is led elsewhere by a parser that is more
/// lenient than ours, and the origin can be cut out of the text.
fn names_host(uri: &str, url: &url::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let rest = uri.strip_prefix(&format!("{}://{host}", url.scheme()));
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([':', '/', '?']);
    !host.is_empty() && host.bytes().all(plain) && rest.is_some_and(ends)
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn check_origin(origin: &str) -> Result<(), Unregistrable> {
    let same = url::Url::parse(origin).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http") && url.origin().ascii_serialization() == origin
    });
    if same {
        return Ok(());
    }
    Err(Unregistrable(format!(
        "origin {origin:?} must be scheme, host and port alone, as a browser writes it: https://app.example"
    )))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::secret::Secret;

    pub(crate) fn web() -> Client {
        Client {
            secrets: vec![ClientSecret {
                hash: SecretHash::of(&Secret::new("s3cret")),
                expires: None,
            }],
            redirect_uris: vec!["https://web.test/cb".into()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scope: "profile email".parse().unwrap(),
            ..Client::new(ClientId::new("web").unwrap())
        }
    }

    pub(crate) fn public() -> Client {
        Client {
            client_id: ClientId::new("pub").unwrap(),
            token_endpoint_auth_method: AuthMethod::None,
            secrets: vec![],
            redirect_uris: vec!["https://spa.test/cb".into()],
            ..web()
        }
    }

    fn native() -> Client {
        Client {
            application_type: ApplicationType::Native,
            redirect_uris: vec!["http://127.0.0.1/cb".into(), "com.example.app:/cb".into()],
            ..public()
        }
    }

    /// A1: the table of mutations.
    #[test]
    fn a_redirect_uri_is_compared_letter_by_letter() {
        let client = web();
        assert_eq!(client.redirect_uri(Some("https://web.test/cb")), Ok("https://web.test/cb"));
        for bad in [
            "https://web.test/cb/",
            "https://web.test/cb/x",
            "https://web.test/cb?x=1",
            "https://web.test/cb#f",
            "https://web.test/CB",
            "HTTPS://WEB.TEST/cb",
            "https://web.test:443/cb",
            "https://web.test:444/cb",
            "http://web.test/cb",
            "https://web.test.evil.test/cb",
            "https://web.test@evil.test/cb",
            "https://web.test/x/../cb",
            "https://web.test/cb/..;/evil",
            "https://web.test\\@evil.test/cb",
            "https:evil.test/cb",
            "//web.test/cb",
            "/cb",
            "https://web.test./cb",
            "",
        ] {
            assert_eq!(client.redirect_uri(Some(bad)), Err(Denied::RedirectUriMismatch), "{bad}");
        }
    }

    /// A2: the port of a native client's loopback address is free, and nothing else is.
    #[test]
    fn only_a_native_loopback_port_is_free() {
        let client = native();
        for good in ["http://127.0.0.1:49152/cb", "http://127.0.0.1/cb", "com.example.app:/cb"] {
            assert_eq!(client.redirect_uri(Some(good)), Ok(good));
        }
        for bad in [
            "http://localhost:49152/cb",
            "http://127.0.0.1:49152/cb/x",
            "http://127.0.0.1.evil.test/cb",
            "http://127.0.0.1:1.evil.test/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:1@evil.test/cb",
            "http://127.1/cb",
            "http://0x7f000001/cb",
            "http://127.0.0.2/cb",
            "http://[::1]:7/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://127.0.0.1@evil.test/cb",
        ] {
            assert_eq!(client.redirect_uri(Some(bad)), Err(Denied::RedirectUriMismatch), "{bad}");
        }
        let not_native = Client { application_type: ApplicationType::Web, ..native() };
        assert!(not_native.redirect_uri(Some("http://127.0.0.1:49152/cb")).is_err());
    }

    #[test]
    fn without_a_redirect_uri_the_only_one_is_meant() {
        assert_eq!(web().redirect_uri(None), Ok("https://web.test/cb"));
        assert_eq!(native().redirect_uri(None), Err(Denied::RedirectUriMissing));
    }

    #[test]
    fn a_registration_that_contradicts_itself_is_refused() {
        let code = vec![GrantType::AuthorizationCode];
        let refused = [
            Client { grant_types: vec![GrantType::ClientCredentials], ..public() },
            Client { introspect: true, ..public() },
            Client { require_pkce: false, ..public() },
            Client { secrets: vec![], ..web() },
            Client { redirect_uris: vec![], grant_types: code, ..web() },
            Client { default_scope: Some("admin".parse().unwrap()), ..web() },
            Client { origins: vec!["https://a.test/".into()], ..web() },
            Client { origins: vec!["null".into()], ..web() },
            Client { origins: vec!["*".into()], ..web() },
            Client {
                lifetimes: ClientLifetimes { access_token: Some(0), ..ClientLifetimes::default() },
                ..web()
            },
        ];
        for client in refused {
            assert!(client.check().is_err(), "{client:?}");
        }
        assert_eq!(web().check(), Ok(()));
        assert_eq!(native().check(), Ok(()));
    }

    #[test]
    fn a_redirect_uri_that_could_mislead_is_not_registered() {
        for bad in [
            "http://web.test/cb",
            "https://web.test/cb#f",
            "https://u@web.test/cb",
            "https://*.web.test/cb",
            "https:web.test/cb",
            "HTTPS://web.test/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "app:/cb",
            "https://web.test:x@web.test/cb",
            "/cb",
            "https://web.test\\cb",
            "https://web.test/c b",
            "https://@web.test/cb",
            "https://web.test:x@evil.test/cb",
            "https:///web.test/cb",
            "https://WEB.test/cb",
            "https://web.test;script-src/cb",
            "https://web.test,evil.test/cb",
            "https://wéb.test/cb",
            "https://web.test/\u{202e}",
            "https://%77eb.test/cb",
            "http://0x7f000001/cb",
            "http://127.1/cb",
            "https://web.test/\"",
        ] {
            let client = Client { redirect_uris: vec![bad.into()], ..web() };
            assert!(client.check().is_err(), "{bad}");
        }
        for good in [
            "https://web.test/cb?a=1",
            "https://web.test",
            "https://web.test:8443/cb",
            "https://xn--wb-bja.test/cb",
            "http://127.0.0.1/cb",
            "http://localhost:3000/cb",
            "http://[::1]/cb",
        ] {
            let client = Client { redirect_uris: vec![good.into()], ..web() };
            assert_eq!(client.check(), Ok(()), "{good}");
        }
    }
}
