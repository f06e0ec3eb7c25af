//! Renewing a session's tokens, one exchange at a time, safe against lost answers and crashes.
//!
//! A shell that was told to refresh does this, in a task that outlives its caller:
//!
//! 1. Take the place's lock. While another holds it, re-read the place and stop as soon as
//!    [`Session::take_newer`] finds what is needed. After [`PATIENCE`] report [`Offline::Waiting`] and go on waiting;
//!    never steal.
//! 2. Re-read the place and ask [`Session::plan`].
//! 3. For [`Plan::Exchange`]: write [`Exchange::mark`], which proves that the place can be written and tells who comes
//!    after a crash that an attempt is under way. Where that fails, nothing is exchanged.
//! 4. Send [`Exchange::request`]; after [`ATTEMPT`] it counts as unanswered. Follow what [`Exchange::answered`] says.
//! 5. For [`Verdict::Keep`]: re-read the place, [`Exchange::settle`], write, release the lock. Only then is the new
//!    token used.
//! 6. Should that write fail after all, the new token is used and the lock is held on to: every second re-read the
//!    place and write what [`Session::unkept`] says, until it says nothing. (Another program that exchanged the old
//!    token meanwhile would look like a thief.)
//!
//! An attempt that was not answered may still arrive. Then it must find its refresh token as the provider's *previous*
//! one, never as an older: so it is asked again with the same token, and a *newer* token is not exchanged within
//! [`HOLD`] of it.

use std::{borrow::Cow, time::Duration};

use super::{Kept, Life, Offline, Out, Renewal, Session};
use crate::{
    scope::Scope,
    secret::Secret,
    time::Timestamp,
    token::{ErrorResponse, TokenResponse},
};

/// How long one attempt may take.
pub const ATTEMPT: Duration = Duration::from_secs(8);

/// How long a caller waits for a refresh, its own or another program's, before it is told
/// [`Offline`](super::Status::Offline).
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long after an unanswered attempt no newer refresh token is exchanged.
pub const HOLD: Duration = Duration::from_secs(30);

/// The pauses before the second and third attempt of one exchange.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// After this long no further attempt of the same exchange is begun, so that the lock is free again within
/// [`PATIENCE`].
const BUDGET: Duration = Duration::from_secs(12);

/// Without `Retry-After`, and at least: how long a provider that answered 429 is left in peace.
const AFTER_429: Duration = Duration::from_secs(5);

/// How long a provider that refused this client is left in peace: each attempt would count against its brakes.
const AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// The longest `Retry-After` that is heeded.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What the token endpoint answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Status 200 with tokens.
    Tokens(TokenResponse),
    /// Status 400 to 499 with a well-formed refusal in JSON ([RFC 6749 §5.2]).
    ///
    /// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
    Refused(u16, ErrorResponse),
    /// Any other status: 429, 5xx, a redirect (which is not followed), a page of something in between.
    Failed {
        /// The status.
        status: u16,
        /// `Retry-After`, where it was given in seconds.
        retry_after: Option<Duration>,
    },
    /// The request was never sent: no connection.
    NotSent,
    /// It was sent, wholly or in part, and no answer came that can be read: whether the provider has carried it out is
    /// not known.
    Lost,
}

impl Answer {
    /// Judges an answer that came whole. `is_json` tells its media type; the two readers parse its body.
    pub fn of(
        status: u16,
        is_json: bool,
        retry_after: Option<&str>,
        tokens: impl FnOnce() -> Option<TokenResponse>,
        refusal: impl FnOnce() -> Option<ErrorResponse>,
    ) -> Self {
        let retry_after =
            retry_after.and_then(|value| value.trim_ascii().parse().ok()).map(Duration::from_secs);
        let failed = Self::Failed { status, retry_after };
        match status {
            200 if is_json => tokens().map_or(Self::Lost, Self::Tokens),
            408 | 429 => failed,
            400..=499 if is_json => {
                refusal().map_or(failed, |refusal| Self::Refused(status, refusal))
            }
            200 => Self::Lost,
            _ => failed,
        }
    }
}

/// The grant that an exchange asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// `refresh_token` ([RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
    RefreshToken(Secret),
    /// `client_credentials` ([RFC 6749 §4.4.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.4.2)).
    ClientCredentials(Option<Scope>),
}

