//! The client's side: what keeps a program signed in, as decisions without I/O.
//!
//! A [`Session`] says what to do [`next`](Session::next): use this token, refresh, or sign in. A shell (the native or
//! the browser's client) carries it out and tells what came of it. How a refresh goes, step by step and under which
//! lock, stands in [`refresh`]; how a request with a token goes, in [`request`].
//!
//! What outlives the program is one record, [`Kept`], in one *place* that programs or tabs may share. Each change of
//! it is a new [`Generation`]. Who is signed out leaves a record too, without tokens, so that a place that was emptied
//! by accident is told from one whose user left.
//!
//! Lifetimes are measured on this machine's clock from the moment the request for the token left
//! ([RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1), `expires_in`): the clocks of client and
//! provider need not agree, and a clock that was set back cannot stretch a token's life.

pub mod refresh;
pub mod request;
mod text;

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    id::{ClientId, Version},
    scope::Scope,
    secret::Secret,
    time::Timestamp,
    token::TokenResponse,
};

/// A token is renewed this long before its end, or a tenth of its life before, whichever is shorter.
const AHEAD: Duration = Duration::from_mins(1);

/// After a renewed token was refused like the old one, a 401 leads to no refresh for this long.
const SPURNED: Duration = Duration::from_mins(1);

/// Whose session it is: a refresh token is sent to its own issuer and by its own client alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The issuer's name, letter by letter.
    pub issuer: String,
    /// The client's identifier.
    pub client_id: ClientId,
}

/// Which state of which sign-in a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Drawn at sign-in: one user's stay.
    pub line: Version,
    /// Counts every change, over sign-ins too, so that of two copies of a place the newer is known.
    pub number: u64,
}

/// The record that is kept: the whole of a session.
///
/// Serialized it holds the tokens in the clear: a place must be as private as a password file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    v: Format,
    owner: Owner,
    generation: Generation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
    /// An exchange of this very refresh token began then, and what came of it is not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<Timestamp>,
    /// The last attempt with an older refresh token that may still reach the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Timestamp>,
    /// Sessions that were left, which the provider has not been told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    farewells: Vec<Farewell>,
}

impl Kept {
    /// Which state it is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether somebody is signed in.
    pub fn is_signed_in(&self) -> bool {
        self.tokens.is_some()
    }

    /// Whether it is this client's at this issuer.
    pub fn belongs_to(&self, owner: &Owner) -> bool {
        self.owner == *owner
    }

    /// What the provider still has to be told.
    pub fn farewells(&self) -> &[Farewell] {
        &self.farewells
    }

    /// The record for a place where nobody of this client has been signed in: written before a sign-in, it proves
    /// that the place can be written.
    pub fn empty(owner: Owner, line: Version) -> Self {
        let generation = Generation { line, number: 0 };
        Self {
            v: Format,
            owner,
            generation,
            tokens: None,
            attempt: None,
            hold: None,
            farewells: Vec::new(),
        }
    }

    /// The record after the provider was told of these.
    pub fn told(mut self, told: &[Farewell]) -> Self {
        self.farewells.retain(|it| !told.iter().any(|done| done.token.matches(&it.token)));
        self
    }

    /// Whether both hold the same tokens. Two programs that had no lock between them may have written one generation
    /// each; then the place is right.
    fn is_twin_of(&self, other: &Self) -> bool {
        match (&self.tokens, &other.tokens) {
            (Some(one), Some(two)) => one.line_token().matches(two.line_token()),
            (one, two) => one.is_none() && two.is_none(),
        }
    }

    /// The record of the state after this one.
    fn after(&self, tokens: Option<Tokens>) -> Self {
        let generation = Generation { number: self.generation.number + 1, ..self.generation };
        Self { generation, tokens, attempt: None, hold: None, ..self.clone() }
    }

