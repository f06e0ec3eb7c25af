//! Where each endpoint is, below the issuer: under its well-known path unless it is mounted elsewhere or switched off.

use std::collections::BTreeMap;

/// An endpoint that can be mounted elsewhere or switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Authorization ([RFC 6749 §3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).
    Authorize,
    /// The form of the sign-in page.
    SignIn,
    /// The form of the consent page.
    Consent,
    /// Sign-out, by page or by a client.
    Logout,
    /// Tokens ([RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).
    Token,
    /// Introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    Introspect,
    /// Revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    Revoke,
    /// The browser client's script. What belongs to it is served beside it: its WebAssembly, types and metadata, and
    /// the script for forms.
    Script,
}

impl Endpoint {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Authorize,
        Self::SignIn,
        Self::Consent,
        Self::Logout,
        Self::Token,
        Self::Introspect,
        Self::Revoke,
    ];

    /// Where it is unless something else is said.
    pub const fn well_known(self) -> &'static str {
        match self {
            Self::Authorize => "/oauth/authorize",
            Self::SignIn => "/oauth/sign-in",
            Self::Consent => "/oauth/consent",
            Self::Logout => "/oauth/logout",
            Self::Token => "/oauth/token",
            Self::Introspect => "/oauth/introspect",
            Self::Revoke => "/oauth/revoke",
            Self::Script => "/js/oauth_client.js",
        }
    }
}

/// Where the endpoints are. The metadata follows.
///
/// ```
/// use countersign_provider::{Endpoint, Paths};
///
/// let paths = Paths::default().mount(Endpoint::Token, "/login").without(Endpoint::Introspect);
/// assert_eq!(paths.of(Endpoint::Token), Some("/login"));
/// assert_eq!(paths.of(Endpoint::Introspect), None);
/// assert_eq!(paths.of(Endpoint::Revoke), Some("/oauth/revoke"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths(BTreeMap<Endpoint, Option<String>>);

impl Paths {
    /// Mounts an endpoint at a path below the issuer, which begins with a slash.
    pub fn mount(mut self, endpoint: Endpoint, path: impl Into<String>) -> Self {
        self.0.insert(endpoint, Some(path.into()));
        self
    }

    /// Switches an endpoint off.
    pub fn without(mut self, endpoint: Endpoint) -> Self {
        self.0.insert(endpoint, None);
        self
    }

    /// Where an endpoint is; `None`: it is switched off.
    pub fn of(&self, endpoint: Endpoint) -> Option<&str> {
        match self.0.get(&endpoint) {
            None => Some(endpoint.well_known()),
            Some(path) => path.as_deref(),
        }
    }

    /// The first path that cannot be one: it does not begin with a slash, or has a character that a path has not, or
    /// braces, which the router would take for a placeholder.
    pub(crate) fn malformed(&self) -> Option<&str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        let mut paths = self.0.values().flatten().map(String::as_str);
        paths.find(|path| !path.starts_with('/') || !path.chars().all(plain))
    }

    /// A path that two endpoints would share, or one with what is always there (health).
    pub(crate) fn shared(&self) -> Option<&str> {
        let mut taken = vec!["/livez", "/readyz"];
        for path in Endpoint::ALL.into_iter().filter_map(|endpoint| self.of(endpoint)) {
            if taken.contains(&path) {
                return Some(path);
            }
            taken.push(path);
        }
        None
    }
}
