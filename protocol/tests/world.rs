//! One grant, its honest client, a thief, the network between, and a store that swaps one record.
//!
//! A request is *sent*, then *decided* on the record as it is loaded, then *swapped* in. Between these any other move may
//! come; a swap may be made and its answer be lost to the writer, who then asks the same swap again. So two requests
//! interleave as on two replicas. Time is in seconds; one here stands for about ten of the real lifetimes.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use countersign_protocol::{
    ClientId, Denied, Scope, Secret, Subject, Timestamp, Version,
    client::GrantType,
    grant::{
        Epochs, Grant, Input, Output, OwnWrite, Pending, Reason, Redemption, Refresh, State,
        Terminus, step,
    },
    id::Salt,
    pkce,
    policy::Terms,
};

mod sameness;

/// When the grant is made.
pub(crate) const START: u64 = 1_000_000;
/// The leeway.
pub(crate) const LEEWAY: u64 = 2;
/// From when on a code need not be known any more.
const FLOW_ENDS: u64 = START + 60;
const CODE: u64 = 2;
const ACCESS: u64 = 3;
const REDIRECT_URI: &str = "https://spa.test/cb";

/// What is under test: the product's own, or a faulty variant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) step: Step,
    pub(crate) swap: Swap,
    /// Whether a writer knows its own writes again.
    pub(crate) knows_own: bool,
    /// Whether a decision that is made anew reads the clock anew.
    pub(crate) reads_clock: bool,
    pub(crate) client: Habits,
}

/// As [`step`].
pub(crate) type Step = fn(&Grant, Input<'_>, &Terms, Timestamp) -> Result<(Grant, Output), Denied>;

/// Writes the new record in place of the expected version; says whether it stands there now.
pub(crate) type Swap = fn(&mut Record, Version, &Record) -> bool;

impl Rules {
    /// The product, with a client as the design defines an honest one.
    pub(crate) const REAL: Self = Self {
        step,
        swap: compare_and_swap,
        knows_own: true,
        reads_clock: true,
        client: Habits::HONEST,
    };
}

/// What an honest client does, each a promise on which it is never taken for a thief.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a promise of its own, broken by a fault of its own"
)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// It keeps what it received before it uses it.
    pub(crate) keeps_first: bool,
    /// It exchanges no newer token while an earlier attempt may still arrive.
    pub(crate) waits: bool,
    /// It takes no answer of an attempt that it gave up.
    pub(crate) hangs_up: bool,
    /// No request of it is executed as late as the leeway after it was sent.
    pub(crate) prompt: bool,
    /// Its storage does not go back in time.
    pub(crate) remembers: bool,
}

impl Habits {
    pub(crate) const HONEST: Self =
        Self { keeps_first: true, waits: true, hangs_up: true, prompt: true, remembers: true };
}

/// As the store promises it: the version is named by the writer, and the same put twice is one.
pub(crate) fn compare_and_swap(held: &mut Record, expected: Version, new: &Record) -> bool {
    if held.version == expected {
        *held = new.clone();
    }
    held.version == new.version
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What every request of a world needs.
struct Fixture {
    client: ClientId,
    verifier: Secret,
    narrower: Scope,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| Fixture {
    client: ClientId::new("spa").unwrap(),
    verifier: pkce::pair(&[7; 32]).0,
    narrower: "profile".parse().unwrap(),
});

/// When a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    /// Long after anything that happens: no moment differs from another but by what lies between.
    Endless,
    /// Soon, so that its end is reached.
    Short,
}

static ENDLESS: LazyLock<Terms> = LazyLock::new(|| terms(10_000, 10_000));
static SHORT: LazyLock<Terms> = LazyLock::new(|| terms(4, 6));

impl Life {
    pub(crate) fn terms(self) -> &'static Terms {
        match self {
            Self::Endless => &ENDLESS,
            Self::Short => &SHORT,
        }
    }

    /// When nothing of the grant is alive any more.
    pub(crate) fn cap(self) -> u64 {
        START + self.terms().refresh_cap.as_secs()
    }
}

fn terms(idle: u64, cap: u64) -> Terms {
    Terms {
        code: secs(CODE),
        access_token: secs(ACCESS),
        refresh_idle: secs(idle),
        refresh_cap: secs(cap),
        leeway: secs(LEEWAY),
        refreshes: true,
        rotates: true,
        slides: false,
        live: 8,
    }
}

