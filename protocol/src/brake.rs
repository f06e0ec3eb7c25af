//! The brake on guessing: how many wrong passwords an account, a known device of it, and an address may try.
//!
//! A try is counted **before** its password is looked at ([`Brake::begin`]) and given back when it was right
//! ([`Brake::end`]). Made durable by a compare-and-swap, the limit holds exactly, however many replicas are asked at
//! once. A try whose end is never told counts as wrong.
//!
//! Somebody else's guesses must not lock a person out for ever: a device from which the account was signed in to before
//! has a small budget of its own ([`Rules::device`]), which those guesses do not touch.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How many wrong tries within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// This many, at least 1.
    pub tries: usize,
    /// Within this time.
    pub window: Duration,
}

/// The limits of an account and how its devices are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// All tries but those of known devices.
    pub account: Limit,
    /// The tries of one known device.
    pub device: Limit,
    /// How long a device stays known after it was last signed in from.
    pub remembered: Duration,
}

impl Default for Rules {
    /// 10 in 15 minutes, 5 in 15 minutes for a known device, known for 90 days.
    fn default() -> Self {
        let window = Duration::from_mins(15);
        Self {
            account: Limit { tries: 10, window },
            device: Limit { tries: 5, window },
            remembered: Duration::from_hours(90 * 24),
        }
    }
}

/// How many devices are known of one record; the one longest not signed in from gives way.
pub const MAX_DEVICES: usize = 16;

/// How long a password may be looked at. A try that is open for longer counts as wrong.
pub const EVALUATION: Duration = Duration::from_secs(10);

/// What was tried lately, and the devices that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    tries: Tries,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    devices: Vec<Device>,
    until: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tries {
    /// When the wrong ones began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wrong: Vec<Timestamp>,
    /// When those began of which nobody has told the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    id: Box<str>,
    /// When it was last signed in from.
    seen: Timestamp,
    tries: Tries,
}

/// A try that was let through. It is to be ended by [`Brake::end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a try that is not ended counts as wrong"]
pub struct Try {
    began: Timestamp,
    of_device: bool,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The password was right: the try is given back, the device is known from now on.
    Right,
    /// The password was wrong.
    Wrong,
    /// The password was not looked at: the try is given back.
    NotTried,
}

/// All tries are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Until one is free again, unless one is given back before.
    pub wait: Duration,
    /// Some are open, and may be given back in a moment.
    pub open: bool,
}

impl Brake {
    /// From when on nothing is left to know.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether this device was signed in from within [`Rules::remembered`].
    pub fn knows(&self, device: &str, rules: &Rules, now: Timestamp) -> bool {
        let known = self.devices.iter().find(|known| &*known.id == device);
        known.is_some_and(|known| now.since(known.seen) < rules.remembered)
    }

    /// Counts a try before its password is looked at, or refuses it.
    ///
    /// `device`: from which it comes, if that is known.
    pub fn begin(
        &self,
        device: Option<&str>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<(Self, Try), Full> {
        let mut next = self.at(rules, now);
        let known = device.and_then(|device| next.device(device));
        let of_device = known.is_some();
        let (tries, limit) = match known {
            Some(device) => (&mut device.tries, &rules.device),
            None => (&mut next.tries, &rules.account),
        };
        tries.room(limit, now)?;
        tries.open.push(now);
        let began = Try { began: now, of_device };
        Ok((next.lasting(rules), began))
    }

    /// Tells how a try ended. The same `device` as at its beginning.
    pub fn end(
        &self,
        begun: Try,
        end: End,
        device: Option<&str>,
        rules: &Rules,
        now: Timestamp,
    ) -> Self {
        let mut next = self.at(rules, now);
        let known = device.filter(|_| begun.of_device);
        match known.and_then(|device| next.device(device)) {
            Some(device) => device.tries.end(begun.began, end),
            None => next.tries.end(begun.began, end),
        }
        if let (End::Right, Some(device)) = (end, device) {
            next.meet(device, now);
        }
        next.lasting(rules)
    }

    /// What is left of it now.
    fn at(&self, rules: &Rules, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.tries.forget(&rules.account, now);
        next.devices.retain(|device| now.since(device.seen) < rules.remembered);
        for device in &mut next.devices {
            device.tries.forget(&rules.device, now);
        }
        next
    }

    fn device(&mut self, id: &str) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| &*device.id == id)
    }

    fn meet(&mut self, id: &str, now: Timestamp) {
        if let Some(device) = self.device(id) {
            device.seen = device.seen.max(now);
            return;
        }
        self.devices.push(Device { id: id.into(), seen: now, tries: Tries::default() });
        self.devices.sort_by_key(|device| device.seen);
        let surplus = self.devices.len().saturating_sub(MAX_DEVICES);
        self.devices.drain(..surplus);
    }

    fn lasting(mut self, rules: &Rules) -> Self {
        let tries = self.tries.latest().map(|at| at + rules.account.window);
        let devices = self.devices.iter().map(|device| device.seen + rules.remembered);
        self.until = devices.chain(tries).max().unwrap_or_default();
        self
    }
}

