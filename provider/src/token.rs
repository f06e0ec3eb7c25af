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
