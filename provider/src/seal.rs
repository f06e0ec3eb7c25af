//! Sealing: what others carry for us, unreadable and unchangeable to them.
//!
//! AES-256-GCM-SIV with an all-zero nonce ([RFC 8452]): the mode is resistant to a repeated nonce, so that equal
//! content gives an equal seal and nothing else shows. All that a server key does hangs on one root of 256 random
//! bits, from which HKDF ([RFC 5869]) derives a key for each use.
//!
//! [RFC 8452]: https://www.rfc-editor.org/rfc/rfc8452
//! [RFC 5869]: https://www.rfc-editor.org/rfc/rfc5869

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Okm, Prk},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_protocol::Denied;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::random;

/// What a handle is good for; it stands in front, where scanners for leaked secrets find it.
///
/// # Adding a prefix
/// Add the variant, its text of six characters and its place in `Prefix::ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
    /// An authorization code.
    Code,
    /// An unfinished sign-in or consent, in a form field.
    Flow,
}

impl Prefix {
    pub(crate) const ALL: [Self; 4] = [Self::Access, Self::Refresh, Self::Code, Self::Flow];

    /// How the handle begins.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "cs_at_",
            Self::Refresh => "cs_rt_",
            Self::Code => "cs_ac_",
            Self::Flow => "cs_fl_",
        }
    }
}

/// The name of a server key: eight hexadecimal digits, visible in each handle behind the prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(u32);

impl KeyId {
    /// How many characters it has.
    pub(crate) const LEN: usize = 8;

