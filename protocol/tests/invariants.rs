//! What must hold whatever anybody does, asked of the grant from outside: by presenting tokens to it.
//!
//! Each is asked of every state that a driver reaches, so "later" and "at the next refresh" begin in each of them.

use countersign_protocol::{
    Denied,
    grant::{Access, Grant, Issued, Output, State},
};

use crate::world::{LEEWAY, Rules, Shown, World, at, numbers, suppose};

type Stepped = Result<(Grant, Output), Denied>;

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// A code works once, and its replay before its flow has ended ends what it gave.
    CodeOnce,
    /// There is one live head: who presents any other generation, later than a leeway after it was handed out, takes
    /// the line over or gets nothing. So two presentations of one token more than a leeway apart never both end in a
    /// live line.
    OneHead,
    /// Nothing is usable after revocation, for good.
    RevokedIsDead,
    /// Nothing outlives the cap, nor the line its idle time.
    CapHolds,
    /// An honest client is never taken for a thief, nor refused.
    HonestIsServed,
    /// A thief is caught, or left with nothing that is theirs alone, at the honest client's next refresh outside the
    /// leeway; and a leeway later all that they hold is worth nothing.
    ThiefEndsEmptyHanded,
}

impl Invariant {
    pub(crate) const ALL: [Self; 6] = [
        Self::CodeOnce,
        Self::OneHead,
        Self::RevokedIsDead,
        Self::CapHolds,
        Self::HonestIsServed,
        Self::ThiefEndsEmptyHanded,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CodeOnce => "a code works once, and its replay ends what it gave",
            Self::OneHead => "there is at most one live head",
            Self::RevokedIsDead => "nothing is usable after revocation",
            Self::CapHolds => "nothing outlives the cap",
            Self::HonestIsServed => "an honest client is never taken for a thief",
            Self::ThiefEndsEmptyHanded => "a thief is caught or left empty-handed",
        }
    }

    /// Whether it holds.
    pub(crate) fn holds(self, rules: &Rules, world: &World) -> bool {
        let onlooker = Onlooker { rules, world };
        match self {
            Self::CodeOnce => onlooker.code_works_once(),
            Self::OneHead => onlooker.one_head(),
            Self::RevokedIsDead => {
                !world.past.revoked || onlooker.is_over(onlooker.grant(), world.now)
            }
            Self::CapHolds => onlooker.cap_holds(),
            Self::HonestIsServed => !world.past.accused,
            Self::ThiefEndsEmptyHanded => onlooker.thief_ends_empty_handed(),
        }
    }
}

/// Who asks what would come of it.
struct Onlooker<'a> {
    rules: &'a Rules,
    world: &'a World,
}

