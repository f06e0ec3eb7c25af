//! The line of refresh tokens ([RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6),
//! [RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)): a lost answer is forgiven, a theft is not.
//!
//! | who presents | gets |
//! |---|---|
//! | the head | the next generation |
//! | the previous one, within the leeway after the head was last handed out | the same head again |
//! | the previous one, later, when the head was never seen | a new head in the unseen one's place |
//! | anything else that was ever in the line | a refusal, and the grant is revoked |
//!
//! The second row is for an answer that got lost; the third for a client that crashed before it kept the answer: it
//! may come back a day later. A thief who ran ahead in silence is then left with nothing. Without a leeway, both rows
//! are off.

use serde::{Deserialize, Serialize};

use super::{Active, Grant, Output, Reason, State};
use crate::{error::Denied, id::ClientId, policy::Terms, scope::Scope, time::Timestamp};

/// The refresh tokens of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The generation that goes on.
    pub head: u32,
    /// The generation that the head was given for.
    #[serde(rename = "prev", default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u32>,
    /// When the head was last handed out.
    #[serde(rename = "at")]
    pub handed_out: Timestamp,
    /// Whether an access token of the head's generation came by.
    #[serde(default, skip_serializing_if = "is_no")]
    pub seen: bool,
    /// When the line ends if nobody uses it.
    #[serde(rename = "idle")]
    pub idle_ends: Timestamp,
    /// The narrower scope that the head was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Scope>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_no(value: &bool) -> bool {
    !*value
}

/// A refresh token that is presented.
#[derive(Clone, Debug)]
pub struct Refresh<'a> {
    /// By whom.
    pub client: &'a ClientId,
    /// Which generation.
    pub generation: u32,
    /// With which `scope`.
    pub scope: Option<&'a Scope>,
}

/// Which row of the table a presented generation falls in.
enum Row {
    Head,
    Repeat,
    UnseenHead,
    Replay,
}

impl Line {
    pub(super) fn begin(terms: &Terms, cap: Timestamp, now: Timestamp) -> Self {
        Self {
            head: 1,
            previous: None,
            handed_out: now,
            seen: false,
            idle_ends: (now + terms.refresh_idle).min(cap),
            asked: None,
        }
    }

    fn row(&self, generation: u32, terms: &Terms, now: Timestamp) -> Row {
        if generation == self.head {
            return Row::Head;
        }
        let forgiving = !terms.leeway.is_zero() && self.previous == Some(generation);
        match forgiving {
            true if now.since(self.handed_out) < terms.leeway => Row::Repeat,
            true if !self.seen => Row::UnseenHead,
            _ => Row::Replay,
        }
    }

    /// Moves the head on: `from` becomes the previous generation.
    fn advance(&mut self, from: u32) {
        self.previous = Some(from);
        self.head += 1;
        self.seen = false;
    }
}

pub(super) fn refresh(
    grant: &Grant,
    refresh: &Refresh<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Result<(Grant, Output), Denied> {
    grant.check_client(refresh.client)?;
    let State::Active(active) = &grant.state else {
        return Err(Denied::GrantRevoked);
    };
    let line = active.line.as_ref().ok_or(Denied::TokenUnknown)?;
    if refresh.generation == 0 || refresh.generation > line.head {
        return Err(Denied::TokenUnknown);
    }
    if now >= line.idle_ends.min(grant.cap) {
        return Err(Denied::RefreshExpired);
    }
    // Before the scope: a thief must not hide by asking for too much.
    let row = line.row(refresh.generation, terms, now);
    if matches!(row, Row::Replay) {
        let revoked = grant.revoked(Reason::RefreshReplayed, now);
        return Ok((revoked, Output::Refused(Denied::RefreshReplayed)));
    }
    let scope = narrowed(grant, refresh.scope)?;
    if matches!(row, Row::Repeat) && scope != line.asked {
        return Err(Denied::ScopeOfRepeat);
    }
    let mut active = active.clone();
    active.forget_code(grant, now);
    let issued = active.answer(grant, &row, refresh.generation, scope, terms, now);
    Ok((Grant { state: State::Active(active), ..grant.clone() }, Output::Issued(issued)))
}

/// The scope that the access token gets: `None`, all of the grant.
fn narrowed(grant: &Grant, asked: Option<&Scope>) -> Result<Option<Scope>, Denied> {
    match asked {
        None => Ok(None),
        Some(asked) if !grant.scope.contains_all(asked) => Err(Denied::ScopeBroader),
        Some(asked) if asked.same_as(&grant.scope) => Ok(None),
        // In the grant's own order, so that a repeat that names it in another order is still a repeat.
        Some(asked) => Ok(Some(grant.scope.within(asked))),
    }
}

impl Active {
    /// Drops what is known of the code, once nobody can redeem it again.
    fn forget_code(&mut self, grant: &Grant, now: Timestamp) {
        if now >= grant.flow_ends {
            (self.redeemed_by, self.challenge) = (None, None);
        }
    }

    fn answer(
        &mut self,
        grant: &Grant,
        row: &Row,
        generation: u32,
        scope: Option<Scope>,
        terms: &Terms,
        now: Timestamp,
    ) -> super::Issued {
        let Some(line) = &mut self.line else {
            return self.issue(grant, scope, terms, now);
        };
        line.handed_out = now;
        line.idle_ends = (now + terms.refresh_idle).min(grant.cap);
        match row {
            // One that is nearly over would send the client back at once, with a token that it must not exchange yet.
            Row::Repeat => {
                let worth = |again: &super::Issued| {
                    again.access.scope == scope
                        && again.access.expires.since(now) > terms.access_token / 2
                };
                if let Some(again) = self.again(grant, now).filter(worth) {
                    return again;
                }
            }
            Row::Head => {
                if terms.rotates {
                    line.advance(generation);
                }
                line.asked.clone_from(&scope);
            }
            Row::UnseenHead | Row::Replay => {
                let unseen = line.head;
                line.advance(generation);
                line.asked.clone_from(&scope);
                self.live.retain(|access| access.generation != unseen);
            }
        }
        self.issue(grant, scope, terms, now)
    }
}