/// How much may happen in a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Where it begins.
    pub(crate) start: Start,
    /// How long its line may last.
    pub(crate) life: Life,
    /// How many seconds pass at most.
    pub(crate) seconds: u64,
    /// By how many seconds the clock may go on at once, and back.
    pub(crate) jumps: &'static [i64],
    /// How many refreshes the client asks for.
    pub(crate) refreshes: u8,
    /// How many requests the thief sends.
    pub(crate) thefts: u8,
    /// How often somebody shows the code who found it without its verifier.
    pub(crate) snoops: u8,
    /// How many answers of the store are lost.
    pub(crate) lost_writes: u8,
    /// Whether the client may end the grant.
    pub(crate) sign_out: bool,
    /// Whether every request can be overtaken while it is carried out, or only the client's exchanges.
    pub(crate) races: bool,
    /// Whether the thief tries everything: narrower scopes, giving access tokens back.
    pub(crate) wild: bool,
}

/// What there is at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// A code that waits.
    Code,
    /// A line whose first refresh token the client has kept.
    Line,
}

/// The one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: Version,
    pub(crate) grant: Arc<Grant>,
}

/// Everything there is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) life: Life,
    pub(crate) now: u64,
    pub(crate) record: Record,
    pub(crate) requests: Vec<Request>,
    pub(crate) client: Client,
    pub(crate) thief: Thief,
    pub(crate) past: Past,
    sent: u8,
    snoops: u8,
    lost_writes: u8,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    Client,
    Thief,
    Snoop,
}

/// A request on its way, or in the hands of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u8,
    pub(crate) by: Actor,
    pub(crate) shows: Shown,
    pub(crate) sent: u64,
    /// The time that its decision goes by.
    at: Option<u64>,
    /// How often it was decided.
    tries: u8,
    decided: Option<Decided>,
}

/// What a request shows or wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shown {
    Code,
    BareCode,
    Refresh { generation: u32, narrow: bool },
    Access(u32),
    GiveBack(u32),
    SignOut,
}

/// A decision that waits to be swapped in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decided {
    expected: Version,
    record: Record,
    output: Output,
    unanswered: bool,
}

/// Tokens as they are handed out and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tokens {
    pub(crate) generation: u32,
    pub(crate) access: u32,
    used: bool,
}

/// The honest client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    /// What is in its storage.
    pub(crate) kept: Option<Tokens>,
    before: Option<Tokens>,
    /// What it received and has not kept yet.
    received: Option<Tokens>,
    /// What came of an attempt that it gave up, still on its way.
    late: Option<Tokens>,
    /// The attempt whose answer it waits for.
    open: Option<u8>,
    has_code: bool,
    refreshes: u8,
    pub(crate) signed_out: bool,
}

/// Who took what is the client's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Thief {
    /// The generations that it holds, a bit each.
    pub(crate) generations: u32,
    access: u32,
    has_code: bool,
    requests: u8,
}

/// What an onlooker remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// When a refresh token was last handed out.
    pub(crate) handed_out: u64,
    /// The highest generation that was ever handed out.
    pub(crate) newest: u32,
    /// The generations that were handed out to each, a bit each.
    pub(crate) to_client: u32,
    pub(crate) to_thief: u32,
    /// How many requests got tokens for the code.
    pub(crate) redemptions: u8,
    /// Whether the code was ever too old to be known any more.
    pub(crate) flow_ended: bool,
    /// Whether the grant was ever revoked.
    pub(crate) revoked: bool,
    /// A refusal that the client did not deserve.
    pub(crate) accused: bool,
    pub(crate) witness: Witness,
}

/// What was seen to happen, so that no invariant holds for want of anything happening.
#[expect(clippy::struct_excessive_bools, reason = "each is seen or not")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) repeated: bool,
    pub(crate) replaced: bool,
    pub(crate) recognized: bool,
    pub(crate) expired: bool,
}

impl Witness {
    /// What was seen by either.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            repeated: self.repeated || other.repeated,
            replaced: self.replaced || other.replaced,
            recognized: self.recognized || other.recognized,
            expired: self.expired || other.expired,
        }
    }
}

