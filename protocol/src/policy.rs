//! What a provider allows and for how long, and what a client's registration changes of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, GrantType},
    error::Denied,
    scope::Scope,
};

/// How long things live. Each is per provider, and some can be set per client ([`ClientLifetimes`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authorization code, from consent to redemption. At most 60 s.
    pub code: Duration,
    /// An access token of a grant with a user.
    pub access_token: Duration,
    /// An access token of a client that acts for itself.
    pub client_credentials: Duration,
    /// A refresh line that nobody uses.
    pub refresh_idle: Duration,
    /// A refresh line, however much it is used.
    pub refresh_cap: Duration,
    /// How long the previous refresh token is answered with the same successor.
    pub leeway: Duration,
    /// A sign-in or consent in progress.
    pub flow: Duration,
    /// A sign-in session that nobody uses.
    pub session_idle: Duration,
    /// A sign-in session, however much it is used.
    pub session_cap: Duration,
}

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: Duration::from_mins(1),
            access_token: Duration::from_mins(10),
            client_credentials: Duration::from_mins(5),
            refresh_idle: days(30),
            refresh_cap: days(90),
            leeway: Duration::from_secs(30),
            flow: Duration::from_mins(10),
            session_idle: Duration::from_hours(12),
            session_cap: days(30),
        }
    }
}

/// A client's own lifetimes, in seconds; `None`: the provider's. More than [`Policy::longest`] is cut to that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientLifetimes {
    /// See [`Lifetimes::access_token`] and [`Lifetimes::client_credentials`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<u64>,
    /// See [`Lifetimes::refresh_idle`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_idle: Option<u64>,
    /// See [`Lifetimes::refresh_cap`], which it cannot exceed: so long server keys are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_cap: Option<u64>,
    /// See [`Lifetimes::leeway`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway: Option<u64>,
}

impl ClientLifetimes {
    /// Whether every lifetime is the provider's.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whose refresh tokens are rotated ([RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotate {
    /// Those of public clients whose tokens are not bound to a key.
    #[default]
    PublicBearer,
    /// All.
    Always,
    /// None.
    Never,
}

/// Whether an access token's life is counted from its issue or from its last use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// From its issue.
    #[default]
    Fixed,
    /// From its last use, never beyond the grant's cap.
    Sliding,
}

/// How many grants a user may have at a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionsPerUser {
    /// As many as devices sign in.
    #[default]
    Many,
    /// A new one ends the one before.
    One,
}

/// What happens to a scope that a client may not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownScope {
    /// The request is refused with `invalid_scope`.
    #[default]
    Refuse,
    /// It is left out, and the answer's `scope` says so.
    Drop,
}

/// What the provider allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// The grant types on offer.
    pub grant_types: Vec<GrantType>,
    /// Whose refresh tokens are rotated.
    pub rotate: Rotate,
    /// What happens to a scope that a client may not have.
    pub unknown_scope: UnknownScope,
    /// Whether every grant is kept in the store, those included that could be carried by their only token.
    pub keep_grants: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lifetimes: Lifetimes::default(),
            grant_types: GrantType::ALL.to_vec(),
            rotate: Rotate::default(),
            unknown_scope: UnknownScope::default(),
            keep_grants: false,
        }
    }
}

/// How many live access tokens a grant keeps at most: one line is one process or tab, or a few in turn.
const LIVE_ROTATED: usize = 8;
/// Where the line is not rotated, many processes may share it.
const LIVE_SHARED: usize = 64;

/// What holds for one client: the provider's policy with the client's registration applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// See [`Lifetimes::code`].
    pub code: Duration,
    /// How long an access token lives.
    pub access_token: Duration,
    /// See [`Lifetimes::refresh_idle`].
    pub refresh_idle: Duration,
    /// See [`Lifetimes::refresh_cap`].
    pub refresh_cap: Duration,
    /// See [`Lifetimes::leeway`].
    pub leeway: Duration,
    /// Whether a grant with a user yields a refresh token.
    pub refreshes: bool,
    /// Whether refresh tokens are rotated.
    pub rotates: bool,
    /// Whether an access token's life is counted from its last use.
    pub slides: bool,
    /// How many live access tokens a grant keeps at most.
    pub live: usize,
}

impl Terms {
    /// Whether a grant outlives its first access token.
    pub(crate) fn goes_on(&self) -> bool {
        self.refreshes || self.slides
    }

    /// How long a grant lives at most, from its first access token on.
    pub(crate) fn grant(&self) -> Duration {
        if self.goes_on() { self.refresh_cap } else { self.access_token }
    }
}

impl Policy {
    /// What holds for a client's grants with a user.
    pub fn terms(&self, client: &Client) -> Terms {
        let own = &client.lifetimes;
        let pick = |own, provider| self.cut(own).unwrap_or(provider);
        let rotates = match client.rotate.unwrap_or(self.rotate) {
            Rotate::Always => true,
            Rotate::Never => false,
            Rotate::PublicBearer => client.is_public(),
        };
        Terms {
            code: self.lifetimes.code,
            access_token: pick(own.access_token, self.lifetimes.access_token),
            refresh_idle: pick(own.refresh_idle, self.lifetimes.refresh_idle),
            refresh_cap: pick(own.refresh_cap, self.lifetimes.refresh_cap)
                .min(self.lifetimes.refresh_cap),
            leeway: pick(own.leeway, self.lifetimes.leeway),
            refreshes: self.offers(GrantType::RefreshToken) && client.has(GrantType::RefreshToken),
            rotates,
            slides: client.lifetime == Lifetime::Sliding,
            live: if rotates { LIVE_ROTATED } else { LIVE_SHARED },
        }
    }