    pub(crate) fn draw() -> Self {
        Self(u32::from_be_bytes(random()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != Self::LEN || !text.as_bytes().iter().all(digit) {
            return Err("a key id has 8 hexadecimal digits in lower case");
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| "not a key id")
    }
}

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// 256 random bits from which keys are derived; overwritten when dropped.
#[derive(Clone)]
pub(crate) struct Root(Zeroizing<[u8; 32]>);

impl Root {
    pub(crate) fn draw() -> Self {
        Self(Zeroizing::new(random()))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The bytes, for the one place that keeps them (sealed, or as the master key's file).
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn seal(&self, purpose: &str) -> Seal {
        Seal(LessSafeKey::new(self.derive(purpose, &AES_256_GCM_SIV, |okm| UnboundKey::from(okm))))
    }

    pub(crate) fn mac(&self, purpose: &str) -> hmac::Key {
        self.derive(purpose, hmac::HMAC_SHA256, |okm| hmac::Key::from(okm))
    }

    fn derive<L: aws_lc_rs::hkdf::KeyType, K>(
        &self,
        purpose: &str,
        length: L,
        key: impl FnOnce(Okm<'_, L>) -> K,
    ) -> K {
        let root = Prk::new_less_safe(HKDF_SHA256, self.expose());
        let info = [b"countersign 1 ".as_slice(), purpose.as_bytes()];
        #[expect(
            clippy::expect_used,
            reason = "HKDF refuses more than 8160 bytes; this asks for 32"
        )]
        let okm = root.expand(&info, length).expect("32 bytes");
        key(okm)
    }
}

/// A key that seals and opens.
pub(crate) struct Seal(LessSafeKey);

impl Seal {
    /// Seals the content in place and puts the tag behind it.
    pub(crate) fn close(&self, aad: &[u8], content: &mut Vec<u8>) -> Result<(), Denied> {
        self.0
            .seal_in_place_append_tag(nonce(), Aad::from(aad), content)
            .map_err(|_| Denied::Internal)
    }

    /// The content; `None` when this key with this associated data did not seal it.
    pub(crate) fn open<'a>(&self, aad: &[u8], sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        self.0.open_in_place(nonce(), Aad::from(aad), sealed).ok().map(|content| &*content)
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// One key of the ring with all that is derived from it.
pub struct ServerKey {
    id: KeyId,
    heads: [Head; Prefix::ALL.len()],
    seal: Seal,
    secrets: hmac::Key,
    names: hmac::Key,
}

/// What stands in front of a handle, and what its seal vouches for beside the content.
struct Head {
    text: String,
    aad: Vec<u8>,
}

impl Head {
    fn new(prefix: Prefix, id: KeyId, issuer: &str) -> Self {
        let text = format!("{}{id}", prefix.as_str());
        // Prefix and key id have a fixed length, so that no two issuers give the same bytes.
        let aad = format!("countersign 1 {text}{issuer}").into_bytes();
        Self { text, aad }
    }
}

impl ServerKey {
    pub(crate) fn new(id: KeyId, root: &Root, issuer: &str) -> Self {
        Self {
            id,
            heads: Prefix::ALL.map(|prefix| Head::new(prefix, id, issuer)),
            seal: root.seal("seal"),
            secrets: root.mac("secrets"),
            names: root.mac("names"),
        }
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A name in place of one that must not stand in the store as it is (an address, somebody's guess at a user
    /// name): HMAC-SHA256 under a key derived for this alone. Names of different purposes never meet.
    pub fn hide(&self, purpose: &'static str, name: &[u8]) -> [u8; 32] {
        let mut hash = hmac::Context::with_key(&self.names);
        hash.update(purpose.as_bytes());
        hash.update(&[0]);
        hash.update(name);
        array(hash.sign().as_ref())
    }

    /// The 128 bits that prove a token of a kept grant: HMAC-SHA256, cut.
    pub(crate) fn secret(&self, about: &[u8]) -> [u8; 16] {
        array(hmac::sign(&self.secrets, about).as_ref())
    }

    /// Prefix, key id and the sealed content in base64url.
    pub(crate) fn close(&self, prefix: Prefix, mut content: Vec<u8>) -> Result<String, Denied> {
        let head = self.head(prefix);
        self.seal.close(&head.aad, &mut content)?;
        let mut handle = String::with_capacity(head.text.len() + content.len() * 4 / 3 + 2);
        handle.push_str(&head.text);
        URL_SAFE_NO_PAD.encode_string(&content, &mut handle);
        Ok(handle)
    }

    /// The content behind prefix and key id; `None` for any other spelling than that of [`Self::close`].
    pub(crate) fn open(&self, prefix: Prefix, body: &str) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(body).ok()?;
        let length = self.seal.open(&self.head(prefix).aad, &mut sealed)?.len();
        sealed.truncate(length);
        Some(sealed)
    }

    fn head(&self, prefix: Prefix) -> &Head {
        &self.heads[prefix as usize]
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({})", self.id)
    }
}

/// The first `N` bytes of a SHA-256.
fn array<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut cut = [0; N];
    cut.copy_from_slice(&hash[..N]);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8, id: u32, issuer: &str) -> ServerKey {
        ServerKey::new(KeyId(id), &Root(Zeroizing::new([byte; 32])), issuer)
    }

    fn body(handle: &str) -> &str {
        &handle[14..]
    }

    #[test]
    fn each_prefix_has_its_place() {
        for (place, prefix) in Prefix::ALL.into_iter().enumerate() {
            assert_eq!(prefix as usize, place);
            assert_eq!(prefix.as_str().len(), 6);
        }
    }

    #[test]
    fn what_is_sealed_opens_again_and_is_the_same_each_time() {
        let key = key(1, 7, "https://id.example");
        let handle = key.close(Prefix::Flow, b"hello".to_vec()).unwrap();
        assert!(handle.starts_with("cs_fl_00000007"));
        assert_eq!(key.close(Prefix::Flow, b"hello".to_vec()).unwrap(), handle);
        assert_eq!(key.open(Prefix::Flow, body(&handle)).unwrap(), b"hello");
    }

    #[test]
    fn a_seal_opens_only_under_its_prefix_key_id_and_issuer() {
        let handle = key(1, 7, "https://a").close(Prefix::Code, vec![9; 21]).unwrap();
        assert!(key(1, 7, "https://a").open(Prefix::Code, body(&handle)).is_some());
        assert!(key(1, 7, "https://a").open(Prefix::Access, body(&handle)).is_none());
        assert!(key(1, 8, "https://a").open(Prefix::Code, body(&handle)).is_none());
        assert!(key(1, 7, "https://b").open(Prefix::Code, body(&handle)).is_none());
        assert!(key(2, 7, "https://a").open(Prefix::Code, body(&handle)).is_none());
    }

    #[test]
    fn derived_keys_differ_by_purpose() {
        let key = key(1, 7, "https://a");
        let (secret, name) = (key.secret(b"\0x"), key.hide("", b"x"));
        assert_ne!(secret, name[..16]);
        assert_ne!(key.hide("account", b"x"), key.hide("address", b"x"));
        assert_ne!(key.hide("a", b"bc"), key.hide("ab", b"c"));
    }

    #[test]
    fn a_key_id_has_one_spelling() {
        assert_eq!("00c0ffee".parse(), Ok(KeyId(0x00c0_ffee)));
        assert_eq!(KeyId(0x00c0_ffee).to_string(), "00c0ffee");
        for other in ["00C0FFEE", "c0ffee", "+0c0ffee", "000c0ffee", "", "00c0ffe "] {
            assert!(other.parse::<KeyId>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_key_shows_its_name_only() {
        assert_eq!(format!("{:?}", key(1, 7, "https://a")), "ServerKey(00000007)");
    }
}
