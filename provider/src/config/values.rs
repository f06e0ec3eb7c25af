//! Values as people write them.

use std::{fmt, fs, marker::PhantomData, net::IpAddr, path::Path, str::FromStr, time::Duration};

use countersign_protocol::Secret;
use countersign_provider::store::Kind;
use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IntoDeserializer, MapAccess, SeqAccess, Visitor, value},
};
use zeroize::Zeroizing;

/// A duration such as `90s`, `10min`, `12h` or `30days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = humantime::parse_duration(text);
        read.map(Self).map_err(|_| {
            format!("{text:?} is no duration; write one such as 90s, 10min, 12h or 30days")
        })
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a duration such as \"10min\"")
    }
}

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse().ok().or_else(single);
        network.map(Self).ok_or_else(|| {
            format!("{text:?} is no network; write one such as 10.0.0.0/8 or a single address")
        })
    }
}

impl From<Network> for IpNet {
    fn from(network: Network) -> Self {
        network.0
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a network such as \"10.0.0.0/8\"")
    }
}

/// How TLS is spoken without files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TlsMode;

impl FromStr for TlsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "adhoc" {
            return Ok(Self);
        }
        Err(format!(
            "{text:?} is no way to speak TLS; write adhoc, or name files by tls_cert and tls_key"
        ))
    }
}

impl<'de> Deserialize<'de> for TlsMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "\"adhoc\"")
    }
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: an object a line.
    Json,
}

/// Where records are kept: a URL for all kinds, `KIND=URL` for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stores(Vec<String>);

/// The stores of the flags, or else of the file.
pub(super) fn together(flags: Option<Vec<Stores>>, file: Option<Stores>) -> Vec<String> {
    match flags {
        Some(flags) => flags.into_iter().flat_map(|stores| stores.0).collect(),
        None => file.unwrap_or_default().0,
    }
}

/// Whether a store is for all kinds of records: a URL has a colon before any equals sign.
pub(super) fn is_for_all(store: &str) -> bool {
    (store.split_once('=')).is_none_or(|(before, _)| before.contains(':'))
}

/// As flags have it, and the environment, where a blank separates several.
impl FromStr for Stores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let several = || text.split_whitespace();
        let stores: Vec<_> = if several().skip(1).all(|part| !is_for_all(part)) {
            several().map(str::to_owned).collect()
        } else {
            // A path may hold blanks.
            vec![text.to_owned()]
        };
        stores.iter().try_for_each(|store| check_store(store))?;
        Ok(Self(stores))
    }
}

/// Only the kind: the engine itself says best what it does not take, and of a URL nothing is told, as it may hold a
/// password.
fn check_store(store: &str) -> Result<(), String> {
    if is_for_all(store) {
        return Ok(());
    }
    let kind = store.split_once('=').map_or("", |(kind, _)| kind);
    kind.parse::<Kind>().map(drop)
}

/// In the file: a URL, or a table of kinds in which `all` is for the others.
impl<'de> Deserialize<'de> for Stores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Stores;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL such as \"sqlite:/var/lib/countersign.db\", or a table of kinds")
            }

            fn visit_str<E: serde::de::Error>(self, url: &str) -> Result<Stores, E> {
                Ok(Stores(vec![url.into()]))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stores, A::Error> {
                let mut stores = Vec::new();
                while let Some((of, url)) = map.next_entry::<Of, String>()? {
                    stores.push(match of {
                        Of::All => url,
                        Of::One(kind) => format!("{kind}={url}"),
                    });
                }
                Ok(Stores(stores))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Of which records: a key in the file's table of stores.
enum Of {
    All,
    One(Kind),
}

impl FromStr for Of {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            kind => kind.parse().map(Self::One),
        }
    }
}

impl<'de> Deserialize<'de> for Of {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a kind of record, or all")
    }
}

/// Reads a list, or a single one.
pub(super) fn several<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Reader<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            T::deserialize(text.into_deserializer()).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = seq.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Reader(PhantomData))
}

/// Reads a secret; where it is of another type, without telling it.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    let text = String::deserialize(deserializer);
    text.map(|text| Some(Secret::new(text)))
        .map_err(|_| serde::de::Error::custom("a secret is a text in quotes"))
}

/// Reads a secret from a file: its first line.
pub(super) fn read_secret(path: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => Err(format!("{} is empty; write the secret into it", path.display())),
    }
}

/// Reads a value by the name that it has in files and on the wire. Fails with the names that there are.
pub(crate) fn by_name<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text))
        .map_err(|error| error.to_string())
}

/// Reads a text by its own parser; of another type it says what was expected.
fn from_text<'de, D, T>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    struct Reader<T>(&'static str, PhantomData<T>);
    impl<T: FromStr<Err = String>> Visitor<'_> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Reader(expected, PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(text: &str) -> Result<Vec<String>, String> {
        text.parse().map(|Stores(stores)| stores)
    }

    #[test]
    fn a_store_is_for_all_kinds_or_for_one() {
        assert_eq!(stores("sqlite:a=b.db"), Ok(vec!["sqlite:a=b.db".into()]));
        assert_eq!(stores("grant=memory:"), Ok(vec!["grant=memory:".into()]));
        assert!(stores("grants=memory:").unwrap_err().contains("the kinds are"));
    }

    #[test]
    fn a_variable_holds_several_stores_and_a_path_may_hold_blanks() {
        let two = ["memory:", "grant=sqlite:g.db"].map(str::to_owned);
        assert_eq!(stores("memory: grant=sqlite:g.db"), Ok(two.to_vec()));
        let one = "sqlite:/My Files/a.db";
        assert_eq!(stores(one), Ok(vec![one.into()]));
    }

    #[test]
    fn a_network_may_be_a_single_address() {
        let network = |text: &str| text.parse().map(|Network(net)| net.to_string());
        assert_eq!(network("10.0.0.0/8"), Ok("10.0.0.0/8".into()));
        assert_eq!(network("::1"), Ok("::1/128".into()));
        assert!(network("lan").is_err());
    }

    #[test]
    fn a_duration_is_written_as_people_write_it() {
        let span = |text: &str| text.parse().map(|Span(span)| span.as_secs());
        assert_eq!(span("90s"), Ok(90));
        assert_eq!(span("1h 30min"), Ok(5400));
        assert_eq!(span("30days"), Ok(2_592_000));
        assert!(span("10").is_err());
        assert!(span("soon").is_err());
    }

    #[test]
    fn a_name_is_one_that_the_wire_knows() {
        use countersign_protocol::client::GrantType;
        assert_eq!(by_name("password"), Ok(GrantType::Password));
        assert!(by_name::<GrantType>("trust").unwrap_err().contains("`password`"));
    }
}