/// What to do under the lock.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Nothing: the session has a token that can be used.
    Ready,
    /// Exchange.
    Exchange(Box<Exchange>),
    /// Wait until then, and plan again: an older attempt may still arrive ([`HOLD`]).
    Wait(Timestamp),
    /// Give up for now.
    Offline(Offline),
    /// Nobody is signed in any more.
    Out(Out),
}

impl Session {
    /// Takes what the place holds, if it is newer, and tells whether no refresh is needed any more: there is a fresh
    /// token that is not the `rejected` one, or nobody is signed in. Needs no lock.
    pub fn take_newer(
        &mut self,
        found: Option<Kept>,
        rejected: Option<&Secret>,
        now: Timestamp,
    ) -> bool {
        if let Some(found) = found {
            self.meet(found);
        }
        self.out.is_some() || self.is_ready(rejected, now)
    }

    /// Decides, under the lock, over what the place holds.
    pub fn plan(&mut self, found: Option<Kept>, rejected: Option<&Secret>, now: Timestamp) -> Plan {
        let ready = self.take_newer(found, rejected, now);
        if let Some(out) = self.out {
            return Plan::Out(out);
        }
        if ready {
            return Plan::Ready;
        }
        if let Some(offline) = self.pausing(now) {
            return Plan::Offline(offline);
        }
        if let Some(until) = self.held_until(now) {
            return Plan::Wait(until);
        }
        self.exchange(now)
    }

    fn exchange(&self, now: Timestamp) -> Plan {
        let request = match self.tokens() {
            Err(out) => return Plan::Out(out),
            Ok(tokens) => match &tokens.renewal {
                Renewal::RefreshToken(token) => Request::RefreshToken(token.clone()),
                Renewal::ClientCredentials(scope) => Request::ClientCredentials(scope.clone()),
                Renewal::No => return Plan::Ready,
            },
        };
        // A mark of an earlier exchange: its program died, or heard nothing. Its last attempt ended at the latest then.
        let lost = self.kept.attempt.map(|began| (began + BUDGET + ATTEMPT).min(now));
        let mark = Kept { attempt: Some(now), ..self.kept.clone() };
        Plan::Exchange(Box::new(Exchange { mark, request, began: now, attempts: 0, lost }))
    }

    fn is_ready(&self, rejected: Option<&Secret>, now: Timestamp) -> bool {
        let fresh = |tokens: &super::Tokens| {
            tokens.life(now) == Life::Fresh && !rejected.is_some_and(|it| tokens.access.matches(it))
        };
        self.tokens().is_ok_and(fresh)
    }

    /// Until when the refresh token must not be exchanged, since an attempt with an older one may still arrive.
    fn held_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        // A moment that lies ahead was noted before the clock was set back: how long ago, nobody knows.
        let lost = self.kept.hold?.min(now);
        self.kept.hold = Some(lost);
        (now < lost + HOLD).then(|| lost + HOLD)
    }
}

/// One exchange under way.
#[derive(Clone, Debug)]
pub struct Exchange {
    mark: Kept,
    request: Request,
    began: Timestamp,
    attempts: usize,
    /// When the last attempt ended that may still arrive.
    lost: Option<Timestamp>,
}

/// What to do after an answer.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Re-read the place, [`settle`](Exchange::settle), and keep this record. It holds new tokens, or none when the
    /// provider has ended the session.
    Keep(Kept),
    /// Pause this long and send the very same request again.
    Again(Duration),
    /// Give up for now, and do not try again for this long. The session goes on.
    Offline(Offline, Duration),
}

/// What to do with the record of a finished exchange.
#[derive(Clone, Debug)]
pub enum Settled {
    /// Write it, release the lock, use it.
    Write(Kept),
    /// Take what the place holds by [`Session::take_newer`]: another has been there in spite of the lock.
    Adopt(Kept),
}

impl Exchange {
    /// The record to write before anything is sent.
    pub fn mark(&self) -> &Kept {
        &self.mark
    }

