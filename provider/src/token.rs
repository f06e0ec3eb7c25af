//! The handles that leave the provider: access tokens, refresh tokens, codes, and unfinished flows.
//!
//! ```text
//! prefix_ + key id + base64url(seal(kind · grant id · number · secret))     refers to a kept grant
//! prefix_ + key id + base64url(seal(kind · token id · the grant itself))    carries its grant
//! ```
//!
//! A made-up handle fails at its seal, before any store is asked. The seal is deterministic and everything in it
//! hidden: two tokens of one grant have nothing in common, and the same successor can be made again. The `secret`
//! comes from the server key and a salt in the kept grant ([`KeptToken::verify`]), so that neither the store nor the
//! key alone makes a token.

use std::sync::Arc;

use countersign_protocol::{
    Denied, Secret,
    id::{GrantId, Salt, TokenId},
};
use subtle::ConstantTimeEq;

pub use crate::seal::Prefix;
use crate::{
    keys::Keys,
    seal::{KeyId, ServerKey},
};

/// The most characters that a token or code has.
pub const TOKEN_LIMIT: usize = 4096;
/// The most characters that a sealed flow has, so that a page's form carries it.
pub const FLOW_LIMIT: usize = 16 * 1024;

/// The first sealed byte: what follows it.
const KEPT: u8 = 1;
const CARRIED: u8 = 2;
const FLOW: u8 = 3;

/// Makes and opens handles under the ring's keys.
#[derive(Clone, Debug)]
pub struct Codec {
    keys: Keys,
}

/// One token or code of a kept grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Whose it is.
    pub grant: GrantId,
    /// Which of the grant's: its generation.
    pub number: u32,
}

/// What a genuine handle says.
#[derive(Debug)]
pub enum Opened {
    /// It refers to a kept grant; to be believed once [`KeptToken::verify`] has agreed.
    Kept(KeptToken),
    /// It carries its grant.
    Carried {
        /// The token's name, under which it is revoked.
        token: TokenId,
        /// The grant, as it was given to [`Codec::carry`].
        grant: Vec<u8>,
    },
}

/// A reference to a kept grant, not believed yet.
#[derive(Debug)]
pub struct KeptToken {
    /// What it refers to.
    pub reference: Reference,
    prefix: Prefix,
    secret: Secret128,
    key: Arc<ServerKey>,
}