/// A move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The clock goes on, or jumps.
    Clock(i64),
    /// The client shows its code.
    Redeem,
    /// The client shows the refresh token that it kept.
    Refresh,
    /// The client keeps what it received.
    Keep,
    /// The client uses an access token.
    Use,
    /// The client gives its attempt up: it waited too long, or crashed.
    GiveUp,
    /// The client takes the answer of an attempt that it gave up.
    TakeLate,
    /// The client's storage is put back to what it was before.
    Restore,
    /// The client ends the grant.
    SignOut,
    /// The thief copies what the client has.
    Steal,
    /// The thief shows something that it has.
    Abuse(Shown),
    /// Somebody shows the code without its verifier.
    Snoop,
    /// A replica loads the record and decides the request at this place.
    Decide(usize),
    /// It swaps its decision in.
    Swap(usize),
    /// The same, and the store's answer gets lost.
    SwapUnanswered(usize),
}

/// The versions that a request drew.
#[derive(Debug)]
struct Drawn {
    request: u8,
    knows_own: bool,
}

impl OwnWrite for Drawn {
    fn is_own(&self, version: &Version) -> bool {
        self.knows_own && version.as_bytes()[0] == self.request
    }
}

fn version(request: u8, tries: u8) -> Version {
    let mut bytes = [0; 16];
    (bytes[0], bytes[1]) = (request, tries);
    Version::from_bytes(bytes)
}

pub(crate) const fn at(now: u64) -> Timestamp {
    Timestamp::from_secs(now)
}

pub(crate) const fn bit(number: u32) -> u32 {
    1 << (number & 31)
}

/// The numbers whose bit is set.
pub(crate) fn numbers(bits: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |number| bits & bit(*number) != 0)
}

fn terminus() -> Terminus {
    Terminus {
        client: FIXTURE.client.clone(),
        subject: Subject::new("alice"),
        grant_type: GrantType::AuthorizationCode,
        scope: "profile email".parse().unwrap(),
        epochs: Epochs::default(),
        session: None,
        auth_time: None,
    }
}

fn waiting(terms: &Terms) -> Grant {
    let pending = Pending {
        code_expires: at(START + CODE),
        redirect_uri: REDIRECT_URI.into(),
        redirect_uri_named: true,
        challenge: Some(pkce::pair(&[7; 32]).1),
    };
    let salt = Salt::from_bytes([0; 16]);
    Grant::pending(terminus(), pending, salt, terms, at(FLOW_ENDS), at(START))
}

impl World {
    /// How it begins.
    pub(crate) fn new(rules: &Rules, bounds: &Bounds) -> Self {
        let mut world = Self {
            life: bounds.life,
            now: START,
            record: Record { version: version(0, 0), grant: waiting(bounds.life.terms()).into() },
            requests: Vec::new(),
            client: Client { has_code: true, ..Client::default() },
            thief: Thief::default(),
            past: Past::default(),
            sent: 0,
            snoops: 0,
            lost_writes: 0,
        };
        if bounds.start == Start::Line {
            for action in [Move::Redeem, Move::Decide(0), Move::Swap(0), Move::Keep] {
                world.make(action, rules, bounds);
            }
        }
        world
    }

    /// The moves that can be made now.
    pub(crate) fn moves(&self, rules: &Rules, bounds: &Bounds) -> Vec<Move> {
        let mut moves = self.moves_of_replicas(bounds);
        moves.extend(self.moves_of_client(rules, bounds));
        moves.extend(self.moves_of_thief(bounds));
        moves.extend((self.snoops < bounds.snoops).then_some(Move::Snoop));
        let within = START..=START + bounds.seconds;
        let clock = bounds.jumps.iter().copied();
        let clock = clock.filter(|jump| within.contains(&self.now.saturating_add_signed(*jump)));
        moves.extend(clock.map(Move::Clock));
        moves
    }

    fn moves_of_replicas(&self, bounds: &Bounds) -> Vec<Move> {
        let mut moves = Vec::new();
        for (place, request) in self.requests.iter().enumerate() {
            let Some(decided) = &request.decided else {
                moves.push(Move::Decide(place));
                continue;
            };
            moves.push(Move::Swap(place));
            let may_lose = self.lost_writes < bounds.lost_writes && !decided.unanswered;
            if may_lose && decided.expected == self.record.version {
                moves.push(Move::SwapUnanswered(place));
            }
        }
        moves
    }