    /// What holds for a client that acts for itself: no refresh token, a lifetime of its own.
    pub fn terms_of_client_itself(&self, client: &Client) -> Terms {
        let own = self.cut(client.lifetimes.access_token);
        Terms {
            access_token: own.unwrap_or(self.lifetimes.client_credentials),
            refreshes: false,
            ..self.terms(client)
        }
    }

    /// A client's own lifetime, cut to what keys and the marks of deleted clients and subjects are kept for.
    fn cut(&self, own: Option<u64>) -> Option<Duration> {
        own.map(|secs| Duration::from_secs(secs).min(self.longest()))
    }

    /// Whether the grant type is on offer.
    pub fn offers(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Whether the client may use the grant type here: first whether it is on offer, then whether it is the client's.
    pub fn check_grant_type(&self, client: &Client, grant_type: GrantType) -> Result<(), Denied> {
        if !self.offers(grant_type) {
            return Err(Denied::GrantUnsupported);
        }
        if !client.has(grant_type) {
            return Err(Denied::GrantNotAllowed);
        }
        Ok(())
    }

    /// The scope that a request gets: what it asks for, or the client's default when it asks for nothing
    /// ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    pub fn scope(&self, client: &Client, asked: Option<&Scope>) -> Result<Scope, Denied> {
        let Some(asked) = asked else {
            return Ok(client.default_scope().clone());
        };
        if client.scope.contains_all(asked) {
            return Ok(asked.clone());
        }
        match self.unknown_scope {
            UnknownScope::Refuse => Err(Denied::ScopeNotAllowed),
            UnknownScope::Drop => Ok(asked.within(&client.scope)),
        }
    }

    /// Whether a grant that can yield only one access token is kept in the store all the same.
    pub fn keeps(&self, client: &Client) -> bool {
        self.keep_grants
            || client.keep_grants
            || client.sessions_per_user == SessionsPerUser::One
            || client.lifetime == Lifetime::Sliding
    }

    /// The longest that anything made under an epoch may live: so long a disabled subject or client is remembered.
    pub fn longest(&self) -> Duration {
        self.lifetimes.refresh_cap.max(self.lifetimes.session_cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{public, web};

    #[test]
    fn only_public_bearer_lines_are_rotated_by_default() {
        let policy = Policy::default();
        assert!(policy.terms(&public()).rotates);
        assert!(!policy.terms(&web()).rotates);
        let never = Client { rotate: Some(Rotate::Never), ..public() };
        assert!(!policy.terms(&never).rotates);
        assert_eq!(policy.terms(&never).live, 64);
    }

    #[test]
    fn no_client_outlives_the_providers_cap() {
        let own = ClientLifetimes { refresh_cap: Some(u64::MAX), ..ClientLifetimes::default() };
        let policy = Policy::default();
        let terms = policy.terms(&Client { lifetimes: own, ..web() });
        assert_eq!(terms.refresh_cap, policy.lifetimes.refresh_cap);
    }

    #[test]
    fn a_clients_lifetimes_go_before_the_providers() {
        let own = ClientLifetimes { access_token: Some(5), ..ClientLifetimes::default() };
        let client = Client { lifetimes: own, ..web() };
        let policy = Policy::default();
        assert_eq!(policy.terms(&client).access_token, Duration::from_secs(5));
        assert_eq!(policy.terms_of_client_itself(&client).access_token, Duration::from_secs(5));
        assert_eq!(policy.terms_of_client_itself(&web()).access_token, Duration::from_mins(5));
    }

    /// Else a token could outlive the mark that its subject was deleted, or the key that opens it.
    #[test]
    fn a_clients_lifetimes_end_where_the_providers_memory_ends() {
        let policy = Policy::default();
        let own = ClientLifetimes {
            access_token: Some(u64::MAX),
            refresh_cap: Some(u64::MAX),
            ..ClientLifetimes::default()
        };
        let client = Client { lifetimes: own, ..web() };
        let of_users = policy.terms(&client);
        assert_eq!(of_users.refresh_cap, policy.longest());
        assert_eq!(of_users.access_token, policy.longest());
        let of_itself = policy.terms_of_client_itself(&client);
        assert_eq!(of_itself.access_token, policy.longest());
    }

    /// T24: a type that nobody is offered, and one that this client is not registered for.
    #[test]
    fn a_grant_type_must_be_on_offer_and_the_clients() {
        let no_password =
            Policy { grant_types: vec![GrantType::AuthorizationCode], ..Policy::default() };
        assert_eq!(
            no_password.check_grant_type(&web(), GrantType::Password),
            Err(Denied::GrantUnsupported)
        );
        let policy = Policy::default();
        assert_eq!(
            policy.check_grant_type(&web(), GrantType::ClientCredentials),
            Err(Denied::GrantNotAllowed)
        );
        assert_eq!(policy.check_grant_type(&web(), GrantType::AuthorizationCode), Ok(()));
    }

    #[test]
    fn an_unknown_scope_is_refused_or_dropped_by_setting() {
        let asked: Scope = "profile admin".parse().unwrap();
        let policy = Policy::default();
        assert_eq!(policy.scope(&web(), Some(&asked)), Err(Denied::ScopeNotAllowed));
        let drops = Policy { unknown_scope: UnknownScope::Drop, ..policy };
        assert_eq!(drops.scope(&web(), Some(&asked)).unwrap().as_str(), "profile");
        assert_eq!(drops.scope(&web(), None).unwrap(), web().scope);
    }
}
