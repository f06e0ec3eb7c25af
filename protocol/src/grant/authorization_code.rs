//! The code of an authorization ([RFC 6749 §4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3)): it works once,
//! for its client, with its verifier.

use serde::{Deserialize, Serialize};

use super::{Active, Grant, Output, Reason, State};
use crate::{
    error::Denied,
    id::{ClientId, Version},
    pkce::Challenge,
    policy::Terms,
    secret::Secret,
    time::Timestamp,
};

/// What a code waits with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// When the code ends.
    #[serde(rename = "exp")]
    pub code_expires: Timestamp,
    /// Where the user was sent back to.
    pub redirect_uri: String,
    /// Whether the authorization request named that itself; then the token request must too.
    #[serde(rename = "named")]
    pub redirect_uri_named: bool,
    /// What the verifier must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
}

/// A code that is presented.
#[derive(Clone, Debug)]
pub struct Redemption<'a> {
    /// By whom.
    pub client: &'a ClientId,
    /// With which `redirect_uri`.
    pub redirect_uri: Option<&'a str>,
    /// With which `code_verifier`.
    pub verifier: Option<&'a Secret>,
    /// The version of the write that this redemption makes.
    pub version: Version,
    /// Whether a version is of a write that this very request made before, whose answer got lost.
    pub own: &'a dyn OwnWrite,
}

/// Knows the versions that a request drew.
pub trait OwnWrite: std::fmt::Debug + Sync {
    /// Whether this version is one of them.
    fn is_own(&self, version: &Version) -> bool;
}

pub(super) fn redeem(
    grant: &Grant,
    redemption: &Redemption<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Result<(Grant, Output), Denied> {
    grant.check_client(redemption.client)?;
    match &grant.state {
        State::Pending(pending) => {
            pending.check(redemption, now)?;
            Ok(activate(grant, pending, redemption.version, terms, now))
        }
        State::Active(active) => {
            let redeemed_by = active.redeemed_by.ok_or(Denied::CodeExpired)?;
            // Without the verifier it is nobody's second redemption: who found the code in a history or a log can
            // neither use it nor end what it gave.
            check_verifier(active.challenge.as_ref(), redemption.verifier)?;
            if !redemption.own.is_own(&redeemed_by) {
                return Ok(replayed(grant, now));
            }
            let again = active.again(grant, now).ok_or(Denied::CodeExpired)?;
            Ok((grant.clone(), Output::Issued(again)))
        }
        State::Revoked(_) => Err(Denied::GrantRevoked),
    }
}

fn activate(
    grant: &Grant,
    pending: &Pending,
    version: Version,
    terms: &Terms,
    now: Timestamp,
) -> (Grant, Output) {
    let mut active = Active {
        redeemed_by: Some(version),
        challenge: pending.challenge.clone(),
        ..Active::begin(terms, grant.cap, now)
    };
    let issued = active.issue(grant, None, terms, now);
    (Grant { state: State::Active(active), ..grant.clone() }, Output::Issued(issued))
}

/// A code that comes twice, verifier and all, has been stolen, and what it gave may be the thief's
/// ([RFC 6749 §4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)).
fn replayed(grant: &Grant, now: Timestamp) -> (Grant, Output) {
    (grant.revoked(Reason::CodeReplayed, now), Output::Refused(Denied::CodeReplayed))
}

impl Pending {
    fn check(&self, redemption: &Redemption<'_>, now: Timestamp) -> Result<(), Denied> {
        if now >= self.code_expires {
            return Err(Denied::CodeExpired);
        }
        match redemption.redirect_uri {
            Some(uri) if uri != self.redirect_uri => return Err(Denied::RedirectUriOfCode),
            None if self.redirect_uri_named => return Err(Denied::RedirectUriOfCode),
            _ => {}
        }
        check_verifier(self.challenge.as_ref(), redemption.verifier)
    }
}

/// Whether the verifier is the challenge's, or neither was given
/// ([RFC 9700 §2.1.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1)).
fn check_verifier(challenge: Option<&Challenge>, verifier: Option<&Secret>) -> Result<(), Denied> {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) => challenge.verify(verifier),
        (Some(_), None) => Err(Denied::VerifierMissing),
        (None, Some(_)) => Err(Denied::VerifierUnexpected),
        (None, None) => Ok(()),
    }
}