    /// The record after signing out: no tokens, but the one to revoke until the provider was told.
    fn left(&self, ends_sign_in: bool) -> Self {
        let mut left = self.after(None);
        let farewell =
            |tokens: &Tokens| Farewell { token: tokens.line_token().clone(), ends_sign_in };
        left.farewells.extend(self.tokens.as_ref().map(farewell));
        left
    }
}

/// What the provider is told when a session was left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Farewell {
    /// The token that stands for the whole grant: revoking it revokes all that came from it
    /// ([RFC 7009 §2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1)).
    pub token: Secret,
    /// Whether the user's sign-in at the provider ends too.
    pub ends_sign_in: bool,
}

/// The number of the record's format, since programs of two releases may share a place. Another release's record is
/// an error when read, and so is never overwritten.
#[derive(Clone, Copy, Debug)]
struct Format;

impl Format {
    const NUMBER: u32 = 1;
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::NUMBER)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            Self::NUMBER => Ok(Self),
            _ => {
                Err(D::Error::custom("the session was written by another release of this program"))
            }
        }
    }
}

/// What a sign-in or a refresh gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tokens {
    access: Secret,
    /// When the request that brought it was sent, by this machine's clock.
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    renewal: Renewal,
}

/// How the next access token is had.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// By this refresh token ([RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
    RefreshToken(Secret),
    /// By the client's own credentials, with this scope
    /// ([RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
    ClientCredentials(Option<Scope>),
    /// Not at all: whoever wants one signs in again.
    No,
}

/// How much life an access token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Fresh,
    /// Near its end, or its end is not known since the clock was set back.
    Due,
    Over,
}

impl Tokens {
    /// From the answer to a sign-in that was sent at `since` and asked for `asked`.
    pub fn of_login(answer: TokenResponse, asked: Option<&Scope>, since: Timestamp) -> Self {
        let renewal = answer.refresh_token.map_or(Renewal::No, Renewal::RefreshToken);
        Self {
            access: answer.access_token,
            since,
            expires_in: answer.expires_in,
            scope: answer.scope.or_else(|| asked.cloned()),
            renewal,
        }
    }

    /// From the answer to client credentials; renewed in the same way. A refresh token, which
    /// [RFC 6749 §4.4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.4.3) bars, is not used.
    pub fn of_client(answer: TokenResponse, asked: Option<&Scope>, since: Timestamp) -> Self {
        let renewal = Renewal::ClientCredentials(asked.cloned());
        Self { renewal, ..Self::of_login(answer, asked, since) }
    }

    /// From the answer to a renewal: what it leaves out stays as it was.
    fn renewed(&self, answer: TokenResponse, since: Timestamp) -> Self {
        let renewal = match (&self.renewal, answer.refresh_token) {
            (Renewal::RefreshToken(_), Some(next)) => Renewal::RefreshToken(next),
            (same, _) => same.clone(),
        };
        Self {
            access: answer.access_token,
            since,
            expires_in: answer.expires_in,
            scope: answer.scope.or_else(|| self.scope.clone()),
            renewal,
        }
    }

    /// The token that stands for the whole grant: revoking it revokes all.
    fn line_token(&self) -> &Secret {
        match &self.renewal {
            Renewal::RefreshToken(refresh) => refresh,
            Renewal::ClientCredentials(_) | Renewal::No => &self.access,
        }
    }

    fn life(&self, now: Timestamp) -> Life {
        let Some(seconds) = self.expires_in else {
            return Life::Fresh;
        };
        let life = Duration::from_secs(seconds);
        let used = now.since(self.since);
        if now < self.since || (used < life && used + AHEAD.min(life / 10) >= life) {
            Life::Due
        } else if used < life {
            Life::Fresh
        } else {
            Life::Over
        }
    }
}

/// Whether somebody is signed in, as a program shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Signed in.
    In,
    /// Signed in, but the tokens cannot be renewed now. It comes back by itself.
    Offline(Offline),
    /// Signed out for good: sign in again.
    Out(Out),
}