impl Tries {
    fn room(&self, limit: &Limit, now: Timestamp) -> Result<(), Full> {
        let mut all: Vec<_> = self.wrong.iter().chain(&self.open).copied().collect();
        let Some(surplus) = all.len().checked_sub(limit.tries) else {
            return Ok(());
        };
        all.sort_unstable();
        let first_to_leave = all.get(surplus).copied().unwrap_or(now);
        Err(Full { wait: (first_to_leave + limit.window).since(now), open: !self.open.is_empty() })
    }

    /// Lets go of what lies outside the window, and takes for wrong what is open for too long.
    fn forget(&mut self, limit: &Limit, now: Timestamp) {
        let overdue = self.open.extract_if(.., |at| now.since(*at) >= EVALUATION);
        self.wrong.extend(overdue);
        self.wrong.retain(|at| now.since(*at) < limit.window);
    }

    fn end(&mut self, began: Timestamp, end: End) {
        // Of two tries that began at once it does not matter which is taken.
        let counted = [&mut self.open, &mut self.wrong].into_iter().find_map(|tries| {
            let place = tries.iter().position(|at| *at == began)?;
            Some(tries.swap_remove(place))
        });
        if end == End::Wrong {
            self.wrong.push(counted.unwrap_or(began));
        }
    }

    fn latest(&self) -> Option<Timestamp> {
        self.wrong.iter().chain(&self.open).copied().max()
    }
}

/// The wrong tries from one address, whatever account they were for.
///
/// It is looked at before a try and counts after a wrong one, so it is exact only up to the tries under way; its use is
/// to end a spray of one password over many accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spray {
    tries: Tries,
    until: Timestamp,
}

impl Spray {
    /// From when on nothing is left to know.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether the address may try.
    pub fn check(&self, limit: &Limit, now: Timestamp) -> Result<(), Full> {
        let mut tries = self.tries.clone();
        tries.forget(limit, now);
        tries.room(limit, now)
    }

