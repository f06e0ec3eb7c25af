//! The product's own client against the product's own grant: several programs share one place, answers are lost,
//! programs die at any moment, clocks are set back. Whatever happens, the honest client is never taken for a thief, and
//! when the world is quiet again it is still signed in.

use std::time::Duration;

use countersign_protocol::{
    ClientId, Secret, Subject, Timestamp, Version,
    client::GrantType,
    grant::{Epochs, Grant, Input, Issued, Output, Refresh, State, Terminus, step},
    id::Salt,
    policy::Terms,
    session::{
        Kept, Next, Owner, Session, Tokens,
        refresh::{ATTEMPT, Answer, Exchange, Plan, Request, Settled, Verdict},
    },
    token::{ErrorResponse, TokenResponse, TokenType},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

const RUNS: u32 = 1500;
const MOVES: usize = 120;
const PROGRAMS: usize = 3;

/// A provider drops a token request that it has not read whole by then.
const PROMPT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
enum Move {
    /// A program begins, or makes a request with its token.
    Work(usize),
    /// The same, and the API says `invalid_token`.
    Rejected(usize),
    /// The provider carries out a request on its way.
    CarryOut(usize),
    /// The answer to a program's attempt arrives. The place can be written then, or not.
    Deliver(usize, bool),
    /// A program's connection is cut; its request may arrive all the same.
    Cut(usize),
    /// A program sends again after its pause, or keeps what it could not keep before.
    Resume(usize),
    /// A program is killed.
    Kill(usize),
    /// Time passes, for everybody.
    Pass(u64),
    /// The clock of the client's machine is set back.
    SetBack(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let program = || 0..PROGRAMS;
    let one = prop_oneof![
        6 => program().prop_map(Move::Work),
        3 => program().prop_map(Move::Rejected),
        6 => (0..4_usize).prop_map(Move::CarryOut),
        5 => (program(), prop::bool::weighted(0.9)).prop_map(|(it, kept)| Move::Deliver(it, kept)),
        3 => program().prop_map(Move::Cut),
        4 => program().prop_map(Move::Resume),
        2 => program().prop_map(Move::Kill),
        4 => prop::sample::select(&[1, 3, 9, 31, 550, 601, 86_400][..]).prop_map(Move::Pass),
        1 => prop::sample::select(&[1, 20, 3600][..]).prop_map(Move::SetBack),
    ];
    vec(one, 1..MOVES)
}

/// A request that the provider may still get.
struct OnItsWay {
    attempt: u64,
    sent: Timestamp,
    token: Secret,
}

enum Busy {
    No,
    Asking {
        exchange: Exchange,
        attempt: u64,
        sent: Timestamp,
        at: Timestamp,
        answer: Option<Answer>,
    },
    Pausing(Exchange),
}

struct Program {
    session: Option<Session>,
    busy: Busy,
}

/// What a faulty client forgets in what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgets {
    Nothing,
    /// That an older attempt may still arrive.
    Hold,
    /// That an attempt was begun.
    Attempt,
}

struct World {
    grant: Grant,
    terms: Terms,
    now: Timestamp,
    set_back: Duration,
    place: Option<Kept>,
    lock: Option<usize>,
    programs: Vec<Program>,
    on_its_way: Vec<OnItsWay>,
    attempts: u64,
    forgets: Forgets,
}

fn client() -> ClientId {
    ClientId::new("cli").unwrap()
}

fn owner() -> Owner {
    Owner { issuer: "https://id.example".into(), client_id: client() }
}

impl World {
    fn new(forgets: Forgets) -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let terms = Terms {
            code: Duration::from_mins(1),
            access_token: Duration::from_mins(10),
            refresh_idle: days(100_000),
            refresh_cap: days(100_000),
            leeway: Duration::from_secs(30),
            refreshes: true,
            rotates: true,
            slides: false,
            live: 8,
        };
        let terminus = Terminus {
            client: client(),
            subject: Subject::new("alice"),
            grant_type: GrantType::Password,
            scope: "a".parse().unwrap(),
            epochs: Epochs::default(),
            session: None,
            auth_time: None,
        };
        let now = Timestamp::from_secs(10_000_000);
        let (grant, issued) = Grant::active(terminus, Salt::from_bytes([0; 16]), &terms, now);
        let tokens = Tokens::of_login(response(&issued, now), None, now);
        let session = Session::begin(owner(), Version::from_bytes([1; 16]), tokens, None);
        let programs = (0..PROGRAMS).map(|_| Program { session: None, busy: Busy::No });
        Self {
            grant,
            terms,
            now,
            set_back: Duration::ZERO,
            place: Some(session.kept().clone()),
            lock: None,
            programs: programs.collect(),
            on_its_way: Vec::new(),
            attempts: 0,
            forgets,
        }
    }

    /// What the client's machine shows.
    fn clock(&self) -> Timestamp {
        self.now - self.set_back
    }

    fn make(&mut self, one: Move) {
        match one {
            Move::Work(program) => self.work(program, false),
            Move::Rejected(program) => self.work(program, true),
            Move::CarryOut(nth) => self.carry_out(nth),
            Move::Deliver(program, kept) => self.deliver(program, kept),
            Move::Cut(program) => self.cut(program),
            Move::Resume(program) => self.resume(program),
            Move::Kill(program) => self.kill(program),
            Move::Pass(seconds) => self.pass(seconds),
            Move::SetBack(seconds) => self.set_back += Duration::from_secs(seconds),
        }
    }

    fn work(&mut self, program: usize, rejected: bool) {
        let (clock, place) = (self.clock(), self.place.clone());
        let Program { session, busy } = &mut self.programs[program];
        if !matches!(busy, Busy::No) {
            return;
        }
        if session.is_none() {
            *session = place.and_then(|kept| Session::restore(kept, &owner()));
        }
        let Some(session) = session else { return };
        match session.next(clock) {
            Next::SignIn(_) => {}
            Next::Use(token) | Next::RefreshOr(token) if rejected => {
                if session.retries(&token, clock) {
                    self.refresh(program, Some(&token));
                }
            }
            Next::Use(token) => self.call_api(&token),
            Next::RefreshOr(token) => {
                self.call_api(&token);
                self.refresh(program, None);
            }
            Next::Refresh => self.refresh(program, None),
        }
    }

    fn refresh(&mut self, program: usize, rejected: Option<&Secret>) {
        let clock = self.clock();
        let Some(session) = &mut self.programs[program].session else {
            return;
        };
        if self.lock.is_some() {
            session.take_newer(self.place.clone(), rejected, clock);
            return;
        }
        match session.plan(self.place.clone(), rejected, clock) {
            Plan::Exchange(exchange) => {
                self.lock = Some(program);
                self.keep(exchange.mark());
                self.send(program, *exchange);
            }
            Plan::Ready | Plan::Wait(_) | Plan::Offline(_) | Plan::Out(_) => {}
        }
    }

    /// Writes the place, as a faulty client does.
    fn keep(&mut self, kept: &Kept) {
        let mut record = serde_json::to_value(kept).unwrap();
        let record_of = record.as_object_mut().unwrap();
        match self.forgets {
            Forgets::Nothing => {}
            Forgets::Hold => drop(record_of.remove("hold")),
            Forgets::Attempt => drop(record_of.remove("attempt")),
        }
        self.place = Some(serde_json::from_value(record).unwrap());
    }

    fn send(&mut self, program: usize, exchange: Exchange) {
        self.attempts += 1;
        let Request::RefreshToken(token) = exchange.request().clone() else { unreachable!() };
        let (attempt, sent, at) = (self.attempts, self.clock(), self.now);
        self.on_its_way.push(OnItsWay { attempt, sent: self.now, token });
        self.programs[program].busy = Busy::Asking { exchange, attempt, sent, at, answer: None };
    }

    fn carry_out(&mut self, nth: usize) {
        let now = self.now;
        self.on_its_way.retain(|request| now.since(request.sent) <= PROMPT);
        if nth >= self.on_its_way.len() {
            return;
        }
        let OnItsWay { attempt: number, token, .. } = self.on_its_way.remove(nth);
        let result = self.decide(&token);
        for program in &mut self.programs {
            match &mut program.busy {
                Busy::Asking { attempt, answer, .. } if *attempt == number => {
                    *answer = Some(result.clone());
                }
                _ => {}
            }
        }
    }

    fn decide(&mut self, token: &Secret) -> Answer {
        let generation = token.expose().strip_prefix("rt").unwrap().parse().unwrap();
        let client = client();
        let refresh = Refresh { client: &client, generation, scope: None };
        match step(&self.grant, Input::Refresh(refresh), &self.terms, self.now) {
            Ok((grant, Output::Issued(issued))) => {
                self.grant = grant;
                Answer::Tokens(response(&issued, self.now))
            }
            Ok((grant, _)) => {
                self.grant = grant;
                refused()
            }
            Err(_) => refused(),
        }
    }

    fn deliver(&mut self, program: usize, kept: bool) {
        let busy = std::mem::replace(&mut self.programs[program].busy, Busy::No);
        match busy {
            Busy::Asking { exchange, sent, answer: Some(answer), .. } => {
                self.answered(program, exchange, answer, sent, kept);
            }
            other => self.programs[program].busy = other,
        }
    }

    fn cut(&mut self, program: usize) {
        let busy = std::mem::replace(&mut self.programs[program].busy, Busy::No);
        match busy {
            Busy::Asking { exchange, sent, .. } => {
                self.answered(program, exchange, Answer::Lost, sent, true);
            }
            other => self.programs[program].busy = other,
        }
    }

    fn answered(
        &mut self,
        program: usize,
        mut exchange: Exchange,
        answer: Answer,
        sent: Timestamp,
        stored: bool,
    ) {
        let clock = self.clock();
        match exchange.answered(answer, sent, clock) {
            Verdict::Again(_) => self.programs[program].busy = Busy::Pausing(exchange),
            Verdict::Offline(offline, pause) => {
                let session = self.programs[program].session.as_mut().unwrap();
                session.fail(offline, pause, clock);
                self.lock = None;
            }
            Verdict::Keep(new) => {
                let settled = exchange.settle(self.place.clone(), new);
                if let (Settled::Write(new), true) = (&settled, stored) {
                    self.keep(new);
                }
                let session = self.programs[program].session.as_mut().unwrap();
                match settled {
                    Settled::Write(new) => session.take(new, stored),
                    Settled::Adopt(found) => drop(session.take_newer(Some(found), None, clock)),
                }
                // Who could not keep it holds on to the lock.
                self.lock = (!session.is_kept()).then_some(program);
            }
        }
    }

    fn resume(&mut self, program: usize) {
        let busy = std::mem::replace(&mut self.programs[program].busy, Busy::No);
        match busy {
            Busy::Pausing(exchange) => self.send(program, exchange),
            other => {
                self.programs[program].busy = other;
                self.keep_again(program);
            }
        }
    }

    fn keep_again(&mut self, program: usize) {
        let place = self.place.clone();
        let Some(session) = &mut self.programs[program].session else {
            return;
        };
        if session.is_kept() {
            return;
        }
        let unkept = session.unkept(place);
        if let Some(kept) = &unkept {
            session.take(kept.clone(), true);
        }
        if let Some(kept) = unkept {
            self.keep(&kept);
        }
        self.lock = None;
    }

    /// A program that could not keep what it has is not killed: nothing could save it then.
    fn kill(&mut self, program: usize) {
        let Program { session, busy } = &mut self.programs[program];
        if session.as_ref().is_some_and(|session| !session.is_kept()) {
            return;
        }
        (*session, *busy) = (None, Busy::No);
        if self.lock == Some(program) {
            self.lock = None;
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        for program in 0..PROGRAMS {
            if matches!(&self.programs[program].busy, Busy::Asking { at, .. } if self.now.since(*at) >= ATTEMPT)
            {
                self.cut(program);
            }
        }
    }

    /// The API sees the token, which the provider notes.
    fn call_api(&mut self, token: &Secret) {
        let number = token.expose().strip_prefix("at").unwrap().parse().unwrap();
        if self.grant.notes(number, &self.terms, self.now) {
            let seen = step(&self.grant, Input::Seen(number), &self.terms, self.now);
            self.grant = seen.unwrap().0;
        }
    }

    fn is_alive(&self) -> bool {
        matches!(self.grant.state, State::Active(_))
    }

    /// When all is quiet, a program refreshes and has a token that works.
    fn ends_well(mut self) -> bool {
        for program in 0..PROGRAMS {
            if self.programs[program].session.as_ref().is_some_and(|session| !session.is_kept()) {
                self.pass(2);
                self.finish(program);
            }
        }
        (0..PROGRAMS).for_each(|program| self.kill(program));
        self.on_its_way.clear();
        self.lock = None;
        self.set_back = Duration::ZERO;
        self.pass(700);
        self.finish(0);
        let session = self.programs[0].session.as_ref();
        let Some(Next::Use(token)) = session.map(|session| session.next(self.clock())) else {
            return false;
        };
        let number = token.expose().strip_prefix("at").unwrap().parse().unwrap();
        self.is_alive() && self.grant.access(number, self.now).is_ok()
    }

    fn finish(&mut self, program: usize) {
        for _ in 0..4 {
            self.work(program, false);
            self.resume(program);
            self.carry_out(0);
            self.deliver(program, true);
            self.pass(35);
        }
    }
}

fn response(issued: &Issued, now: Timestamp) -> TokenResponse {
    TokenResponse {
        access_token: format!("at{}", issued.access.number).into(),
        token_type: TokenType::Bearer,
        expires_in: Some(issued.access.expires.since(now).as_secs()),
        refresh_token: issued.refresh.map(|generation| format!("rt{generation}").into()),
        scope: None,
    }
}

fn refused() -> Answer {
    let refusal = ErrorResponse { error: "invalid_grant".into(), error_description: None };
    Answer::Refused(400, refusal)
}

fn run(runs: u32) -> Result<(), TestError<Vec<Move>>> {
    let config = Config { cases: runs, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&moves(), |moves| {
        let mut world = World::new(Forgets::Nothing);
        for one in moves {
            world.make(one);
            prop_assert!(world.is_alive(), "taken for a thief");
        }
        prop_assert!(world.ends_well(), "signed out by accident");
        Ok(())
    })
}

#[test]
fn our_own_client_is_never_taken_for_a_thief_nor_signed_out_by_accident() {
    if let Err(error) = run(RUNS) {
        panic!("{error}");
    }
}

/// The attempt that nobody waits for any more arrives last, when the token after the next is out already.
#[test]
fn a_client_that_forgets_a_lost_attempt_is_taken_for_a_thief() {
    use Move::{CarryOut, Cut, Deliver, Kill, Rejected, Resume};
    let cut = [Rejected(0), Cut(0), Resume(0), CarryOut(1), Deliver(0, true)];
    let killed = [Rejected(0), Kill(0), Rejected(0), CarryOut(1), Deliver(0, true)];
    let then = [Rejected(1), CarryOut(1), CarryOut(0)];
    for (moves, forgets) in [(cut, Forgets::Hold), (killed, Forgets::Attempt)] {
        let ends = |forgets| {
            let mut world = World::new(forgets);
            moves.into_iter().chain(then).for_each(|one| world.make(one));
            world.is_alive()
        };
        assert!(ends(Forgets::Nothing));
        assert!(!ends(forgets), "{forgets:?} was not found");
    }
}