/// Why the tokens cannot be renewed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offline {
    /// There is no connection to the provider.
    Unreachable,
    /// The provider was asked and no answer came that can be read.
    Unanswered,
    /// The provider answered with this status, which says nothing about the session (429, 5xx, a captive portal's).
    Provider(u16),
    /// The provider refuses this *client* with this code, e.g. `invalid_client`: its configuration must be mended.
    Refused(Cow<'static, str>),
    /// The place where the session is kept cannot be read, locked or written.
    Storage,
    /// Another program or tab has held the session's lock for more than 20 s.
    Waiting,
}

impl Offline {
    /// It as text, for a build without the machinery of [`fmt`].
    pub fn text(&self) -> String {
        let (before, after): (&str, &str) = match self {
            Self::Unreachable => ("the provider cannot be reached", ""),
            Self::Unanswered => ("the provider did not answer", ""),
            Self::Provider(status) => ("the provider answered with status ", &status.to_string()),
            Self::Refused(code) => ("the provider refuses this client: ", code),
            Self::Storage => ("the kept session cannot be read or written", ""),
            Self::Waiting => ("another program is refreshing the session and does not finish", ""),
        };
        before.to_owned() + after
    }
}

impl fmt::Display for Offline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// This program signed out.
    Left,
    /// Another program or tab that shares the place signed out, or learned that the provider has ended the session.
    LeftElsewhere,
    /// Another sign-in took the place: restore it to use it.
    Replaced,
    /// The provider said `invalid_grant` of the current refresh token.
    Refused,
    /// The access token is over and there is no way to renew it.
    Expired,
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "signed out",
            Self::LeftElsewhere => "another program that shares this session has left it",
            Self::Replaced => "somebody signed in anew in this session's place",
            Self::Refused => "the provider has ended the session",
            Self::Expired => "the access token has expired and cannot be renewed",
        })
    }
}

/// What to do before a request.
#[derive(Clone, Debug)]
pub enum Next {
    /// Use this access token.
    Use(Secret),
    /// Refresh first; should that fail, this access token may still do.
    RefreshOr(Secret),
    /// Refresh first.
    Refresh,
    /// Sign in.
    SignIn(Out),
}

/// What signing out leaves to do.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// The record to write: no tokens but those to revoke, until the provider [was told](Kept::told). `None` when
    /// another sign-in has taken the place, which stays.
    pub write: Option<Kept>,
    /// What to tell the provider.
    pub farewells: Vec<Farewell>,
}

/// A session in memory.
#[derive(Clone, Debug)]
pub struct Session {
    kept: Kept,
    /// The place holds an older state than memory, since it could not be written.
    unkept: bool,
    offline: Option<Offline>,
    out: Option<Out>,
    /// No exchange before: the provider asked for patience.
    pause: Option<Timestamp>,
    spurned: Option<Timestamp>,
}

impl Session {
    /// A new sign-in over what the place holds. `line` is drawn for it; the record still has to be
    /// [kept](Self::kept).
    pub fn begin(owner: Owner, line: Version, tokens: Tokens, found: Option<&Kept>) -> Self {
        let mut kept = Kept::empty(owner, line);
        kept.tokens = Some(tokens);
        kept.generation.number = 1;
        Self { unkept: true, ..Self::of(kept) }.over(found)
    }

    /// The same session as the newest over what the place holds, for one that [began](Self::begin) before that was
    /// known.
    pub fn over(mut self, found: Option<&Kept>) -> Self {
        if let Some(found) = found {
            self.kept.generation.number += found.generation.number;
            if found.belongs_to(&self.kept.owner) {
                self.kept.farewells.clone_from(&found.farewells);
            }
        }
        self
    }

    /// The session that a place holds; `None` when it is another client's or nobody is signed in.
    pub fn restore(kept: Kept, owner: &Owner) -> Option<Self> {
        (kept.belongs_to(owner) && kept.is_signed_in()).then(|| Self::of(kept))
    }

