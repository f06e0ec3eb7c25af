//! Where the endpoints are: the file's `[paths]`.

use std::fmt;

use countersign_provider::{Endpoint, Paths};
use serde::{Deserialize, Deserializer, de::Visitor};

/// What is said of each endpoint.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PathSpec {
    authorize: Option<Mount>,
    sign_in: Option<Mount>,
    consent: Option<Mount>,
    logout: Option<Mount>,
    token: Option<Mount>,
    introspect: Option<Mount>,
    revoke: Option<Mount>,
    script: Option<Mount>,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mount {
    At(String),
    Off,
}

impl PathSpec {
    /// The paths. What can be none is found when the provider is put together.
    pub(super) fn paths(&self) -> Paths {
        let said = [
            (Endpoint::Authorize, &self.authorize),
            (Endpoint::SignIn, &self.sign_in),
            (Endpoint::Consent, &self.consent),
            (Endpoint::Logout, &self.logout),
            (Endpoint::Token, &self.token),
            (Endpoint::Introspect, &self.introspect),
            (Endpoint::Revoke, &self.revoke),
            (Endpoint::Script, &self.script),
        ];
        let paths = Paths::default();
        said.into_iter().fold(paths, |paths, (endpoint, mount)| match mount {
            None => paths,
            Some(Mount::At(path)) => paths.mount(endpoint, path),
            Some(Mount::Off) => paths.without(endpoint),
        })
    }
}

impl<'de> Deserialize<'de> for Mount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Mount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path such as \"/login\", or false where the endpoint is not to be")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<Mount, E> {
                Ok(Mount::At(path.into()))
            }

            fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<Mount, E> {
                if on {
                    return Err(E::invalid_type(serde::de::Unexpected::Bool(on), &self));
                }
                Ok(Mount::Off)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
