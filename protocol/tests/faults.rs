//! Wrong variants of the step, the store and the client.

use countersign_protocol::{
    Denied, Timestamp, Version,
    grant::{Grant, Input, Line, Output, Reason, State, step},
    policy::Terms,
};

use crate::{
    invariants::Invariant,
    small_world::{CODE, ENDING, LOST, LOST_CODE, SIGN_OUT, THEFT},
    world::{Bounds, Habits, Record, Rules, Step},
};

type Stepped = Result<(Grant, Output), Denied>;

/// A fault, where it shows, and what it breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) rules: Rules,
    pub(crate) bounds: Bounds,
    pub(crate) breaks: Invariant,
}

const fn wrong_step(name: &'static str, step: Step, bounds: Bounds, breaks: Invariant) -> Fault {
    let rules = Rules { step, ..Rules::REAL };
    Fault { name, rules, bounds, breaks }
}

const fn wrong_client(name: &'static str, client: Habits) -> Fault {
    let rules = Rules { client, ..Rules::REAL };
    Fault { name, rules, bounds: LOST, breaks: Invariant::HonestIsServed }
}

const fn wrong_swap(bounds: Bounds, breaks: Invariant) -> Fault {
    let rules = Rules { swap: select_then_update, ..Rules::REAL };
    Fault { name: "select then update", rules, bounds, breaks }
}

/// Every fault that must be found.
pub(crate) const ALL: &[Fault] = &[
    wrong_swap(CODE, Invariant::CodeOnce),
    wrong_swap(SIGN_OUT, Invariant::RevokedIsDead),
    Fault {
        name: "own write is a replay",
        rules: Rules { swap: own_write_is_a_conflict, knows_own: false, ..Rules::REAL },
        bounds: LOST_CODE,
        breaks: Invariant::HonestIsServed,
    },
    Fault {
        name: "a decision made anew goes by an old clock",
        rules: Rules { reads_clock: false, ..Rules::REAL },
        bounds: LOST,
        breaks: Invariant::HonestIsServed,
    },
    wrong_step(
        "a refused redemption burns the code",
        refusal_burns_the_code,
        LOST_CODE,
        Invariant::HonestIsServed,
    ),
    wrong_step(
        "a code alone is taken for its replay",
        bare_code_is_a_replay,
        LOST_CODE,
        Invariant::HonestIsServed,
    ),
    wrong_step("a code works again", code_works_again, CODE, Invariant::CodeOnce),
    wrong_step(
        "a replayed code is only refused",
        code_replay_is_only_refused,
        CODE,
        Invariant::CodeOnce,
    ),
    wrong_step("grace for any generation", grace_for_any_generation, THEFT, Invariant::OneHead),
    wrong_step("grace without an end", grace_without_end, THEFT, Invariant::OneHead),
    wrong_step("no grace", no_grace, LOST, Invariant::HonestIsServed),
    wrong_step(
        "a repeat does not restart the leeway",
        repeat_restarts_nothing,
        LOST,
        Invariant::HonestIsServed,
    ),
    wrong_step("a seen head is replaced", seen_is_forgotten, THEFT, Invariant::OneHead),
    wrong_step(
        "any access token marks the head as seen",
        any_access_is_seen,
        LOST,
        Invariant::HonestIsServed,
    ),
    wrong_step(
        "an unseen head keeps its access tokens",
        replacement_keeps_access,
        THEFT,
        Invariant::ThiefEndsEmptyHanded,
    ),
    wrong_step("an unseen head lives on", replaced_head_lives_on, THEFT, Invariant::OneHead),
    wrong_step(
        "a replay is only refused",
        replay_is_only_refused,
        THEFT,
        Invariant::ThiefEndsEmptyHanded,
    ),
    wrong_step("a refresh moves the cap", refresh_moves_the_cap, ENDING, Invariant::CapHolds),
    wrong_step(
        "an access token outlives the cap",
        access_outlives_the_cap,
        ENDING,
        Invariant::CapHolds,
    ),
    wrong_step("an idle line goes on", idle_goes_on, ENDING, Invariant::CapHolds),
    wrong_client("it uses what it has not kept", Habits { keeps_first: false, ..Habits::HONEST }),
    wrong_client(
        "it goes on while an earlier attempt may still arrive",
        Habits { waits: false, ..Habits::HONEST },
    ),
    wrong_client(
        "it takes the answer of an attempt that it gave up",
        Habits { hangs_up: false, ..Habits::HONEST },
    ),
    wrong_client(
        "a request of it arrives as late as the leeway",
        Habits { prompt: false, ..Habits::HONEST },
    ),
    wrong_client("its storage goes back in time", Habits { remembers: false, ..Habits::HONEST }),
];

/// As an engine without a compare-and-swap.
fn select_then_update(held: &mut Record, _: Version, new: &Record) -> bool {
    *held = new.clone();
    true
}

/// As an engine that counts a repeated put as somebody else's.
fn own_write_is_a_conflict(held: &mut Record, expected: Version, new: &Record) -> bool {
    let expects = held.version == expected;
    if expects {
        *held = new.clone();
    }
    expects
}

/// The grant with its line changed.
fn with_line(grant: &Grant, change: impl FnOnce(&mut Line)) -> Grant {
    let mut changed = grant.clone();
    if let State::Active(active) = &mut changed.state
        && let Some(line) = &mut active.line
    {
        change(line);
    }
    changed
}

fn line(grant: &Grant) -> Option<&Line> {
    match &grant.state {
        State::Active(active) => active.line.as_ref(),
        _ => None,
    }
}

