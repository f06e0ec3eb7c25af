//! The mark that a carried token is revoked. It outlives the token by a little and is then forgotten.

use countersign_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{record::Document, store::Kind};

/// A revoked carried token; the record's id is the token's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When the token would have ended, and a little more.
    #[serde(rename = "exp")]
    pub expires: Timestamp,
}

impl Document for Revoked {
    const KIND: Kind = Kind::Revoked;

    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}
