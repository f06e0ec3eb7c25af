//! Names of things: each its own type, so that one cannot stand for another.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// base64url without padding, which is how bytes stand in every token, cookie and record of ours.
pub fn encode(bytes: &[u8]) -> String {
    codec::encode(bytes)
}

/// The bytes behind [`encode`]; `None` for any other spelling, changed pad bits included.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    codec::decode(text)
}

/// The provider reads and writes thousands a second: by the faster library.
#[cfg(feature = "server")]
mod codec {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    pub(super) fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }
}

/// A client does so once a minute, and the browser's must be small: by the smaller library.
#[cfg(any(test, not(feature = "server")))]
mod small {
    use base64ct::{Base64UrlUnpadded, Encoding as _};

    pub(super) fn encode(bytes: &[u8]) -> String {
        Base64UrlUnpadded::encode_string(bytes)
    }

    pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
        Base64UrlUnpadded::decode_vec(text).ok()
    }
}

#[cfg(not(feature = "server"))]
use small as codec;

/// Serde for a byte array as base64url.
pub(crate) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        super::decode(&text)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| D::Error::custom("not base64url of the right length"))
    }
}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a name of 1 to
            #[doc = stringify!($max)]
            /// bytes without control characters; `None` for any other.
            pub fn new(value: impl Into<String>) -> Option<Self> {
                let value = value.into();
                let fits = (1..=$max).contains(&value.len()) && !value.chars().any(char::is_control);
                fits.then_some(Self(value))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(value: String) -> Result<Self, Self::Error> {
                Self::new(value).ok_or(concat!("must be 1 to ", $max, " bytes without control characters"))
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Self::try_from(value.to_owned())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A client identifier ([RFC 6749 §2.2](https://www.rfc-editor.org/rfc/rfc6749#section-2.2)).
    ClientId, 255
}

name! {
    /// Who a token speaks for: the `sub` of a user, never reused, not the name they sign in with.
    Subject, 255
}

macro_rules! random {
    ($(#[$meta:meta])* $name:ident, $bytes:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "bytes")] [u8; $bytes]);

        impl $name {
            /// From random bytes.
            pub const fn from_bytes(random: [u8; $bytes]) -> Self {
                Self(random)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The bytes as base64url.
            pub fn text(&self) -> String {
                encode(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                let bytes = decode(value).and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or(concat!("not base64url of ", $bytes, " bytes"))
            }
        }
    };
}

random! {
    /// The version of a record: 128 random bits, drawn by who writes it.
    Version, 16
}

random! {
    /// What one write redraws to end everything made under it: 64 random bits, all zero where never drawn.
    Epoch, 8
}

random! {
    /// A sign-in session's name: 128 random bits. It is not what the cookie proves itself with.
    SessionId, 16
}

random! {
    /// The salt in a grant, without which the server's key makes none of its tokens: 128 random bits.
    Salt, 16
}

impl Epoch {
    /// The epoch of a subject, client or consent that never ended anything.
    pub const NONE: Self = Self([0; 8]);

    /// Whether it is [`Epoch::NONE`].
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(feature = "server")]
pub use server::*;

#[cfg(feature = "server")]
mod server {
    use std::{fmt, str::FromStr};

    use serde::{Deserialize, Serialize};

    use crate::time::Timestamp;

    macro_rules! ordered {
        ($(#[$meta:meta])* $name:ident) => {
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(try_from = "String", into = "String")]
            pub struct $name([u8; 16]);

            impl $name {
                /// A new one, from the time and 10 random bytes.
                pub fn new(now: Timestamp, random: &[u8; 10]) -> Self {
                    let uuid = uuid::Builder::from_unix_timestamp_millis(now.as_millis(), random).into_uuid();
                    Self(uuid.into_bytes())
                }

                /// From its 16 bytes.
                pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                    Self(bytes)
                }

                /// Its 16 bytes.
                pub const fn as_bytes(&self) -> &[u8; 16] {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(&uuid::Uuid::from_bytes(self.0), f)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!(stringify!($name), "({})"), self)
                }
            }

            impl FromStr for $name {
                type Err = &'static str;

                fn from_str(value: &str) -> Result<Self, Self::Err> {
                    let uuid = uuid::Uuid::try_parse(value).map_err(|_| "not a UUID")?;
                    Ok(Self(uuid.into_bytes()))
                }
            }

            impl TryFrom<String> for $name {
                type Error = &'static str;

                fn try_from(value: String) -> Result<Self, Self::Error> {
                    value.parse()
                }
            }

            impl From<$name> for String {
                fn from(value: $name) -> Self {
                    value.to_string()
                }
            }
        };
    }

    ordered! {
        /// A grant's name: a UUIDv7, ordered by the time at which its flow began, never shown outside.
        GrantId
    }

    ordered! {
        /// A carried access token's name: a UUIDv7. Its *revoked* record bears it.
        TokenId
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_no_control_characters() {
        assert!(ClientId::new("shop").is_some());
        assert!(ClientId::new("").is_none());
        assert!(ClientId::new("a\r\nb").is_none());
        assert!(ClientId::new("a".repeat(256)).is_none());
    }

    #[test]
    fn bytes_have_one_spelling() {
        let version = Version::from_bytes([7; 16]);
        assert_eq!(version.to_string().parse(), Ok(version));
        // The last character's unused bits changed.
        assert!("BwcHBwcHBwcHBwcHBwcHBx".parse::<Version>().is_err());
    }

    /// Provider and clients, by two libraries, write the same and refuse the same.
    #[test]
    fn both_libraries_say_the_same() {
        for length in 0..100_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let text = codec::encode(&bytes);
            assert_eq!(small::encode(&bytes), text);
            assert_eq!(small::decode(&text), Some(bytes.clone()));
            assert_eq!(codec::decode(&text), Some(bytes));
            for wrong in ["=", "A", "+", "/", " ", "\n", "\u{e4}"] {
                for text in [text.clone() + wrong, wrong.to_owned() + &text] {
                    assert_eq!(small::decode(&text), codec::decode(&text), "{text}");
                }
            }
        }
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            for text in [format!("BwcHBwcHBwcHBwcHBwcHB{last}"), format!("BwcHB{last}A{last}")] {
                assert_eq!(small::decode(&text), codec::decode(&text), "{text}");
            }
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn grant_ids_sort_by_time() {
        use crate::time::Timestamp;
        let (a, b) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
        assert!(GrantId::new(a, &[255; 10]) < GrantId::new(b, &[0; 10]));
    }
}