impl Codec {
    /// Under these keys.
    pub fn new(keys: Keys) -> Self {
        Self { keys }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The token or code of a kept grant. The same arguments under the same key give the same text.
    pub fn reference(
        &self,
        prefix: Prefix,
        reference: Reference,
        salt: &Salt,
    ) -> Result<Secret, Denied> {
        let key = self.keys.active()?;
        let secret = key.secret(&about(prefix, reference, salt));
        let mut content = Vec::with_capacity(KeptContent::LEN + TAG);
        content.push(KEPT);
        content.extend_from_slice(reference.grant.as_bytes());
        content.extend_from_slice(&reference.number.to_be_bytes());
        content.extend_from_slice(&secret);
        key.close(prefix, content).map(Secret::new)
    }

    /// An access token that carries its grant. [`Denied::Internal`] when it gets longer than [`TOKEN_LIMIT`]
    /// (about 3 kB of grant): such a grant is to be kept.
    pub fn carry(&self, token: TokenId, grant: &[u8]) -> Result<Secret, Denied> {
        let mut content = Vec::with_capacity(1 + 16 + grant.len() + TAG);
        content.push(CARRIED);
        content.extend_from_slice(token.as_bytes());
        content.extend_from_slice(grant);
        let handle = self.keys.active()?.close(Prefix::Access, content)?;
        if handle.len() > TOKEN_LIMIT {
            return Err(Denied::Internal);
        }
        Ok(Secret::new(handle))
    }

    /// What a token or code says. [`Denied::TokenUnknown`] for anything that is not, to the letter, a handle of this
    /// provider with this prefix; [`Denied::StoreUnavailable`] when its key is not known and the ring cannot be read.
    ///
    /// Ready at once, and without asking the store, unless the handle names a key that is not known: then it waits
    /// for the next reload of the ring ([`Keys::seek`]).
    pub async fn open(&self, prefix: Prefix, handle: &str) -> Result<Opened, Denied> {
        let (key, mut content) = self.unseal(prefix, handle, TOKEN_LIMIT).await?;
        match content.first() {
            Some(&KEPT) => {
                let kept = KeptContent::read(&content).ok_or(Denied::TokenUnknown)?;
                Ok(Opened::Kept(KeptToken {
                    reference: kept.reference,
                    prefix,
                    secret: kept.secret,
                    key,
                }))
            }
            Some(&CARRIED) if prefix == Prefix::Access => {
                let token = array(&content, 1).ok_or(Denied::TokenUnknown)?;
                Ok(Opened::Carried {
                    token: TokenId::from_bytes(token),
                    grant: content.split_off(1 + 16),
                })
            }
            _ => Err(Denied::TokenUnknown),
        }
    }

    /// Seals an unfinished flow. [`Denied::BodyTooLarge`] when it gets longer than [`FLOW_LIMIT`] (about 12 kB).
    pub fn seal_flow(&self, flow: &[u8]) -> Result<String, Denied> {
        let mut content = Vec::with_capacity(1 + flow.len() + TAG);
        content.push(FLOW);
        content.extend_from_slice(flow);
        let handle = self.keys.active()?.close(Prefix::Flow, content)?;
        if handle.len() > FLOW_LIMIT {
            return Err(Denied::BodyTooLarge);
        }
        Ok(handle)
    }

    /// The flow that [`Self::seal_flow`] sealed. Refuses and waits as [`Self::open`] does, with
    /// [`Denied::FlowLost`] for what is not one of ours.
    pub async fn open_flow(&self, handle: &str) -> Result<Vec<u8>, Denied> {
        let opened = self.unseal(Prefix::Flow, handle, FLOW_LIMIT).await;
        match opened {
            Ok((_, mut content)) if content.first() == Some(&FLOW) => Ok(content.split_off(1)),
            Ok(_) | Err(Denied::TokenUnknown) => Err(Denied::FlowLost),
            Err(denied) => Err(denied),
        }
    }

    async fn unseal(
        &self,
        prefix: Prefix,
        handle: &str,
        limit: usize,
    ) -> Result<(Arc<ServerKey>, Vec<u8>), Denied> {
        let (id, body) = parse(prefix, handle, limit).ok_or(Denied::TokenUnknown)?;
        let key = match self.keys.find(id) {
            Some(key) => key,
            None => self.keys.seek(id).await?,
        };
        let content = key.open(prefix, body).ok_or(Denied::TokenUnknown)?;
        Ok((key, content))
    }
}

impl KeptToken {
    /// Whether the secret is the one that this grant's salt gives; in constant time. [`Denied::TokenUnknown`] if not.
    pub fn verify(&self, salt: &Salt) -> Result<(), Denied> {
        let expected = self.key.secret(&about(self.prefix, self.reference, salt));
        let same = expected.ct_eq(&self.secret.0);
        bool::from(same).then_some(()).ok_or(Denied::TokenUnknown)
    }
}

/// 128 bits that don't show.
struct Secret128([u8; 16]);

impl std::fmt::Debug for Secret128 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret128(..)")
    }
}

/// The seal's tag.
const TAG: usize = 16;

/// Behind the byte [`KEPT`].
struct KeptContent {
    reference: Reference,
    secret: Secret128,
}

impl KeptContent {
    const LEN: usize = 1 + 16 + 4 + 16;

    fn read(content: &[u8]) -> Option<Self> {
        if content.len() != Self::LEN {
            return None;
        }
        Some(Self {
            reference: Reference {
                grant: GrantId::from_bytes(array(content, 1)?),
                number: u32::from_be_bytes(array(content, 17)?),
            },
            secret: Secret128(array(content, 21)?),
        })
    }
}

fn array<const N: usize>(content: &[u8], from: usize) -> Option<[u8; N]> {
    content.get(from..from + N)?.try_into().ok()
}

/// What the secret of a kept grant's token is derived from.
fn about(prefix: Prefix, reference: Reference, salt: &Salt) -> [u8; 42] {
    let mut about = [0; 42];
    about[..16].copy_from_slice(salt.as_bytes());
    about[16..22].copy_from_slice(prefix.as_str().as_bytes());
    about[22..38].copy_from_slice(reference.grant.as_bytes());
    about[38..].copy_from_slice(&reference.number.to_be_bytes());
    about
}