    /// What to ask for; the same at each attempt.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Judges the answer to an attempt that was sent at `sent` and ended `now`.
    pub fn answered(&mut self, answer: Answer, sent: Timestamp, now: Timestamp) -> Verdict {
        self.attempts += 1;
        match answer {
            Answer::Tokens(answer) => Verdict::Keep(self.renewed(answer, sent, now)),
            Answer::Refused(status, refusal) => self.refused(status, &refusal),
            Answer::Failed { status: 429, retry_after } => {
                let pause = retry_after.unwrap_or_default().clamp(AFTER_429, LONGEST_PAUSE);
                Verdict::Offline(Offline::Provider(429), pause)
            }
            Answer::Failed { status: status @ (408 | 500..), retry_after } => {
                self.lost = Some(now);
                let pause = retry_after.unwrap_or_default().min(LONGEST_PAUSE);
                self.again(Offline::Provider(status), pause, now)
            }
            Answer::Failed { status, .. } => {
                Verdict::Offline(Offline::Provider(status), Duration::ZERO)
            }
            Answer::NotSent => Verdict::Offline(Offline::Unreachable, Duration::ZERO),
            Answer::Lost => {
                self.lost = Some(now);
                self.again(Offline::Unanswered, Duration::ZERO, now)
            }
        }
    }

    /// Only a proven `invalid_grant` of the refresh token ends a session.
    fn refused(&self, status: u16, refusal: &ErrorResponse) -> Verdict {
        let by_token = matches!(self.request, Request::RefreshToken(_));
        if by_token && matches!(status, 400 | 401 | 403) && refusal.error == "invalid_grant" {
            return Verdict::Keep(self.mark.after(None));
        }
        let code = Cow::Owned(refusal.printable().error.into_owned());
        Verdict::Offline(Offline::Refused(code), AFTER_REFUSAL)
    }

    /// Once more while there is time and the provider does not ask for patience.
    fn again(&self, otherwise: Offline, pause: Duration, now: Timestamp) -> Verdict {
        match PAUSES.get(self.attempts - 1) {
            Some(own) if pause <= Duration::from_secs(2) && now.since(self.began) < BUDGET => {
                Verdict::Again(pause.max(*own))
            }
            _ => Verdict::Offline(otherwise, pause),
        }
    }

    fn renewed(&self, answer: TokenResponse, sent: Timestamp, now: Timestamp) -> Kept {
        let rotated = match (&self.request, &answer.refresh_token) {
            (Request::RefreshToken(old), Some(new)) => !old.matches(new),
            _ => false,
        };
        let tokens = self.mark.tokens.as_ref().map(|tokens| tokens.renewed(answer, sent));
        let recent = |lost: &Timestamp| rotated && now < *lost + HOLD;
        Kept { hold: self.lost.filter(recent), ..self.mark.after(tokens) }
    }

    /// Compares what the place holds with what was exchanged: a newer record stays.
    ///
    /// A place that cannot be read now counts as holding what was exchanged (`found` is `None`).
    pub fn settle(&self, found: Option<Kept>, new: Kept) -> Settled {
        match found {
            Some(found) if self.is_newer(&found) => Settled::Adopt(found),
            _ => Settled::Write(new),
        }
    }