    fn of(kept: Kept) -> Self {
        Self { kept, unkept: false, offline: None, out: None, pause: None, spurned: None }
    }

    /// What to do before a request.
    pub fn next(&self, now: Timestamp) -> Next {
        let tokens = match self.tokens() {
            Ok(tokens) => tokens,
            Err(out) => return Next::SignIn(out),
        };
        let access = || tokens.access.clone();
        match (tokens.life(now), &tokens.renewal) {
            // What cannot be renewed is used until an API refuses it: this clock may be wrong.
            (Life::Fresh, _) | (_, Renewal::No) => Next::Use(access()),
            (Life::Due, _) => Next::RefreshOr(access()),
            (Life::Over, _) => Next::Refresh,
        }
    }

    /// Whether to refresh and send the request once more, after a 401 that says
    /// [`invalid_token`](request::says_invalid_token) of this access token.
    ///
    /// A token that is over by the clock, is refused and cannot be renewed, ends the session.
    pub fn retries(&mut self, rejected: &Secret, now: Timestamp) -> bool {
        let Ok(tokens) = self.tokens() else {
            return false;
        };
        if !tokens.access.matches(rejected) {
            return true;
        }
        if matches!(tokens.renewal, Renewal::No) {
            if tokens.life(now) == Life::Over {
                self.out = Some(Out::Expired);
            }
            return false;
        }
        !self.spurned.is_some_and(|at| at <= now && now.since(at) < SPURNED)
    }

    /// The renewed token was refused too: the fault lies with the API, and refreshing again would not mend it.
    pub fn spurn(&mut self, now: Timestamp) {
        self.spurned = Some(now);
    }

    /// The current access token, be it over or not; [`Out`] when nobody is signed in.
    pub fn access(&self) -> Result<Secret, Out> {
        self.tokens().map(|tokens| tokens.access.clone())
    }

    /// When the current access token ends, by this machine's clock; `None` when the provider did not tell, or nobody is
    /// signed in.
    pub fn expires(&self) -> Option<Timestamp> {
        let tokens = self.tokens().ok()?;
        Some(tokens.since + Duration::from_secs(tokens.expires_in?))
    }

    /// The scope that was granted, where the provider or the request told it.
    pub fn scope(&self) -> Option<&Scope> {
        self.kept.tokens.as_ref()?.scope.as_ref()
    }

    /// Whether somebody is signed in.
    pub fn status(&self) -> Status {
        match (self.tokens(), &self.offline) {
            (Err(out), _) => Status::Out(out),
            (Ok(_), Some(offline)) => Status::Offline(offline.clone()),
            (Ok(_), None) => Status::In,
        }
    }

    /// Whether this program has signed out: what comes in after that is not kept.
    pub fn has_left(&self) -> bool {
        self.out == Some(Out::Left)
    }

    /// The newest record, for the place.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Whether the place holds the newest record. If not, the session lives in memory alone for now, and the program
    /// should say so.
    pub fn is_kept(&self) -> bool {
        !self.unkept
    }

    /// The record that the place does not hold yet, if it is still the newest over what the place holds now. Under the
    /// lock.
    pub fn unkept(&mut self, found: Option<Kept>) -> Option<Kept> {
        if let Some(found) = found {
            self.meet(found);
        }
        (self.unkept && self.out.is_none()).then(|| self.kept.clone())
    }

    /// Takes a record as the newest, and notes whether the place holds it.
    pub fn take(&mut self, kept: Kept, stored: bool) {
        if !kept.is_signed_in() && self.out.is_none() {
            self.out = Some(Out::Refused);
        }
        self.kept = kept;
        self.unkept = !stored;
        self.offline = None;
        self.pause = None;
    }

    /// Notes why nothing came of a refresh, and how long not to try again.
    pub fn fail(&mut self, offline: Offline, pause: Duration, now: Timestamp) {
        self.offline = Some(offline);
        self.pause = (!pause.is_zero()).then(|| now + pause);
    }

