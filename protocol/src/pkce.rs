//! Proof key for code exchange ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)), `S256` alone.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{error::Denied, id, secret::Secret};

/// The only `code_challenge_method` there is ([§4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
pub const METHOD: &str = "S256";

/// A `code_challenge`: the SHA-256 of a verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Challenge(#[serde(with = "id::bytes")] [u8; 32]);

impl Challenge {
    /// Reads `code_challenge`, which must be the 43 characters of an SHA-256 in base64url.
    pub fn parse(text: &str) -> Result<Self, Denied> {
        let bytes = id::decode(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(Denied::ChallengeMalformed)
    }

    /// The 43 characters.
    pub fn text(&self) -> String {
        id::encode(&self.0)
    }

    /// Whether the verifier is the challenge's ([§4.6](https://www.rfc-editor.org/rfc/rfc7636#section-4.6)).
    pub fn verify(&self, verifier: &Secret) -> Result<(), Denied> {
        let own = Self(Sha256::digest(verifier.expose().as_bytes()).into());
        let matches: bool = self.0.ct_eq(&own.0).into();
        if is_verifier(verifier.expose()) && matches {
            Ok(())
        } else {
            Err(Denied::VerifierMismatch)
        }
    }
}

impl std::fmt::Display for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

/// A fresh `code_verifier` of 256 random bits, and its challenge.
pub fn pair(random: &[u8; 32]) -> (Secret, Challenge) {
    let verifier = Secret::new(id::encode(random));
    let challenge = Challenge(Sha256::digest(verifier.expose().as_bytes()).into());
    (verifier, challenge)
}

/// `code-verifier = 43*128unreserved` ([§4.1](https://www.rfc-editor.org/rfc/rfc7636#section-4.1)).
fn is_verifier(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_appendix_b_verifies() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge.verify(&verifier), Ok(()));
    }

    /// T6: each of these is refused.
    #[test]
    fn another_verifier_does_not() {
        let (verifier, challenge) = pair(&[9; 32]);
        let longer = format!("{}\n", verifier.expose());
        for wrong in ["", "x", &challenge.to_string(), &longer, &"a".repeat(42), &"a".repeat(129)] {
            assert_eq!(challenge.verify(&Secret::new(wrong)), Err(Denied::VerifierMismatch));
        }
    }

    /// A5: 42, 44 and 129 characters, padding and the other alphabet.
    #[test]
    fn a_challenge_is_43_characters_of_base64url() {
        let good = pair(&[9; 32]).1.to_string();
        for bad in
            [&good[..42], &format!("{good}A"), &"A".repeat(129), &format!("{}=", &good[..42])]
        {
            assert_eq!(Challenge::parse(bad), Err(Denied::ChallengeMalformed), "{bad}");
        }
        assert_eq!(Challenge::parse(&format!("+{}", &good[1..])), Err(Denied::ChallengeMalformed));
    }
}