    fn is_newer(&self, found: &Kept) -> bool {
        let (own, other) = (self.mark.generation, found.generation);
        !found.belongs_to(&self.mark.owner)
            || other.number > own.number
            || (other.line != own.line && found.is_signed_in())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Generation, Owner, Status, Tokens},
        *,
    };
    use crate::{
        id::{ClientId, Version},
        token::TokenType,
    };

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    fn owner() -> Owner {
        Owner { issuer: "https://id.example".into(), client_id: ClientId::new("cli").unwrap() }
    }

    fn tokens(access: &str, refresh: Option<&str>) -> TokenResponse {
        TokenResponse {
            access_token: access.into(),
            token_type: TokenType::Bearer,
            expires_in: Some(600),
            refresh_token: refresh.map(Secret::from),
            scope: None,
        }
    }

    fn signed_in(line: u8, number: u64) -> Kept {
        let tokens = Tokens::of_login(tokens(&format!("at{number}"), Some("rt")), None, at(0));
        let line = Version::from_bytes([line; 16]);
        let mut kept = Kept::empty(owner(), line);
        kept.tokens = Some(tokens);
        kept.generation = Generation { line, number };
        kept
    }

    fn signed_out(line: u8, number: u64) -> Kept {
        Kept { tokens: None, ..signed_in(line, number) }
    }

    fn session() -> Session {
        Session::restore(signed_in(1, 3), &owner()).unwrap()
    }

    fn refusal(code: &str) -> ErrorResponse {
        ErrorResponse { error: code.to_owned().into(), error_description: None }
    }

    fn shown(plan: &Plan) -> String {
        match plan {
            Plan::Ready => "ready".into(),
            Plan::Exchange(exchange) => format!("exchange {}", exchange.mark.generation.number),
            Plan::Wait(until) => format!("wait {}", until.since(at(0)).as_secs()),
            Plan::Offline(offline) => format!("offline: {offline}"),
            Plan::Out(out) => format!("out: {out:?}"),
        }
    }

    fn exchange(session: &mut Session, found: Option<Kept>, now: Timestamp) -> Exchange {
        match session.plan(found, None, now) {
            Plan::Exchange(exchange) => *exchange,
            other => panic!("{}", shown(&other)),
        }
    }

    #[test]
    fn what_the_place_holds_decides_who_refreshes() {
        let foreign = Kept {
            owner: Owner { issuer: "https://other.example".into(), ..owner() },
            ..signed_in(1, 9)
        };
        for (found, plan) in [
            (None, "exchange 3"),
            (Some(signed_in(1, 3)), "exchange 3"),
            (Some(signed_in(1, 2)), "exchange 3"),
            (Some(signed_in(1, 4)), "exchange 4"),
            (Some(signed_out(1, 4)), "out: LeftElsewhere"),
            (Some(signed_out(2, 9)), "out: LeftElsewhere"),
            (Some(signed_in(2, 1)), "out: Replaced"),
            (Some(signed_in(2, 9)), "out: Replaced"),
            (Some(foreign), "out: Replaced"),
        ] {
            let described = format!("{found:?}");
            assert_eq!(shown(&session().plan(found, None, at(600))), plan, "{described}");
        }
    }

    #[test]
    fn a_fresh_token_of_another_program_is_taken_unless_it_is_the_rejected_one() {
        let newer = || {
            let mut newer = signed_in(1, 4);
            newer.tokens = newer.tokens.map(|it| Tokens { since: at(600), ..it });
            Some(newer)
        };
        let mut own = session();
        assert!(own.take_newer(newer(), Some(&"at3".into()), at(601)));
        assert_eq!(own.access().unwrap().expose(), "at4");
        assert!(!session().take_newer(newer(), Some(&"at4".into()), at(601)));
        assert!(!session().take_newer(None, None, at(600)));
        assert_eq!(shown(&session().plan(newer(), Some(&"at4".into()), at(601))), "exchange 4");
    }

    #[test]
    fn the_answer_decides_whether_the_session_goes_on() {
        let failed = |status| Answer::Failed { status, retry_after: None };
        for (answer, verdict) in [
            (Answer::Tokens(tokens("at4", Some("rt4"))), "keep 4 in"),
            (Answer::Refused(400, refusal("invalid_grant")), "keep 4 out"),
            (Answer::Refused(401, refusal("invalid_grant")), "keep 4 out"),
            (Answer::Refused(404, refusal("invalid_grant")), "offline 10"),
            (Answer::Refused(401, refusal("invalid_client")), "offline 10"),
            (Answer::Refused(400, refusal("INVALID_GRANT")), "offline 10"),
            (failed(429), "offline 5"),
            (failed(302), "offline 0"),
            (failed(404), "offline 0"),
            (failed(500), "again 250"),
            (failed(503), "again 250"),
            (
                Answer::Failed { status: 503, retry_after: Some(Duration::from_secs(2)) },
                "again 2000",
            ),
            (
                Answer::Failed { status: 503, retry_after: Some(Duration::from_secs(3)) },
                "offline 3",
            ),
            (Answer::Failed { status: 429, retry_after: Some(Duration::MAX) }, "offline 300"),
            (Answer::NotSent, "offline 0"),
            (Answer::Lost, "again 250"),
        ] {
            let described = format!("{answer:?}");
            let mut exchange = exchange(&mut session(), None, at(600));
            let got = match exchange.answered(answer, at(600), at(601)) {
                Verdict::Keep(kept) => {
                    let word = if kept.is_signed_in() { "in" } else { "out" };
                    format!("keep {} {word}", kept.generation.number)
                }
                Verdict::Again(pause) => format!("again {}", pause.as_millis()),
                Verdict::Offline(_, pause) => format!("offline {}", pause.as_secs()),
            };
            assert_eq!(got, verdict, "{described}");
        }
    }

    #[test]
    fn only_json_of_the_right_status_is_read_as_the_providers_word() {
        let of = |status, json, retry: Option<&str>| {
            let refuse = || Some(refusal("invalid_grant"));
            match Answer::of(status, json, retry, || Some(tokens("a", None)), refuse) {
                Answer::Tokens(_) => "tokens".into(),
                Answer::Refused(status, _) => format!("refused {status}"),
                Answer::Failed { status, retry_after } => {
                    format!("failed {status} {}", retry_after.unwrap_or_default().as_secs())
                }
                Answer::NotSent => "not sent".into(),
                Answer::Lost => "lost".into(),
            }
        };
        assert_eq!(of(200, true, None), "tokens");
        assert_eq!(of(200, false, None), "lost");
        assert_eq!(of(201, true, None), "failed 201 0");
        assert_eq!(of(307, true, None), "failed 307 0");
        assert_eq!(of(400, true, None), "refused 400");
        assert_eq!(of(400, false, None), "failed 400 0");
        assert_eq!(of(429, true, Some("7")), "failed 429 7");
        assert_eq!(of(503, true, Some("Wed, 21 Oct 2015 07:28:00 GMT")), "failed 503 0");
        assert!(matches!(Answer::of(200, true, None, || None, || None), Answer::Lost));
    }

    #[test]
    fn three_attempts_ask_with_the_same_token_and_then_it_is_offline() {
        let mut session = session();
        let mut exchange = exchange(&mut session, None, at(600));
        let mut pauses = Vec::new();
        let offline = loop {
            assert!(matches!(exchange.request(), Request::RefreshToken(it) if it.expose() == "rt"));
            match exchange.answered(Answer::Lost, at(600), at(601)) {
                Verdict::Again(pause) => pauses.push(pause.as_millis()),
                Verdict::Offline(offline, _) => break offline,
                Verdict::Keep(_) => panic!("nothing was answered"),
            }
        };
        assert_eq!((pauses, offline), (vec![250, 1000], Offline::Unanswered));
    }

    #[test]
    fn no_attempt_begins_when_the_lock_is_held_for_long() {
        let mut exchange = exchange(&mut session(), None, at(600));
        let verdict = exchange.answered(Answer::Lost, at(600), at(612));
        assert!(matches!(verdict, Verdict::Offline(Offline::Unanswered, _)));
    }

    #[test]
    fn after_a_lost_answer_no_newer_token_is_exchanged_for_30_seconds() {
        let mut session = session();
        let mut exchange = exchange(&mut session, None, at(600));
        exchange.answered(Answer::Lost, at(600), at(608));
        let answer = Answer::Tokens(tokens("at4", Some("rt4")));
        let Verdict::Keep(kept) = exchange.answered(answer, at(608), at(609)) else { panic!() };
        session.take(kept, true);
        let rejected = Secret::from("at4");
        assert_eq!(shown(&session.plan(None, Some(&rejected), at(637))), "wait 638");
        assert_eq!(shown(&session.plan(None, Some(&rejected), at(638))), "exchange 4");
        let (set_back, later) = (Timestamp::from_secs(5), Timestamp::from_secs(35));
        let shown = |now| shown(&session.clone().plan(None, Some(&rejected), now));
        assert!(shown(set_back).starts_with("wait"), "it may still arrive");
        session.plan(None, Some(&rejected), set_back);
        let plan = session.plan(None, Some(&rejected), later);
        assert!(matches!(plan, Plan::Exchange(_)));
    }

    #[test]
    fn a_token_that_was_not_rotated_needs_no_such_wait() {
        for refresh in [None, Some("rt")] {
            let mut session = session();
            let mut exchange = exchange(&mut session, None, at(600));
            exchange.answered(Answer::Lost, at(600), at(608));
            let answer = Answer::Tokens(tokens("at4", refresh));
            let Verdict::Keep(kept) = exchange.answered(answer, at(608), at(609)) else { panic!() };
            session.take(kept, true);
            assert_eq!(shown(&session.plan(None, Some(&"at4".into()), at(610))), "exchange 4");
        }
    }

    #[test]
    fn a_mark_of_a_program_that_died_counts_as_an_unanswered_attempt() {
        let mut crashed = session();
        let mark = exchange(&mut crashed, None, at(600)).mark().clone();
        let mut heir = Session::restore(mark.clone(), &owner()).unwrap();
        let mut exchange = exchange(&mut heir, Some(mark), at(605));
        let answer = Answer::Tokens(tokens("at4", Some("rt4")));
        let Verdict::Keep(kept) = exchange.answered(answer, at(605), at(606)) else { panic!() };
        heir.take(kept, true);
        assert_eq!(shown(&heir.plan(None, Some(&"at4".into()), at(634))), "wait 635");
    }

    #[test]
    fn a_newer_record_that_came_in_spite_of_the_lock_stays() {
        let exchange = exchange(&mut session(), Some(signed_in(1, 3)), at(600));
        for (found, adopted) in [
            (None, false),
            (Some(signed_in(1, 2)), false),
            (Some(signed_in(1, 3)), false),
            (Some(signed_in(1, 4)), true),
            (Some(signed_out(1, 4)), true),
            (Some(signed_in(2, 1)), true),
        ] {
            let settled = exchange.settle(found, signed_in(1, 4));
            assert_eq!(matches!(settled, Settled::Adopt(_)), adopted);
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_written_later() {
        let mut session = session();
        let mut exchange = exchange(&mut session, None, at(600));
        let answer = Answer::Tokens(tokens("at4", Some("rt4")));
        let Verdict::Keep(kept) = exchange.answered(answer, at(600), at(600)) else { panic!() };
        session.take(kept, false);
        assert_eq!((session.status(), session.is_kept()), (Status::In, false));
        assert_eq!(session.access().unwrap().expose(), "at4");
        let number = |kept: Option<Kept>| kept.map(|kept| kept.generation.number);
        assert_eq!(number(session.unkept(Some(signed_in(1, 3)))), Some(4));
        assert_eq!(
            number(session.clone().unkept(Some(signed_in(1, 4)))),
            None,
            "another was there"
        );
        session.take(session.kept().clone(), true);
        assert_eq!(number(session.unkept(Some(signed_in(1, 3)))), None);
    }

    #[test]
    fn a_provider_that_asks_for_patience_gets_it() {
        let mut session = session();
        session.fail(Offline::Provider(429), Duration::from_secs(5), at(600));
        assert_eq!(session.status(), Status::Offline(Offline::Provider(429)));
        let offline = "offline: the provider answered with status 429";
        assert_eq!(shown(&session.plan(None, None, at(604))), offline);
        assert_eq!(shown(&session.plan(None, None, at(605))), "exchange 3");
    }

    #[test]
    fn a_proven_refusal_ends_the_session_for_all_who_share_it() {
        let mut first = session();
        let mut exchange = exchange(&mut first, None, at(600));
        let answer = Answer::Refused(400, refusal("invalid_grant"));
        let Verdict::Keep(kept) = exchange.answered(answer, at(600), at(600)) else { panic!() };
        first.take(kept.clone(), true);
        assert_eq!(first.status(), Status::Out(Out::Refused));
        let mut second = session();
        assert!(second.take_newer(Some(kept), None, at(600)));
        assert_eq!(second.status(), Status::Out(Out::LeftElsewhere));
    }

    #[test]
    fn client_credentials_are_asked_for_again_and_end_no_session() {
        let scope = "a b".parse().ok();
        let tokens = Tokens::of_client(tokens("at0", Some("ignored")), scope.as_ref(), at(0));
        let line = Version::from_bytes([1; 16]);
        let mut session = Session::begin(owner(), line, tokens, None);
        let mut exchange = exchange(&mut session, None, at(600));
        let expected = [("grant_type", "client_credentials"), ("scope", "a b")];
        assert_eq!(exchange.request().form(), expected);
        let verdict =
            exchange.answered(Answer::Refused(400, refusal("invalid_grant")), at(600), at(600));
        assert!(matches!(verdict, Verdict::Offline(Offline::Refused(_), _)));
    }
}