    /// Signs out, at once and whatever comes after. Under the lock, with what the place holds.
    pub fn leave(&mut self, found: Option<Kept>, ends_sign_in: bool) -> Leaving {
        if let Some(found) = found {
            self.meet(found);
        }
        let own = self.out != Some(Out::Replaced);
        self.kept = self.kept.left(ends_sign_in);
        self.out.get_or_insert(Out::Left);
        Leaving { write: own.then(|| self.kept.clone()), farewells: self.kept.farewells.clone() }
    }

    /// Takes what another program left in the place, where it is newer than what memory holds.
    fn meet(&mut self, found: Kept) {
        let (own, other) = (self.kept.generation, found.generation);
        if !found.belongs_to(&self.kept.owner) {
            self.out.get_or_insert(Out::Replaced);
        } else if other == own && found.is_twin_of(&self.kept) {
            self.kept.attempt = self.kept.attempt.max(found.attempt);
        } else if other.line != own.line && found.is_signed_in() {
            self.out.get_or_insert(Out::Replaced);
        } else if other.number >= own.number {
            if !found.is_signed_in() {
                self.out.get_or_insert(Out::LeftElsewhere);
            }
            self.kept = found;
            self.unkept = false;
            self.offline = None;
            self.pause = None;
        }
    }

    fn tokens(&self) -> Result<&Tokens, Out> {
        match (self.out, &self.kept.tokens) {
            (Some(out), _) => Err(out),
            (None, Some(tokens)) => Ok(tokens),
            (None, None) => Err(Out::Left),
        }
    }

