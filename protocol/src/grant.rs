//! A grant: everything that one authorization ever yields, as one value that steps from state to state.
//!
//! Every change is [`step`]: grant, input and time in, the next grant and an output out. Made durable by one
//! compare-and-swap of one record, that is what makes a code work once, a rotation all or nothing, and a revocation
//! reach everything at once, on any engine.
//!
//! # Adding a grant
//! A grant type is a file here with its request; [`TokenRequest`] gets its variant, and
//! [`GrantType`] its name. What it yields is an active [`Grant`] ([`Grant::active`]), one that
//! waits for its code ([`Grant::pending`]), or a [`Carried`] one when no more than one access token can come of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    client::GrantType,
    error::Denied,
    id::{ClientId, Epoch, Salt, SessionId, Subject, Version},
    pkce::Challenge,
    policy::Terms,
    scope::Scope,
    time::Timestamp,
};

mod authorization_code;
mod carried;
mod refresh_token;
mod request;

pub use authorization_code::{OwnWrite, Pending, Redemption};
pub use carried::{Carried, MAX_TOKEN};
pub use refresh_token::{Line, Refresh};
pub use request::{Password, TokenRequest};

/// How long a record outlives what could still ask for it.
const MARGIN: Duration = Duration::from_mins(2);

/// The epochs under which a grant was made. Redrawing one of them ends every grant that holds the old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Epochs {
    /// The client's.
    #[serde(rename = "c", skip_serializing_if = "Epoch::is_none")]
    pub client: Epoch,
    /// The subject's.
    #[serde(rename = "s", skip_serializing_if = "Epoch::is_none")]
    pub subject: Epoch,
    /// That of the subject's consent for the client.
    #[serde(rename = "a", skip_serializing_if = "Epoch::is_none")]
    pub consent: Epoch,
}

impl Epochs {
    /// Whether no epoch was ever drawn.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Where client, subject and consent stand now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Their epochs.
    pub epochs: Epochs,
    /// Whether any of them is disabled.
    pub disabled: bool,
}

impl Standing {
    /// Whether what was made under these epochs still holds.
    pub fn check(&self, made_under: &Epochs) -> Result<(), Denied> {
        if self.disabled || self.epochs != *made_under {
            return Err(Denied::GrantRevoked);
        }
        Ok(())
    }
}

/// Whom a grant is for and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminus {
    /// The client.
    pub client: ClientId,
    /// The user; `None`: the client itself.
    pub subject: Option<Subject>,
    /// How it was obtained.
    pub grant_type: GrantType,
    /// What it allows.
    pub scope: Scope,
    /// Under which epochs it is made.
    pub epochs: Epochs,
    /// The sign-in session that it came from.
    pub session: Option<SessionId>,
    /// When the user proved who they are.
    pub auth_time: Option<Timestamp>,
}

/// One authorization and all that comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The client.
    pub client: ClientId,
    /// The user; `None`: the client itself.
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// How it was obtained.
    #[serde(rename = "type")]
    pub grant_type: GrantType,
    /// What it allows.
    pub scope: Scope,
    /// Without which the server's key makes none of its tokens.
    pub salt: Salt,
    /// The epochs under which it was made.
    #[serde(default, skip_serializing_if = "Epochs::are_none")]
    pub epochs: Epochs,
    /// The sign-in session that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When the user proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// When it was made.
    #[serde(rename = "iat")]
    pub issued: Timestamp,
    /// When it ends, however much it is used.
    pub cap: Timestamp,
    /// Until when its code, or the consent that made it, may still be shown again.
    #[serde(rename = "flow")]
    pub flow_ends: Timestamp,
    /// Where it stands.
    pub state: State,
}

/// Where a grant stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its code waits to be redeemed.
    Pending(Pending),
    /// It yields tokens.
    Active(Active),
    /// It ended before its time.
    Revoked(Revoked),
}

/// What an active grant has handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// The write that redeemed its code; `None`: there was none, or it is long over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeemed_by: Option<Version>,
    /// What the verifier of a second redemption must match to count as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// How many access tokens were ever issued; the next one bears the next number.
    #[serde(rename = "n")]
    pub issued: u32,
    /// The refresh tokens, when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Line>,
    /// The access tokens that are alive, oldest first.
    pub live: Vec<Access>,
}

/// An access token of a kept grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Its number within the grant.
    #[serde(rename = "n")]
    pub number: u32,
    /// When it was issued.
    #[serde(rename = "iat")]
    pub issued: Timestamp,
    /// When it ends.
    #[serde(rename = "exp")]
    pub expires: Timestamp,
    /// The refresh generation that it was handed out with; 0: none.
    #[serde(rename = "gen")]
    pub generation: u32,
    /// What it allows, where that is less than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// How a grant ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Reason,
}

