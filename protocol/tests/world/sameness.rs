//! When two worlds are the same, so that a search goes on from one of them alone.

use std::hash::{DefaultHasher, Hash, Hasher};

use countersign_protocol::grant::{Active, Grant, State};

use super::{CODE, LEEWAY, Life, Request, START, World, at};

/// Two worlds are the same when whatever happens next happens in both: names, numbers and order of requests and versions
/// do not matter, nor, where no life ends, the time of day.
impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.hash_moment(self.now, hasher);
        self.hash_grant(&self.record.grant, hasher);
        let mut requests: Vec<u64> = self.requests.iter().map(|it| self.digest(it)).collect();
        requests.sort_unstable();
        requests.hash(hasher);
        let client = &self.client;
        (client.kept, client.before, client.received, client.late).hash(hasher);
        (client.open.is_some(), client.has_code).hash(hasher);
        (client.refreshes, client.signed_out).hash(hasher);
        (&self.thief, self.snoops).hash(hasher);
        let past = &self.past;
        self.hash_moment(past.handed_out, hasher);
        (past.newest, past.to_client, past.to_thief).hash(hasher);
        (past.redemptions, past.revoked, past.accused, self.lost_writes).hash(hasher);
    }
}

impl World {
    fn hash_moment<H: Hasher>(&self, moment: u64, hasher: &mut H) {
        match self.life {
            Life::Endless => (self.now.saturating_sub(moment)).min(LEEWAY).hash(hasher),
            Life::Short => moment.hash(hasher),
        }
    }

    fn digest(&self, request: &Request) -> u64 {
        let mut hasher = DefaultHasher::new();
        (request.by, request.shows, request.at.is_some()).hash(&mut hasher);
        (self.client.open == Some(request.id), self.is_redeemer(request)).hash(&mut hasher);
        self.hash_moment(request.sent, &mut hasher);
        if let Some(decided) = &request.decided {
            self.hash_moment(request.at.unwrap_or(self.now), &mut hasher);
            self.hash_grant(&decided.record.grant, &mut hasher);
            let now = self.record.version;
            (decided.expected == now, decided.record.version == now).hash(&mut hasher);
            decided.unanswered.hash(&mut hasher);
        }
        hasher.finish()
    }

    fn is_redeemer(&self, request: &Request) -> bool {
        let State::Active(active) = &self.record.grant.state else {
            return false;
        };
        active.redeemed_by.is_some_and(|version| version.as_bytes()[0] == request.id)
    }

    /// All of a grant that a step may change and that may still matter.
    fn hash_grant<H: Hasher>(&self, grant: &Grant, hasher: &mut H) {
        std::mem::discriminant(&grant.state).hash(hasher);
        match &grant.state {
            State::Pending(_) => self.now.saturating_sub(START).min(CODE).hash(hasher),
            State::Active(active) => self.hash_active(active, hasher),
            State::Revoked(revoked) => std::mem::discriminant(&revoked.why).hash(hasher),
        }
        if self.life == Life::Short {
            grant.cap.hash(hasher);
        }
    }

    fn hash_active<H: Hasher>(&self, active: &Active, hasher: &mut H) {
        active.issued.hash(hasher);
        for access in active.live.iter().filter(|access| access.expires > at(self.now)) {
            let left = access.expires.since(at(self.now));
            (access.number, left, access.generation, access.scope.is_some()).hash(hasher);
        }
        if let Some(line) = &active.line {
            (line.head, line.previous, line.seen, line.asked.is_some()).hash(hasher);
            self.hash_moment(line.handed_out.as_secs(), hasher);
            if self.life == Life::Short {
                line.idle_ends.hash(hasher);
            }
        }
    }
}