    fn pausing(&self, now: Timestamp) -> Option<Offline> {
        // A pause is at most five minutes: one that seems longer was set before the clock went back.
        let until = self.pause?;
        let pausing = now < until && until.since(now) <= Duration::from_mins(5);
        self.offline.clone().filter(|_| pausing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenType;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    fn owner() -> Owner {
        Owner { issuer: "https://id.example".into(), client_id: ClientId::new("cli").unwrap() }
    }

    fn line(n: u8) -> Version {
        Version::from_bytes([n; 16])
    }

    fn answer(access: &str, expires_in: Option<u64>, refresh: Option<&str>) -> TokenResponse {
        TokenResponse {
            access_token: access.into(),
            token_type: TokenType::Bearer,
            expires_in,
            refresh_token: refresh.map(Secret::from),
            scope: None,
        }
    }

    fn session(expires_in: Option<u64>, refresh: Option<&str>) -> Session {
        let tokens = Tokens::of_login(answer("at0", expires_in, refresh), None, at(0));
        let mut session = Session::begin(owner(), line(1), tokens, None);
        session.take(session.kept().clone(), true);
        session
    }

    fn next(session: &Session, now: Timestamp) -> String {
        match session.next(now) {
            Next::Use(token) => format!("use {}", token.expose()),
            Next::RefreshOr(token) => format!("refresh or {}", token.expose()),
            Next::Refresh => "refresh".into(),
            Next::SignIn(out) => format!("sign in: {out:?}"),
        }
    }

    #[test]
    fn a_token_is_renewed_a_tenth_of_its_life_or_a_minute_before_its_end() {
        for (life, secs, then) in [
            (Some(600), 0, "use at0"),
            (Some(600), 539, "use at0"),
            (Some(600), 540, "refresh or at0"),
            (Some(600), 599, "refresh or at0"),
            (Some(600), 600, "refresh"),
            (Some(86_400), 86_339, "use at0"),
            (Some(86_400), 86_340, "refresh or at0"),
            (Some(10), 8, "use at0"),
            (Some(10), 9, "refresh or at0"),
            (Some(0), 0, "refresh"),
            (Some(u64::MAX), 9_999_999, "use at0"),
            (None, 9_999_999, "use at0"),
        ] {
            assert_eq!(next(&session(life, Some("rt0")), at(secs)), then, "{life:?} {secs}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_stretches_no_life_and_ends_no_session() {
        let session = session(Some(600), Some("rt0"));
        assert_eq!(next(&session, Timestamp::from_secs(1)), "refresh or at0");
    }

    #[test]
    fn what_cannot_be_renewed_is_used_until_an_api_refuses_it() {
        let mut session = session(Some(600), None);
        assert_eq!(next(&session, at(9999)), "use at0");
        assert!(!session.retries(&"at0".into(), at(1)));
        assert_eq!(session.status(), Status::In);
        assert!(!session.retries(&"at0".into(), at(9999)));
        assert_eq!(session.status(), Status::Out(Out::Expired));
        assert_eq!(next(&session, at(9999)), "sign in: Expired");
    }

    #[test]
    fn a_refused_token_is_renewed_once_and_not_again_and_again() {
        let mut session = session(Some(600), Some("rt0"));
        assert!(session.retries(&"at0".into(), at(1)));
        assert!(session.retries(&"older".into(), at(1)), "there is a newer one already");
        session.spurn(at(1));
        assert!(!session.retries(&"at0".into(), at(60)));
        assert!(session.retries(&"at0".into(), at(61)));
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_another_format_not_at_all() {
        let text = serde_json::to_string(session(Some(600), Some("rt0")).kept()).unwrap();
        let kept: Kept = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
        assert_eq!(next(&Session::restore(kept, &owner()).unwrap(), at(1)), "use at0");
        let newer = text.replace("\"v\":1", "\"v\":2");
        assert!(serde_json::from_str::<Kept>(&newer).is_err());
    }

    #[test]
    fn another_clients_or_issuers_session_is_not_restored() {
        let kept = session(None, Some("rt0")).kept().clone();
        let other = Owner { client_id: ClientId::new("other").unwrap(), ..owner() };
        assert!(Session::restore(kept.clone(), &other).is_none());
        let other = Owner { issuer: "https://evil.test".into(), ..owner() };
        assert!(Session::restore(kept, &other).is_none());
    }

    #[test]
    fn signing_out_leaves_no_token_but_the_one_to_revoke() {
        let mut session = session(Some(600), Some("rt0"));
        let leaving = session.leave(Some(session.kept().clone()), true);
        let left = leaving.write.unwrap();
        assert_eq!(left.farewells()[0].token.expose(), "rt0");
        assert_eq!((left.generation().number, left.is_signed_in()), (2, false));
        assert_eq!(next(&session, at(1)), "sign in: Left");
        let told = left.told(&leaving.farewells);
        let text = serde_json::to_string(&told).unwrap();
        assert!(!text.contains("rt0") && !text.contains("at0"), "{text}");
    }

    #[test]
    fn signing_out_revokes_the_newest_token_and_spares_another_users_sign_in() {
        let mut elsewhere = session(Some(600), Some("rt1")).kept().clone();
        elsewhere.generation.number = 5;
        let leaving = session(Some(600), Some("rt0")).leave(Some(elsewhere), true);
        assert_eq!(leaving.farewells[0].token.expose(), "rt1");
        assert_eq!(leaving.write.unwrap().generation().number, 6);

        let tokens = Tokens::of_login(answer("at9", None, Some("rt9")), None, at(1));
        let other = Session::begin(owner(), line(2), tokens, None).kept().clone();
        let leaving = session(Some(600), Some("rt0")).leave(Some(other), true);
        assert_eq!(leaving.farewells[0].token.expose(), "rt0");
        assert!(leaving.write.is_none());
    }

    #[test]
    fn a_sign_in_counts_on_and_keeps_what_is_still_to_be_revoked() {
        let mut first = session(Some(600), Some("rt0"));
        let left = first.leave(None, false).write.unwrap();
        let tokens = Tokens::of_login(answer("at1", None, None), None, at(1));
        let second = Session::begin(owner(), line(2), tokens, Some(&left));
        assert_eq!(second.kept().generation().number, 3);
        assert_eq!(second.kept().farewells()[0].token.expose(), "rt0");
    }
}