/// Why a grant was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its code was redeemed twice.
    CodeReplayed,
    /// An old refresh token came back.
    RefreshReplayed,
    /// The client asked for it ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    Client,
    /// The user signed out.
    SignedOut,
    /// An administrator did it.
    Administrator,
}

/// What happens to a grant.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Its code is presented.
    Redeem(Redemption<'a>),
    /// One of its refresh tokens is presented.
    Refresh(Refresh<'a>),
    /// One of its access tokens came by: of this number.
    Seen(u32),
    /// The client gives this one access token back.
    RevokeAccess(u32),
    /// It ends.
    Revoke(Reason),
}

/// What comes of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tokens.
    Issued(Issued),
    /// The refusal that revoked the grant: keep the new state, then refuse.
    Refused(Denied),
    /// Nothing to hand out.
    Done,
}

/// What a grant hands out at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The access token.
    pub access: Access,
    /// What it allows.
    pub scope: Scope,
    /// The refresh token's generation, when there is one.
    pub refresh: Option<u32>,
}

/// Steps a grant on. An error changes nothing; so does an equal grant, which need not be written.
///
/// The caller has checked client authentication, the token's seal and [`Standing::check`]. `now` is read after the grant
/// was loaded, and anew when it is loaded anew: an older time would move the leeway back.
pub fn step(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Result<(Grant, Output), Denied> {
    match input {
        Input::Redeem(redemption) => authorization_code::redeem(grant, &redemption, terms, now),
        Input::Refresh(refresh) => refresh_token::refresh(grant, &refresh, terms, now),
        Input::Seen(number) => {
            let seen = grant.seen(number, terms, now);
            Ok((seen.unwrap_or_else(|| grant.clone()), Output::Done))
        }
        Input::RevokeAccess(number) => Ok((grant.without_access(number, now), Output::Done)),
        Input::Revoke(why) => Ok((grant.revoked(why, now), Output::Done)),
    }
}

impl Grant {
    /// A grant whose code waits: what a consent makes.
    pub fn pending(
        terminus: Terminus,
        pending: Pending,
        salt: Salt,
        terms: &Terms,
        flow_ends: Timestamp,
        now: Timestamp,
    ) -> Self {
        let state = State::Pending(pending);
        let mut grant = Self::new(terminus, state, salt, terms, flow_ends, now);
        if !terms.goes_on() {
            // Or a token would live the shorter the longer its code waited.
            grant.cap = grant.cap + terms.code;
        }
        grant
    }

    /// A grant that yields tokens at once, and its first ones.
    pub fn active(terminus: Terminus, salt: Salt, terms: &Terms, now: Timestamp) -> (Self, Issued) {
        let state = State::Active(Active::default());
        let mut grant = Self::new(terminus, state, salt, terms, now, now);
        let mut active = Active::begin(terms, grant.cap, now);
        let issued = active.issue(&grant, None, terms, now);
        grant.state = State::Active(active);
        (grant, issued)
    }

    fn new(
        terminus: Terminus,
        state: State,
        salt: Salt,
        terms: &Terms,
        flow_ends: Timestamp,
        now: Timestamp,
    ) -> Self {
        Self {
            client: terminus.client,
            subject: terminus.subject,
            grant_type: terminus.grant_type,
            scope: terminus.scope,
            salt,
            epochs: terminus.epochs,
            session: terminus.session,
            auth_time: terminus.auth_time,
            issued: now,
            cap: now + terms.grant(),
            flow_ends,
            state,
        }
    }

    /// From when on nothing can come of it any more, and its record may go.
    pub fn expires(&self) -> Timestamp {
        let known = self.flow_ends + MARGIN;
        match &self.state {
            State::Pending(_) => known,
            State::Revoked(revoked) => known.max(revoked.at + MARGIN),
            State::Active(active) => {
                let newest = active.live.iter().map(|access| access.expires).max();
                let line = active.line.as_ref().map(|line| line.idle_ends.min(self.cap));
                known.max(newest.unwrap_or_default()).max(line.unwrap_or_default())
            }
        }
    }

    /// The access token of this number, if it is alive.
    pub fn access(&self, number: u32, now: Timestamp) -> Result<&Access, Denied> {
        let State::Active(active) = &self.state else {
            return Err(Denied::AccessTokenInvalid);
        };
        let found =
            active.live.iter().find(|access| access.number == number && now < access.expires);
        found.ok_or(Denied::AccessTokenInvalid)
    }

    /// What an access token allows.
    pub fn scope_of<'a>(&'a self, access: &'a Access) -> &'a Scope {
        access.scope.as_ref().unwrap_or(&self.scope)
    }

    /// Whether the use of this access token is worth a write ([`Input::Seen`]): the first of its generation, or one
    /// that lengthens a sliding life by a tenth.
    pub fn notes(&self, number: u32, terms: &Terms, now: Timestamp) -> bool {
        self.access(number, now).is_ok_and(|access| {
            self.is_first_sight(access) || self.longer_life(access, terms, now).is_some()
        })
    }

    /// Whether its code still waits, unexpired: a repeated consent is then answered with the same code.
    pub fn awaits_redemption(&self, now: Timestamp) -> bool {
        matches!(&self.state, State::Pending(pending) if now < pending.code_expires)
    }

    /// The grant after one of its access tokens came by; `None`: as it was.
    fn seen(&self, number: u32, terms: &Terms, now: Timestamp) -> Option<Self> {
        let access = self.access(number, now).ok()?;
        let longer = self.longer_life(access, terms, now);
        if longer.is_none() && !self.is_first_sight(access) {
            return None;
        }
        let mut next = self.clone();
        let State::Active(active) = &mut next.state else {
            return None;
        };
        let access = active.live.iter_mut().find(|access| access.number == number)?;
        access.expires = longer.unwrap_or(access.expires);
        if let Some(line) = &mut active.line {
            line.seen |= access.generation == line.head;
        }
        Some(next)
    }

    /// Whether no access token of the line's head came by before this one of it.
    fn is_first_sight(&self, access: &Access) -> bool {
        let State::Active(active) = &self.state else {
            return false;
        };
        active.line.as_ref().is_some_and(|line| !line.seen && line.head == access.generation)
    }

    /// Where a sliding life ends when it is counted from now, if that is worth a write.
    fn longer_life(&self, access: &Access, terms: &Terms, now: Timestamp) -> Option<Timestamp> {
        let longer = (now + terms.access_token).min(self.cap);
        let worth = terms.slides && longer.since(access.expires) >= terms.access_token / 10;
        worth.then_some(longer)
    }

    fn without_access(&self, number: u32, now: Timestamp) -> Self {
        let mut next = self.clone();
        if let State::Active(active) = &mut next.state {
            if active.line.is_none() {
                return self.revoked(Reason::Client, now);
            }
            active.live.retain(|access| access.number != number);
        }
        next
    }

    /// The grant, ended. One that ended before keeps its first reason.
    pub fn revoked(&self, why: Reason, now: Timestamp) -> Self {
        match self.state {
            State::Revoked(_) => self.clone(),
            _ => Self { state: State::Revoked(Revoked { at: now, why }), ..self.clone() },
        }
    }

    fn check_client(&self, client: &ClientId) -> Result<(), Denied> {
        if self.client == *client { Ok(()) } else { Err(Denied::OfAnotherClient) }
    }
}

impl Active {
    /// What a grant has when it becomes active.
    fn begin(terms: &Terms, cap: Timestamp, now: Timestamp) -> Self {
        Self { line: terms.refreshes.then(|| Line::begin(terms, cap, now)), ..Self::default() }
    }

    /// Hands an access token out with the line's head.
    ///
    /// Where as many are alive as a grant keeps, the newest is handed out again if the line is not rotated and more than
    /// half its life is left; else the oldest gives way.
    fn issue(
        &mut self,
        grant: &Grant,
        scope: Option<Scope>,
        terms: &Terms,
        now: Timestamp,
    ) -> Issued {
        self.live.retain(|access| now < access.expires);
        if self.live.len() >= terms.live {
            // On a rotated line the newest one is of an older generation: handed out again, it would never tell that
            // the new head was seen.
            let newest = self.live.last().filter(|newest| !terms.rotates && newest.scope == scope);
            let fresh = newest.filter(|newest| newest.expires.since(now) > terms.access_token / 2);
            if let Some(fresh) = fresh.cloned() {
                return self.hand_out(grant, fresh);
            }
            self.live.remove(0);
        }
        self.issued += 1;
        let access = Access {
            number: self.issued,
            issued: now,
            expires: (now + terms.access_token).min(grant.cap),
            generation: self.line.as_ref().map_or(0, |line| line.head),
            scope,
        };
        self.live.push(access.clone());
        self.hand_out(grant, access)
    }

    fn hand_out(&self, grant: &Grant, access: Access) -> Issued {
        Issued {
            scope: grant.scope_of(&access).clone(),
            access,
            refresh: self.line.as_ref().map(|line| line.head),
        }
    }

    /// What was handed out last, for a repeat of the request that got it.
    fn again(&self, grant: &Grant, now: Timestamp) -> Option<Issued> {
        let newest = self.live.last().filter(|access| now < access.expires)?;
        Some(self.hand_out(grant, newest.clone()))
    }
}

/// Whether a grant by this client can yield no more than one access token, so that the token may carry it.
pub fn is_single(terms: &Terms, grant_type: GrantType) -> bool {
    match grant_type {
        GrantType::ClientCredentials => true,
        GrantType::Password => !terms.refreshes,
        GrantType::AuthorizationCode | GrantType::RefreshToken => false,
    }
}

#[cfg(test)]
mod tests;
