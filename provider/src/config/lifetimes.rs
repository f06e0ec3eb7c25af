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
        return wrong(
            "code",
            "must be at most 60s, for a code that lives long is found in logs",
        );
    }
    if lifetimes.refresh_idle > lifetimes.refresh_cap {
        return wrong("refresh_idle", "must not be longer than refresh_cap");
    }
    if lifetimes.session_idle > lifetimes.session_cap {
        return wrong("session_idle", "must not be longer than session_cap");
    }
    Ok(())
}