    fn moves_of_client(&self, rules: &Rules, bounds: &Bounds) -> Vec<Move> {
        let client = &self.client;
        let habits = rules.client;
        let can_refresh = client.refreshes < bounds.refreshes
            && client.open.is_none()
            && client.received.is_none()
            && (!habits.waits || !self.has_other_attempt());
        let unused = |tokens: Option<Tokens>| tokens.is_some_and(|tokens| !tokens.used);
        let can_use = unused(client.kept) || (!habits.keeps_first && unused(client.received));
        let active = !client.signed_out;
        let choices = [
            (Move::Redeem, client.has_code),
            (Move::Refresh, active && can_refresh && client.kept.is_some()),
            (Move::Keep, client.received.is_some()),
            (Move::Use, active && can_use && !self.is_using()),
            (Move::GiveUp, client.open.is_some() || client.received.is_some()),
            (Move::TakeLate, self.has_late_answer()),
            (Move::Restore, !habits.remembers && client.before.is_some()),
            (Move::SignOut, bounds.sign_out && active && client.kept.is_some()),
        ];
        let open = choices.into_iter().filter(|(_, open)| *open);
        open.map(|(choice, _)| choice).collect()
    }

    fn moves_of_thief(&self, bounds: &Bounds) -> Vec<Move> {
        if self.thief.requests >= bounds.thefts {
            return Vec::new();
        }
        let mut moves = Vec::new();
        if self.theft() != self.thief {
            moves.push(Move::Steal);
        }
        let mut shows = |shown| moves.push(Move::Abuse(shown));
        if self.thief.has_code {
            shows(Shown::Code);
        }
        for generation in numbers(self.thief.generations) {
            let narrow = false;
            shows(Shown::Refresh { generation, narrow });
            if bounds.wild {
                let narrow = true;
                shows(Shown::Refresh { generation, narrow });
            }
        }
        for number in numbers(self.thief.access) {
            shows(Shown::Access(number));
            if bounds.wild {
                shows(Shown::GiveBack(number));
            }
        }
        moves
    }

    /// Whether an attempt of the client with another token than the one that it kept may still arrive.
    fn has_other_attempt(&self) -> bool {
        let kept = self.client.kept.map(|tokens| tokens.generation);
        self.requests.iter().any(|request| match request.shows {
            Shown::Code => request.by == Actor::Client,
            Shown::Refresh { generation, .. } => {
                request.by == Actor::Client && Some(generation) != kept
            }
            _ => false,
        })
    }

    fn is_using(&self) -> bool {
        let is_use = |request: &Request| {
            request.by == Actor::Client && matches!(request.shows, Shown::Access(_))
        };
        self.requests.iter().any(is_use)
    }

    /// The thief after it copied all that the client has.
    fn theft(&self) -> Thief {
        let mut thief = self.thief.clone();
        thief.has_code |= self.client.has_code;
        for tokens in self.client.kept.iter().chain(&self.client.received) {
            thief.generations |= bit(tokens.generation);
            thief.access |= bit(tokens.access);
        }
        thief
    }

    /// Makes a move.
    pub(crate) fn make(&mut self, action: Move, rules: &Rules, bounds: &Bounds) {
        match action {
            Move::Clock(jump) => self.turn_clock(jump, rules),
            Move::Redeem => {
                self.client.has_code = false;
                self.client.open = Some(self.send(Actor::Client, Shown::Code));
            }
            Move::Refresh => self.refresh(),
            Move::Keep => {
                self.client.before = self.client.kept.filter(|_| !rules.client.remembers);
                self.client.kept = self.client.received.take();
            }
            Move::Use => {
                self.use_access(rules);
                self.carry_out(rules, bounds);
            }
            Move::GiveUp => self.give_up(rules),
            Move::TakeLate => {
                self.client.open = None;
                self.client.received = self.client.late.take();
            }
            Move::Restore => self.client.kept = self.client.before.take(),
            Move::SignOut => {
                self.client.signed_out = true;
                self.send(Actor::Client, Shown::SignOut);
                self.carry_out(rules, bounds);
            }
            Move::Steal => self.thief = self.theft(),
            Move::Abuse(shown) => {
                self.thief.requests += 1;
                self.send(Actor::Thief, shown);
                self.carry_out(rules, bounds);
            }
            Move::Snoop => {
                self.snoops += 1;
                self.send(Actor::Snoop, Shown::BareCode);
                self.carry_out(rules, bounds);
            }
            Move::Decide(place) => self.decide(place, rules),
            Move::Swap(place) => self.swap(place, rules),
            Move::SwapUnanswered(place) => {
                self.lost_writes += 1;
                self.swap_unanswered(place, rules);
            }
        }
        debug_assert!(self.lost_writes <= bounds.lost_writes);
    }