    /// Counts a wrong try. Beyond the limit nothing is added: the record stays small, and the wait does not grow.
    pub fn wrong(&self, limit: &Limit, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.tries.forget(limit, now);
        if next.tries.wrong.len() < limit.tries {
            next.tries.wrong.push(now);
        }
        next.until = next.until.max(now + limit.window);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    fn rules() -> Rules {
        Rules::default()
    }

    fn at(secs: u64) -> Timestamp {
        START + Duration::from_secs(secs)
    }

    /// A try from its beginning to its end, in one moment.
    fn tried(brake: &Brake, device: Option<&str>, end: End, now: Timestamp) -> Result<Brake, Full> {
        let (brake, begun) = brake.begin(device, &rules(), now)?;
        Ok(brake.end(begun, end, device, &rules(), now))
    }

    fn used_up(now: Timestamp) -> Brake {
        (0..10).fold(Brake::default(), |brake, _| tried(&brake, None, End::Wrong, now).unwrap())
    }

    /// Row L10.
    #[test]
    fn the_eleventh_wrong_try_within_a_quarter_of_an_hour_is_refused() {
        let brake = used_up(START);
        let wait = Duration::from_mins(14);
        assert_eq!(brake.begin(None, &rules(), at(60)).map(drop), Err(Full { wait, open: false }));
        assert!(brake.begin(None, &rules(), at(15 * 60 - 1)).is_err());
        assert!(brake.begin(None, &rules(), at(15 * 60)).is_ok());
    }

    #[test]
    fn the_window_slides() {
        let mut brake = Brake::default();
        for minute in 0..10 {
            brake = tried(&brake, None, End::Wrong, at(60 * minute)).unwrap();
        }
        let brake = tried(&brake, None, End::Wrong, at(15 * 60)).unwrap();
        let refused = brake.begin(None, &rules(), at(15 * 60)).map(drop);
        assert_eq!(refused, Err(Full { wait: Duration::from_mins(1), open: false }));
    }

    /// Fault F14: what is counted before it is looked at cannot be exceeded by asking at once.
    #[test]
    fn tries_under_way_count() {
        let mut brake = Brake::default();
        for _ in 0..10 {
            brake = brake.begin(None, &rules(), START).unwrap().0;
        }
        assert!(brake.begin(None, &rules(), START).unwrap_err().open);
    }

    #[test]
    fn a_right_try_and_one_not_looked_at_are_given_back() {
        for end in [End::Right, End::NotTried] {
            let brake =
                (0..50).fold(Brake::default(), |brake, _| tried(&brake, None, end, START).unwrap());
            assert_eq!(brake, Brake::default(), "{end:?}");
        }
    }

    /// Who asks many at once and hangs up gains nothing.
    #[test]
    fn a_try_whose_end_is_never_told_counts_as_wrong() {
        let mut brake = Brake::default();
        for _ in 0..10 {
            brake = brake.begin(None, &rules(), START).unwrap().0;
        }
        let refused = brake.begin(None, &rules(), at(11)).unwrap_err();
        assert!(!refused.open);
        assert_eq!(refused.wait, Duration::from_secs(15 * 60 - 11));
    }

    #[test]
    fn a_late_end_is_still_heard() {
        let (brake, begun) = Brake::default().begin(None, &rules(), START).unwrap();
        let brake = tried(&brake, None, End::Wrong, at(20)).unwrap();
        let ended = brake.end(begun, End::Right, None, &rules(), at(21));
        assert_eq!(ended, tried(&Brake::default(), None, End::Wrong, at(20)).unwrap());
    }

    #[test]
    fn a_right_password_does_not_wash_wrong_ones_away() {
        let mut brake = Brake::default();
        for _ in 0..9 {
            brake = tried(&brake, None, End::Wrong, START).unwrap();
        }
        let brake = tried(&brake, None, End::Right, START).unwrap();
        let brake = tried(&brake, None, End::Wrong, START).unwrap();
        assert!(brake.begin(None, &rules(), START).is_err());
    }

    /// Row L10: the known device is not locked out, and its own budget is small.
    #[test]
    fn a_known_device_has_a_budget_of_its_own() {
        let met = tried(&Brake::default(), Some("mine"), End::Right, START).unwrap();
        let mut brake =
            (0..10).fold(met, |brake, _| tried(&brake, None, End::Wrong, START).unwrap());
        assert!(brake.begin(Some("theirs"), &rules(), START).is_err());
        for _ in 0..5 {
            brake = tried(&brake, Some("mine"), End::Right, START).unwrap();
            brake = tried(&brake, Some("mine"), End::Wrong, START).unwrap();
        }
        assert!(brake.begin(Some("mine"), &rules(), START).is_err());
    }

    #[test]
    fn the_tries_of_a_known_device_leave_the_account_alone() {
        let met = tried(&Brake::default(), Some("mine"), End::Right, START).unwrap();
        let mut brake = met;
        for _ in 0..5 {
            brake = tried(&brake, Some("mine"), End::Wrong, START).unwrap();
        }
        for _ in 0..10 {
            brake = tried(&brake, None, End::Wrong, START).unwrap();
        }
    }

    #[test]
    fn a_wrong_password_makes_no_device_known() {
        let brake = tried(&Brake::default(), Some("mine"), End::Wrong, START).unwrap();
        assert!(!brake.knows("mine", &rules(), START));
    }

    #[test]
    fn a_device_is_known_for_a_time_and_few_are() {
        let mut brake = Brake::default();
        for number in 0..20 {
            brake =
                tried(&brake, Some(&format!("device {number}")), End::Right, at(number)).unwrap();
        }
        assert!(!brake.knows("device 3", &rules(), at(20)));
        assert!(brake.knows("device 4", &rules(), at(20)));
        assert!(!brake.knows("device 4", &rules(), at(4) + rules().remembered));
    }

    #[test]
    fn the_record_lasts_as_long_as_it_knows_something() {
        let wrong = tried(&Brake::default(), None, End::Wrong, START).unwrap();
        assert_eq!(wrong.until(), START + rules().account.window);
        let met = tried(&wrong, Some("mine"), End::Right, START).unwrap();
        assert_eq!(met.until(), START + rules().remembered);
    }

    #[test]
    fn a_lowered_limit_holds_at_once() {
        let brake = used_up(START);
        let mut lower = rules();
        lower.account.tries = 3;
        assert!(brake.begin(None, &lower, at(60)).is_err());
    }

    /// Row L10: the spray.
    #[test]
    fn an_address_is_refused_after_its_limit_until_the_window_has_passed() {
        let limit = Limit { tries: 100, window: Duration::from_mins(15) };
        let mut spray = Spray::default();
        for _ in 0..150 {
            spray = spray.wrong(&limit, START);
        }
        assert_eq!(
            spray.check(&limit, at(1)),
            Err(Full { wait: Duration::from_secs(899), open: false })
        );
        assert_eq!(spray.check(&limit, at(900)), Ok(()));
        assert_eq!(spray.until(), at(900));
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let met = tried(&used_up(START), Some("mine"), End::Right, START);
        assert!(met.is_err(), "used up");
        let met = tried(&Brake::default(), Some("mine"), End::Right, START).unwrap();
        let (brake, _) = met.begin(None, &rules(), START).unwrap();
        let written = serde_json::to_string(&brake).unwrap();
        assert_eq!(serde_json::from_str::<Brake>(&written).unwrap(), brake);
        assert_eq!(
            written,
            r#"{"tries":{"open":[1000000000]},"devices":[{"id":"mine","seen":1000000000,"tries":{}}],"until":8776000000}"#
        );
    }
}