/// The key id and what is sealed.
fn parse(prefix: Prefix, handle: &str, limit: usize) -> Option<(KeyId, &str)> {
    if handle.len() > limit {
        return None;
    }
    let rest = handle.strip_prefix(prefix.as_str())?;
    let (id, body) = rest.split_at_checked(KeyId::LEN)?;
    Some((id.parse().ok()?, body))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use countersign_protocol::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{keys::LEAD, keys::tests::World};

    const SALT: Salt = Salt::from_bytes([5; 16]);
    const GRANT: GrantId = GrantId::from_bytes([3; 16]);
    const FIRST: Reference = Reference { grant: GRANT, number: 1 };

    async fn codec() -> Codec {
        Codec::new(World::new().replica().await)
    }

    fn kept(opened: Opened) -> KeptToken {
        match opened {
            Opened::Kept(token) => token,
            Opened::Carried { .. } => panic!("a kept token"),
        }
    }

    #[tokio::test]
    async fn a_reference_opens_to_what_it_refers_to_and_the_salt_proves_it() {
        let codec = codec().await;
        for prefix in [Prefix::Access, Prefix::Refresh, Prefix::Code] {
            let token = codec.reference(prefix, FIRST, &SALT).unwrap();
            assert!(token.expose().starts_with(prefix.as_str()));
            let opened = kept(codec.open(prefix, token.expose()).await.unwrap());
            assert_eq!(opened.reference, FIRST);
            assert_eq!(opened.verify(&SALT), Ok(()));
            let other = Salt::from_bytes([6; 16]);
            assert_eq!(opened.verify(&other), Err(Denied::TokenUnknown));
        }
    }

    #[tokio::test]
    async fn the_same_reference_is_the_same_text_and_every_other_differs() {
        let codec = codec().await;
        let text = |prefix, number, salt: &Salt| {
            let reference = Reference { grant: GRANT, number };
            let token = codec.reference(prefix, reference, salt).unwrap();
            token.expose()[14..].to_owned()
        };
        let first = text(Prefix::Access, 1, &SALT);
        assert_eq!(first, text(Prefix::Access, 1, &SALT));
        assert_ne!(first, text(Prefix::Access, 2, &SALT));
        assert_ne!(first, text(Prefix::Refresh, 1, &SALT));
        assert_ne!(first, text(Prefix::Access, 1, &Salt::from_bytes([6; 16])));
    }

    #[test]
    fn a_secret_is_about_every_byte_of_what_it_proves() {
        let made = |prefix, grant: [u8; 16], number, salt| {
            let grant = GrantId::from_bytes(grant);
            about(prefix, Reference { grant, number }, &Salt::from_bytes(salt))
        };
        let mut all = HashSet::from([made(Prefix::Access, [0; 16], 0, [0; 16])]);
        for place in 0..16 {
            let mut other = [0; 16];
            other[place] = 1;
            all.insert(made(Prefix::Access, other, 0, [0; 16]));
            all.insert(made(Prefix::Access, [0; 16], 0, other));
        }
        for place in 0..4 {
            all.insert(made(Prefix::Access, [0; 16], 1 << (8 * place), [0; 16]));
        }
        all.insert(made(Prefix::Code, [0; 16], 0, [0; 16]));
        assert_eq!(all.len(), 1 + 32 + 4 + 1);
    }

    #[tokio::test]
    async fn a_carried_grant_comes_back() {
        let codec = codec().await;
        let id = TokenId::new(Timestamp::from_secs(1), &[2; 10]);
        for grant in [b"".as_slice(), b"{}", &[255; 1000]] {
            let token = codec.carry(id, grant).unwrap();
            match codec.open(Prefix::Access, token.expose()).await.unwrap() {
                Opened::Carried { token, grant: back } => {
                    assert_eq!((token, back.as_slice()), (id, grant));
                }
                Opened::Kept(_) => panic!("a carried token"),
            }
        }
        assert_eq!(codec.carry(id, &[0; 4096]).unwrap_err(), Denied::Internal);
    }

    #[tokio::test]
    async fn a_flow_comes_back_and_fits_a_form_field() {
        let codec = codec().await;
        let flow = vec![b'x'; 12_000];
        let sealed = codec.seal_flow(&flow).unwrap();
        assert!(sealed.len() <= FLOW_LIMIT);
        assert_eq!(codec.open_flow(&sealed).await.unwrap(), flow);
        let lost = codec.open_flow(&sealed[1..]).await;
        assert_eq!(lost, Err(Denied::FlowLost));
        let large = codec.seal_flow(&vec![0; FLOW_LIMIT]);
        assert_eq!(large, Err(Denied::BodyTooLarge));
    }

    /// M4: a rotation ends nothing that the old key sealed.
    #[tokio::test]
    async fn tokens_outlive_the_rotation_of_their_key() {
        let world = World::new();
        let codec = Codec::new(world.replica().await);
        let old = codec.reference(Prefix::Refresh, FIRST, &SALT).unwrap();
        codec.keys().rotate().await.unwrap();
        world.clock.advance(LEAD);
        let new = codec.reference(Prefix::Refresh, FIRST, &SALT).unwrap();
        assert!(!old.matches(&new));
        for token in [old, new] {
            let opened = codec.open(Prefix::Refresh, token.expose()).await.unwrap();
            assert_eq!(kept(opened).verify(&SALT), Ok(()));
        }
    }

    #[tokio::test]
    async fn another_provider_s_token_is_unknown() {
        let (here, there) = (World::known().await, World::known().await);
        let here = Codec::new(here.replica().await);
        let same = Codec::new(there.replica().await);
        let token = here.reference(Prefix::Code, FIRST, &SALT).unwrap();
        assert!(same.open(Prefix::Code, token.expose()).await.is_ok());

        // The key's name alone is not the key.
        let forged = codec().await.reference(Prefix::Code, FIRST, &SALT).unwrap();
        let forged = format!("{}{}", &token.expose()[..14], &forged.expose()[14..]);
        let refused = here.open(Prefix::Code, &forged).await;
        assert_eq!(refused.unwrap_err(), Denied::TokenUnknown);
    }

    /// I3: what is made up costs no read, and what is too long is not even looked at.
    #[tokio::test]
    async fn a_made_up_token_never_touches_the_store() {
        let world = World::new();
        let codec = Codec::new(world.replica().await);
        let before = world.store.reads();
        let key = codec.keys().active().unwrap().id();
        let short = "A".repeat(71);
        let long = "A".repeat(60_000);
        for handle in [
            format!("cs_at_{key}{short}"),
            format!("cs_at_{key}{long}"),
            format!("cs_at_{key}"),
            format!("cs_at_{long}"),
            "cs_at_".to_owned(),
            "cs_at_NOTAKEY0AAAA".to_owned(),
            "cs_at_€€€€€€€€".to_owned(),
            "eyJhbGciOiJub25lIn0.e30.".to_owned(),
            String::new(),
        ] {
            let refused = codec.open(Prefix::Access, &handle).await;
            assert_eq!(refused.unwrap_err(), Denied::TokenUnknown);
        }
        assert_eq!(world.store.reads(), before);
    }

    /// T28: one spelling only. (Time is paused: a damaged key id waits for a reload.)
    #[tokio::test(start_paused = true)]
    async fn every_other_spelling_of_a_handle_is_refused() {
        let codec = codec().await;
        let id = TokenId::new(Timestamp::from_secs(1), &[2; 10]);
        let mut handles = vec![(Prefix::Access, codec.carry(id, b"{\"sub\":\"ada\"}").unwrap())];
        for prefix in [Prefix::Access, Prefix::Refresh, Prefix::Code] {
            handles.push((prefix, codec.reference(prefix, FIRST, &SALT).unwrap()));
        }
        for (prefix, handle) in handles {
            for damaged in damages(handle.expose()) {
                let refused = codec.open(prefix, &damaged).await;
                assert_eq!(refused.unwrap_err(), Denied::TokenUnknown, "{damaged}");
            }
            for other in Prefix::ALL.into_iter().filter(|other| *other != prefix) {
                let renamed = handle.expose().replacen(prefix.as_str(), other.as_str(), 1);
                assert!(codec.open(other, &renamed).await.is_err());
                assert!(codec.open(other, handle.expose()).await.is_err());
            }
        }
    }

    fn damages(handle: &str) -> Vec<String> {
        let mut damaged = Vec::new();
        for at in 0..handle.len() {
            let (before, rest) = handle.split_at(at);
            let (it, after) = rest.split_at(1);
            damaged.push(format!("{before}{after}"));
            damaged.push(format!("{before}{it}{it}{after}"));
            for other in [
                it.to_ascii_uppercase(),
                it.to_ascii_lowercase(),
                next_in_alphabet(it),
                "%41".to_owned(),
                "+".to_owned(),
                "\0".to_owned(),
            ] {
                if other != it {
                    damaged.push(format!("{before}{other}{after}"));
                }
            }
        }
        for end in ["A", "=", "==", "\n", " ", ".", "é"] {
            damaged.push(format!("{handle}{end}"));
            damaged.push(format!("{end}{handle}"));
        }
        damaged.push(handle.replace('_', "/"));
        damaged.push(format!("{handle}{handle}"));
        damaged.retain(|damaged| damaged != handle);
        damaged
    }

    /// In the last place it changes the pad bits only.
    fn next_in_alphabet(character: &str) -> String {
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = ALPHABET.find(character).unwrap();
        ALPHABET[(at ^ 1)..][..1].to_owned()
    }

    /// T28, on a fixed key and the least random grants that there are: numbered ones.
    #[tokio::test]
    async fn a_hundred_thousand_handles_are_distinct_and_look_random_at_every_place() {
        let world = World::known().await;
        let codec = Codec::new(world.replica().await);
        for prefix in [Prefix::Access, Prefix::Refresh, Prefix::Code] {
            let handles: HashSet<String> =
                (0..100_000_u32).map(|number| handle(&codec, prefix, number)).collect();
            assert_eq!(handles.len(), 100_000);
            looks_random(&handles);
        }
    }

    /// T28 for carried grants, all of the same content but for the token's name.
    #[tokio::test]
    async fn carried_handles_look_random_at_every_place() {
        let codec = Codec::new(World::known().await.replica().await);
        let handles: HashSet<String> = (0..100_000_u32)
            .map(|number| {
                let token = TokenId::new(Timestamp::from_secs(1), &tail(number));
                let grant = b"{\"client\":\"demo-service\",\"scope\":\"read\"}";
                codec.carry(token, grant).unwrap().expose().to_owned()
            })
            .collect();
        assert_eq!(handles.len(), 100_000);
        looks_random(&handles);
    }

    fn handle(codec: &Codec, prefix: Prefix, number: u32) -> String {
        let grant = GrantId::new(Timestamp::from_secs(1), &tail(number / 4));
        let reference = Reference { grant, number: number % 4 };
        let token = codec.reference(prefix, reference, &SALT).unwrap();
        token.expose().to_owned()
    }

    fn tail(number: u32) -> [u8; 10] {
        let mut tail = [0; 10];
        tail[6..].copy_from_slice(&number.to_be_bytes());
        tail
    }

    /// χ² of the characters at each place behind prefix and key id.
    fn looks_random(handles: &HashSet<String>) {
        let length = handles.iter().next().unwrap().len();
        for place in 14..length {
            let mut counts = [0_u32; 256];
            for handle in handles {
                counts[usize::from(handle.as_bytes()[place])] += 1;
            }
            // The last character holds the rest of the bits: 2, 4 or all 6 of them.
            let symbols: u16 = match (place + 1 == length, (length - 14) % 4) {
                (true, 2) => 4,
                (true, 3) => 16,
                _ => 64,
            };
            let expected = 100_000.0 / f64::from(symbols);
            let seen = counts.iter().filter(|count| **count > 0);
            let chi: f64 =
                seen.clone().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
            assert_eq!(seen.count(), usize::from(symbols), "symbols at {place}");
            // p = 0.001 / 100 places, by Wilson and Hilferty.
            let freedom = f64::from(symbols) - 1.0;
            let limit = freedom
                * (1.0 - 2.0 / (9.0 * freedom) + 4.265 * (2.0 / (9.0 * freedom)).sqrt()).powi(3);
            assert!(chi < limit, "χ² {chi} at {place}, above {limit}");
        }
    }

    #[tokio::test]
    async fn nothing_of_a_token_is_shown() {
        let codec = codec().await;
        let token = codec.reference(Prefix::Access, FIRST, &SALT).unwrap();
        let opened = kept(codec.open(Prefix::Access, token.expose()).await.unwrap());
        let secret = format!("{:?}", opened.secret.0);
        let shown = format!("{opened:?} {codec:?} {token:?}");
        assert!(!shown.contains(&secret) && !shown.contains(&token.expose()[14..]));
    }

    proptest! {
        /// F16: no input panics.
        #[test]
        fn garbage_is_unknown(garbage in "(cs_(at|rt|ac)_(00c0ffee)?)?.{0,90}") {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let codec = Codec::new(World::known().await.replica().await);
                for prefix in Prefix::ALL {
                    let refused = codec.open(prefix, &garbage).await;
                    assert_eq!(refused.unwrap_err(), Denied::TokenUnknown);
                }
            });
        }
    }
}