    /// A clock that goes on drops what is then too late. One that is put back makes nothing younger.
    fn turn_clock(&mut self, jump: i64, rules: &Rules) {
        self.now = self.now.saturating_add_signed(jump);
        self.past.flow_ended |= self.now >= FLOW_ENDS;
        if jump < 0 {
            for request in &mut self.requests {
                request.sent = request.sent.saturating_add_signed(jump);
            }
        }
        let (now, prompt) = (self.now, rules.client.prompt);
        self.requests.retain(|request| {
            now < request.sent + LEEWAY || (!prompt && request.by == Actor::Client)
        });
    }

    fn send(&mut self, by: Actor, shows: Shown) -> u8 {
        self.sent += 1;
        self.requests.push(Request {
            id: self.sent,
            by,
            shows,
            sent: self.now,
            at: None,
            tries: 0,
            decided: None,
        });
        self.sent
    }

    /// Carries the request that was sent last out at once, where none but the client's exchanges can be overtaken.
    fn carry_out(&mut self, rules: &Rules, bounds: &Bounds) {
        if bounds.races {
            return;
        }
        let last = self.requests.len() - 1;
        self.decide(last, rules);
        if self.requests.len() > last {
            self.swap(last, rules);
        }
    }

    fn refresh(&mut self) {
        if let Some(tokens) = self.client.kept {
            self.client.refreshes += 1;
            let shown = Shown::Refresh { generation: tokens.generation, narrow: false };
            self.client.open = Some(self.send(Actor::Client, shown));
        }
    }

    fn give_up(&mut self, rules: &Rules) {
        self.client.open = None;
        let answer = self.client.received.take();
        self.client.late = answer.filter(|_| !rules.client.hangs_up).or(self.client.late);
    }

    fn has_late_answer(&self) -> bool {
        let newer = |late: &Tokens| {
            let kept = self.client.kept.map_or(0, |kept| kept.generation);
            late.generation > kept
        };
        self.client.received.is_none() && self.client.late.as_ref().is_some_and(newer)
    }

    fn use_access(&mut self, rules: &Rules) {
        let received = self.client.received.as_mut();
        let early = received.filter(|tokens| !rules.client.keeps_first && !tokens.used);
        if let Some(tokens) = early.or(self.client.kept.as_mut()) {
            tokens.used = true;
            let shown = Shown::Access(tokens.access);
            self.send(Actor::Client, shown);
        }
    }

    fn decide(&mut self, place: usize, rules: &Rules) {
        let request = &mut self.requests[place];
        let first = request.at.filter(|_| !rules.reads_clock);
        let now = *request.at.insert(first.unwrap_or(self.now));
        let request = request.clone();
        let drawn = Drawn { request: request.id, knows_own: rules.knows_own };
        let version = version(request.id, request.tries);
        let grant = &self.record.grant;
        let writes: (Version, &dyn OwnWrite) = (version, &drawn);
        let stepped = present(grant, request.shows, writes, rules, self.life, now);
        match stepped {
            Err(denied) => self.refuse(place, &denied),
            Ok((next, output)) if next == **grant => {
                self.note_issue(place, &output);
                self.answer(place, &output);
            }
            Ok((grant, output)) => {
                let expected = self.record.version;
                let grant = grant.into();
                let record = Record { version, grant };
                self.requests[place].decided =
                    Some(Decided { expected, record, output, unanswered: false });
            }
        }
    }

    fn swap(&mut self, place: usize, rules: &Rules) {
        let Some(decided) = self.requests[place].decided.take() else {
            return;
        };
        let before = self.record.version;
        if !(rules.swap)(&mut self.record, decided.expected, &decided.record) {
            self.requests[place].tries += 1;
            return;
        }
        self.past.witness.recognized |= decided.unanswered;
        if self.record.version != before {
            self.remember(place, &decided.output);
        }
        self.answer(place, &decided.output);
    }

    fn swap_unanswered(&mut self, place: usize, rules: &Rules) {
        let Some(mut decided) = self.requests[place].decided.take() else {
            return;
        };
        if (rules.swap)(&mut self.record, decided.expected, &decided.record) {
            self.remember(place, &decided.output);
        }
        decided.unanswered = true;
        self.requests[place].decided = Some(decided);
    }

    /// What an onlooker sees of a write.
    fn remember(&mut self, place: usize, output: &Output) {
        let is_revoked = matches!(self.record.grant.state, State::Revoked(_));
        self.past.revoked |= is_revoked;
        self.note_issue(place, output);
    }

