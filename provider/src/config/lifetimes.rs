//! How long things live, as it is set.

use std::{str::FromStr, time::Duration};

use countersign_protocol::policy::Lifetimes;
use serde::Deserialize;

use super::{Invalid, Span};

/// The longest of all: what is longer is a slip, and numbers stay small.
const MAX: Duration = Duration::from_hours(24 * 3660);

macro_rules! lifetimes {
    ($($name:ident),*) => {
        /// What of [`Lifetimes`] is set.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct LifetimeSpec {
            $($name: Option<Span>,)*
        }

        impl LifetimeSpec {
            /// Overwrites what is set.
            pub(crate) fn apply(&self, lifetimes: &mut Lifetimes) {
                $(if let Some(span) = self.$name {
                    lifetimes.$name = span.into();
                })*
            }

            fn set(&mut self, name: &str, span: Span) -> Result<(), String> {
                match name {
                    $(stringify!($name) => self.$name = Some(span),)*
                    _ => {
                        let known = [$(stringify!($name)),*].join(", ");
                        return Err(format!("nothing called {name:?} has a lifetime; there are {known}"));
                    }
                }
                Ok(())
            }
        }

        /// Each with its name.
        fn named(lifetimes: &Lifetimes) -> [(&'static str, Duration); [$(stringify!($name)),*].len()] {
            [$((stringify!($name), lifetimes.$name)),*]
        }
    };
}

lifetimes!(
    code,
    access_token,
    client_credentials,
    refresh_idle,
    refresh_cap,
    leeway,
    flow,
    session_idle,
    session_cap
);

/// As a flag has it: `access_token=5min,refresh_idle=7days`.
impl FromStr for LifetimeSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        for part in text.split(',') {
            let (name, span) = part.split_once('=').ok_or_else(|| {
                format!("{part:?} is no lifetime; write one such as access_token=5min")
            })?;
            spec.set(name.trim(), span.trim().parse()?)?;
        }
        Ok(spec)
    }
}

/// Whether they can be kept to and fit together.
pub(super) fn check(lifetimes: &Lifetimes) -> Result<(), Invalid> {
    let wrong = |name, why: &str| Err(Invalid::Lifetime(name, why.into()));
    for (name, life) in named(lifetimes) {
        if life > MAX {
            return wrong(name, "must be at most 10 years");
        }
        if life < Duration::from_secs(1) && name != "leeway" {
            return wrong(name, "must be at least 1s");
        }
    }
    if lifetimes.code > Duration::from_mins(1) {
        return wrong("code", "must be at most 60s, for a code that lives long is found in logs");
    }
    if lifetimes.refresh_idle > lifetimes.refresh_cap {
        return wrong("refresh_idle", "must not be longer than refresh_cap");
    }
    if lifetimes.session_idle > lifetimes.session_cap {
        return wrong("session_idle", "must not be longer than session_cap");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Lifetimes, String> {
        let mut lifetimes = Lifetimes::default();
        text.parse::<LifetimeSpec>()?.apply(&mut lifetimes);
        check(&lifetimes).map_err(|error| error.to_string())?;
        Ok(lifetimes)
    }

    #[test]
    fn what_is_set_goes_before_the_default() {
        let lifetimes = checked("access_token=5min,leeway=0s").unwrap();
        assert_eq!(lifetimes.access_token, Duration::from_mins(5));
        assert_eq!(lifetimes.leeway, Duration::ZERO);
        assert_eq!(lifetimes.refresh_cap, Lifetimes::default().refresh_cap);
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused() {
        for (text, says) in [
            ("code=61s", "lifetimes.code must be at most 60s"),
            ("access_token=0s", "lifetimes.access_token must be at least 1s"),
            ("refresh_cap=20years", "lifetimes.refresh_cap must be at most 10 years"),
            ("refresh_idle=100days", "must not be longer than refresh_cap"),
            ("session_idle=31days", "must not be longer than session_cap"),
            ("cookie=1h", "there are code, access_token"),
        ] {
            let error = checked(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