/// The generation that is presented.
fn shown(input: &Input<'_>) -> Option<u32> {
    match input {
        Input::Refresh(refresh) => Some(refresh.generation),
        _ => None,
    }
}

fn code_works_again(grant: &Grant, input: Input<'_>, terms: &Terms, now: Timestamp) -> Stepped {
    #[derive(Debug)]
    struct Everybody;
    impl countersign_protocol::grant::OwnWrite for Everybody {
        fn is_own(&self, _: &Version) -> bool {
            true
        }
    }
    let input = match input {
        Input::Redeem(mut redemption) => {
            redemption.own = &Everybody;
            Input::Redeem(redemption)
        }
        other => other,
    };
    step(grant, input, terms, now)
}

/// The refusal is written down as the grant's end.
fn refused_for_good(grant: &Grant, denied: Denied, terms: &Terms, now: Timestamp) -> Stepped {
    let end = Input::Revoke(Reason::CodeReplayed);
    let (ended, _) = step(grant, end, terms, now)?;
    Ok((ended, Output::Refused(denied)))
}

fn refusal_burns_the_code(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let is_pending = matches!(grant.state, State::Pending(_));
    match step(grant, input, terms, now) {
        Err(denied) if is_pending => refused_for_good(grant, denied, terms, now),
        other => other,
    }
}

fn bare_code_is_a_replay(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let is_active = matches!(grant.state, State::Active(_));
    match step(grant, input, terms, now) {
        Err(Denied::VerifierMissing) if is_active => {
            refused_for_good(grant, Denied::CodeReplayed, terms, now)
        }
        other => other,
    }
}

fn code_replay_is_only_refused(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    match step(grant, input, terms, now)? {
        (_, Output::Refused(Denied::CodeReplayed)) => Err(Denied::CodeReplayed),
        other => Ok(other),
    }
}

fn replay_is_only_refused(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    match step(grant, input, terms, now)? {
        (_, Output::Refused(denied)) => Err(denied),
        other => Ok(other),
    }
}

fn grace_for_any_generation(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let generation = shown(&input);
    let graceful = with_line(grant, |line| {
        let older = generation.filter(|generation| *generation < line.head);
        line.previous = older.or(line.previous);
    });
    step(&graceful, input, terms, now)
}

fn grace_without_end(grant: &Grant, input: Input<'_>, terms: &Terms, now: Timestamp) -> Stepped {
    let graceful = with_line(grant, |line| line.handed_out = now);
    step(&graceful, input, terms, now)
}

fn no_grace(grant: &Grant, input: Input<'_>, terms: &Terms, now: Timestamp) -> Stepped {
    let terms = Terms { leeway: std::time::Duration::ZERO, ..terms.clone() };
    step(grant, input, &terms, now)
}

fn repeat_restarts_nothing(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let before = line(grant).map(|line| (line.head, line.handed_out));
    let (next, output) = step(grant, input, terms, now)?;
    let kept = with_line(&next, |line| {
        if let Some((head, handed_out)) = before
            && head == line.head
        {
            line.handed_out = handed_out;
        }
    });
    Ok((kept, output))
}

fn seen_is_forgotten(grant: &Grant, input: Input<'_>, terms: &Terms, now: Timestamp) -> Stepped {
    step(&with_line(grant, |line| line.seen = false), input, terms, now)
}

fn any_access_is_seen(grant: &Grant, input: Input<'_>, terms: &Terms, now: Timestamp) -> Stepped {
    let is_use = matches!(input, Input::Seen(_));
    let (next, output) = step(grant, input, terms, now)?;
    let seen = with_line(&next, |line| line.seen |= is_use);
    Ok((seen, output))
}

fn replacement_keeps_access(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let (mut next, output) = step(grant, input, terms, now)?;
    if let (State::Active(before), State::Active(after)) = (&grant.state, &mut next.state) {
        let lost = before.live.iter().filter(|access| {
            now < access.expires && !after.live.iter().any(|kept| kept.number == access.number)
        });
        let lost: Vec<_> = lost.cloned().collect();
        after.live.splice(0..0, lost);
    }
    Ok((next, output))
}

/// It takes the head of the line that was forked off for a head too.
fn replaced_head_lives_on(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let generation = shown(&input);
    let forked = with_line(grant, |line| {
        let is_replaced = line.previous.is_some_and(|previous| previous + 1 < line.head);
        if is_replaced && generation.map(|shown| shown + 1) == Some(line.head) {
            line.previous = generation;
            line.seen = false;
        }
    });
    step(&forked, input, terms, now)
}

fn refresh_moves_the_cap(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let later = match input {
        Input::Refresh(_) if now < grant.cap => grant.cap.max(now + terms.refresh_cap),
        _ => grant.cap,
    };
    let longer = Grant { cap: later, ..grant.clone() };
    step(&longer, input, terms, now)
}

fn access_outlives_the_cap(
    grant: &Grant,
    input: Input<'_>,
    terms: &Terms,
    now: Timestamp,
) -> Stepped {
    let (mut next, output) = step(grant, input, terms, now)?;
    if let (State::Active(active), Output::Issued(issued)) = (&mut next.state, &output) {
        for access in &mut active.live {
            if access.number == issued.access.number {
                access.expires = access.issued + terms.access_token;
            }
        }
    }
    Ok((next, output))
}

fn idle_goes_on(grant: &Grant, input: Input<'_>, terms: &Terms, now: Timestamp) -> Stepped {
    let awake = with_line(grant, |line| line.idle_ends = grant.cap);
    step(&awake, input, terms, now)
}