    fn note_issue(&mut self, place: usize, output: &Output) {
        let Output::Issued(issued) = output else {
            return;
        };
        let request = &self.requests[place];
        let generation = issued.refresh.unwrap_or_default();
        if let Shown::Refresh { generation: shown, .. } = request.shows {
            self.past.witness.repeated |= generation <= self.past.newest;
            self.past.witness.replaced |= shown < self.past.newest && generation > self.past.newest;
        }
        self.past.handed_out = request.at.unwrap_or(self.now);
        self.past.newest = self.past.newest.max(generation);
        match request.by {
            Actor::Client => self.past.to_client |= bit(generation),
            Actor::Thief | Actor::Snoop => self.past.to_thief |= bit(generation),
        }
    }

    fn answer(&mut self, place: usize, output: &Output) {
        match output {
            Output::Refused(denied) => self.refuse(place, denied),
            Output::Done => drop(self.requests.remove(place)),
            Output::Issued(issued) => {
                let request = self.requests.remove(place);
                self.past.redemptions += u8::from(request.shows == Shown::Code);
                let tokens = Tokens {
                    generation: issued.refresh.unwrap_or_default(),
                    access: issued.access.number,
                    used: false,
                };
                self.hand_over(&request, tokens);
            }
        }
    }

    fn hand_over(&mut self, request: &Request, tokens: Tokens) {
        match request.by {
            Actor::Thief | Actor::Snoop => {
                self.thief.generations |= bit(tokens.generation);
                self.thief.access |= bit(tokens.access);
            }
            Actor::Client if self.client.open == Some(request.id) => {
                (self.client.open, self.client.received) = (None, Some(tokens));
            }
            Actor::Client => {}
        }
    }

    fn refuse(&mut self, place: usize, denied: &Denied) {
        let request = self.requests.remove(place);
        self.past.witness.expired |= *denied == Denied::RefreshExpired;
        let is_exchange = matches!(request.shows, Shown::Code | Shown::Refresh { .. });
        if request.by != Actor::Client || !is_exchange {
            return;
        }
        if self.client.open == Some(request.id) {
            self.client.open = None;
        }
        let now = request.at.unwrap_or(self.now);
        self.past.accused |= !self.deserves(denied, now);
    }

    /// Whether the client deserves this refusal: its time is up, it signed out, or a thief is about.
    fn deserves(&self, denied: &Denied, now: u64) -> bool {
        match denied {
            _ if self.thief.requests > 0 => true,
            Denied::CodeExpired => now >= START + CODE,
            Denied::RefreshExpired => now >= self.line_ends(),
            Denied::GrantRevoked => self.client.signed_out,
            _ => false,
        }
    }

    /// When the line ends, as an onlooker reckons.
    pub(crate) fn line_ends(&self) -> u64 {
        let idle = self.life.terms().refresh_idle.as_secs();
        (self.past.handed_out + idle).min(self.life.cap())
    }
}

/// Presents something to a grant.
fn present(
    grant: &Grant,
    shown: Shown,
    (version, own): (Version, &dyn OwnWrite),
    rules: &Rules,
    life: Life,
    now: u64,
) -> Result<(Grant, Output), Denied> {
    let client = &FIXTURE.client;
    let input = match shown {
        Shown::Code | Shown::BareCode => Input::Redeem(Redemption {
            client,
            redirect_uri: Some(REDIRECT_URI),
            verifier: (shown == Shown::Code).then_some(&FIXTURE.verifier),
            version,
            own,
        }),
        Shown::Refresh { generation, narrow } => Input::Refresh(Refresh {
            client,
            generation,
            scope: narrow.then_some(&FIXTURE.narrower),
        }),
        Shown::Access(number) => Input::Seen(number),
        Shown::GiveBack(number) => Input::RevokeAccess(number),
        Shown::SignOut => Input::Revoke(Reason::Client),
    };
    (rules.step)(grant, input, life.terms(), at(now))
}

/// What would come of it if somebody presented this to a grant: an experiment, which leaves the world as it is.
pub(crate) fn suppose(
    grant: &Grant,
    shown: Shown,
    rules: &Rules,
    life: Life,
    now: u64,
) -> Result<(Grant, Output), Denied> {
    let stranger = Drawn { request: u8::MAX, knows_own: false };
    let writes: (Version, &dyn OwnWrite) = (version(u8::MAX, 0), &stranger);
    present(grant, shown, writes, rules, life, now)
}