impl Onlooker<'_> {
    fn code_works_once(&self) -> bool {
        let (redemptions, now) = (self.world.past.redemptions, self.world.now);
        let replay = || match self.suppose(self.grant(), Shown::Code, now) {
            Ok((next, Output::Refused(_))) => self.is_over(&next, now),
            Ok(_) => false,
            Err(_) => self.world.past.flow_ended || self.is_over(self.grant(), now),
        };
        redemptions == 0 || (redemptions == 1 && replay())
    }

    fn one_head(&self) -> bool {
        let (now, past) = (self.world.now, &self.world.past);
        let is_late = now >= past.handed_out + LEEWAY;
        let mut generations = 1..=past.newest;
        generations.all(|first| {
            let Some((next, head)) = self.yields(self.grant(), first, now) else {
                return true;
            };
            (!is_late || self.takes_over(&next, first, head)) && self.is_alone_later(&next, head)
        }) && self.is_alone_once_seen()
    }

    /// Whether the head that a late presentation got is a new one, and every other generation is dead.
    fn takes_over(&self, grant: &Grant, first: u32, head: u32) -> bool {
        let newest = self.world.past.newest;
        let mut others = (1..=newest).filter(|other| *other != first);
        head > newest && others.all(|other| self.yields(grant, other, self.world.now).is_none())
    }

    /// Whether any other generation that is presented a leeway later gets nothing, or puts an end to this head.
    fn is_alone_later(&self, grant: &Grant, head: u32) -> bool {
        let later = self.world.now + LEEWAY;
        let mut others = 1..head;
        others.all(|other| match self.yields(grant, other, later) {
            None => true,
            Some((next, _)) => self.is_buried(&next, head, later),
        })
    }

    /// Whether no generation but the head yields anything, once the head was seen and the leeway is over.
    fn is_alone_once_seen(&self) -> bool {
        let (grant, now, newest) = (self.grant(), self.world.now, self.world.past.newest);
        let later = now.max(self.world.past.handed_out) + LEEWAY;
        let of_head = live(grant).iter().filter(|access| access.generation == newest);
        let mut of_head = of_head.filter(|access| grant.access(access.number, at(now)).is_ok());
        of_head.all(|access| {
            let used = self.suppose(grant, Shown::Access(access.number), now);
            let mut older = 1..newest;
            used.is_ok_and(|(used, _)| {
                older.all(|older| self.yields(&used, older, later).is_none())
            })
        })
    }

    fn cap_holds(&self) -> bool {
        let (grant, cap, end) = (self.grant(), self.world.life.cap(), self.world.line_ends());
        let mut generations = 1..=self.world.past.newest;
        !is_any_access_alive(grant, cap)
            && generations.all(|generation| {
                self.yields(grant, generation, cap).is_none()
                    && self.yields(grant, generation, end).is_none()
            })
    }

    fn thief_ends_empty_handed(&self) -> bool {
        let (grant, world) = (self.grant(), self.world);
        let Some(kept) = world.client.kept.filter(|_| world.thief.generations != 0) else {
            return true;
        };
        let late = world.now.max(world.past.handed_out + LEEWAY);
        if late >= world.line_ends() {
            return true;
        }
        match self.refresh(grant, kept.generation, late) {
            Ok((next, Output::Issued(issued))) => self.thief_loses_all(&next, &issued, late),
            Ok((next, _)) => self.is_over(&next, late),
            Err(_) => self.is_over(grant, late),
        }
    }

    /// Whether what was handed out to the thief alone is dead at once, and all that the thief holds a leeway after the
    /// client used what it got.
    fn thief_loses_all(&self, grant: &Grant, issued: &Issued, now: u64) -> bool {
        let (past, thief) = (&self.world.past, &self.world.thief);
        let mut theirs = numbers(past.to_thief & !past.to_client);
        let mut all = numbers(thief.generations);
        let used = self.suppose(grant, Shown::Access(issued.access.number), now);
        theirs.all(|generation| self.is_buried(grant, generation, now))
            && used.is_ok_and(|(used, _)| {
                all.all(|generation| self.yields(&used, generation, now + LEEWAY).is_none())
            })
    }

    fn grant(&self) -> &Grant {
        &self.world.record.grant
    }

    fn suppose(&self, grant: &Grant, shown: Shown, now: u64) -> Stepped {
        suppose(grant, shown, self.rules, self.world.life, now)
    }

    fn refresh(&self, grant: &Grant, generation: u32, now: u64) -> Stepped {
        let narrow = false;
        self.suppose(grant, Shown::Refresh { generation, narrow }, now)
    }

    /// What a generation yields, if anything: the grant then, and the head that was handed out.
    fn yields(&self, grant: &Grant, generation: u32, now: u64) -> Option<(Grant, u32)> {
        match self.refresh(grant, generation, now) {
            Ok((next, Output::Issued(issued))) => Some((next, issued.refresh.unwrap_or_default())),
            _ => None,
        }
    }

    /// Whether neither a token nor the code gets anything.
    fn is_over(&self, grant: &Grant, now: u64) -> bool {
        let code = self.suppose(grant, Shown::Code, now);
        let mut generations = 1..=self.world.past.newest;
        !matches!(code, Ok((_, Output::Issued(_))))
            && !is_any_access_alive(grant, now)
            && generations.all(|generation| self.yields(grant, generation, now).is_none())
    }

    /// Whether a generation and its access tokens are dead.
    fn is_buried(&self, grant: &Grant, generation: u32, now: u64) -> bool {
        let mut live = live(grant).iter();
        self.yields(grant, generation, now).is_none()
            && !live.any(|access| access.generation == generation)
    }
}

fn live(grant: &Grant) -> &[Access] {
    match &grant.state {
        State::Active(active) => &active.live,
        _ => &[],
    }
}

fn is_any_access_alive(grant: &Grant, now: u64) -> bool {
    let mut live = live(grant).iter();
    live.any(|access| grant.access(access.number, at(now)).is_ok())
}
