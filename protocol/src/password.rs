//! What a password may be ([NIST SP 800-63B-4 §3.1.1.2], [RFC 8265 §4.2.2]).
//!
//! Length is the only demand: no classes of characters, no expiry. Every character counts, NUL among them, and none is
//! cut off. Text that a keyboard may send in two spellings (a letter with its accent as one code point or as two) is
//! brought to one by NFC before it is hashed; compatibility forms (NFKC) stay apart.
//!
//! [NIST SP 800-63B-4 §3.1.1.2]: https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
//! [RFC 8265 §4.2.2]: https://www.rfc-editor.org/rfc/rfc8265#section-4.2.2

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::{Denied, Secret};

/// The fewest characters of a new password.
pub const MIN_CHARS: usize = 8;

/// The most bytes of any password. What is longer is refused before anything is computed from it.
pub const MAX_BYTES: usize = 1024;

/// Whether the password can be one at all: [`Denied::ParameterMalformed`] when it exceeds [`MAX_BYTES`].
pub fn check_length(password: &Secret) -> Result<(), Denied> {
    if password.expose().len() > MAX_BYTES {
        return Err(Denied::ParameterMalformed("password"));
    }
    Ok(())
}

/// The password as it is hashed: in NFC. [`Denied::ParameterMalformed`] when it exceeds [`MAX_BYTES`].
pub fn prepare(password: &Secret) -> Result<Secret, Denied> {
    check_length(password)?;
    // NFC makes at most three bytes of one; room for them at once leaves no partial copies behind in memory.
    let mut normal = String::with_capacity(3 * password.expose().len());
    normal.extend(password.expose().nfc());
    Ok(Secret::from(normal))
}

/// Whether the password may be set.
pub fn accept(password: &Secret) -> Result<(), Unfit> {
    let prepared = prepare(password).map_err(|_| Unfit::TooLong)?;
    if prepared.expose().chars().count() < MIN_CHARS {
        return Err(Unfit::TooShort);
    }
    Ok(())
}

/// Why a password cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Fewer than [`MIN_CHARS`] characters.
    TooShort,
    /// More than [`MAX_BYTES`] bytes.
    TooLong,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "the password needs at least {MIN_CHARS} characters"),
            Self::TooLong => write!(f, "the password must not exceed {MAX_BYTES} bytes"),
        }
    }
}

impl std::error::Error for Unfit {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row L11.
    #[test]
    fn length_is_the_only_demand() {
        let accepted = |length: usize| accept(&Secret::new("a".repeat(length)));
        assert_eq!(accepted(7), Err(Unfit::TooShort));
        for length in [8, 64, 128, 1024] {
            assert_eq!(accepted(length), Ok(()));
        }
        assert_eq!(accepted(1025), Err(Unfit::TooLong));
    }

    #[test]
    fn characters_count_not_bytes() {
        assert_eq!(accept(&Secret::new("ööööööö")), Err(Unfit::TooShort));
        assert_eq!(accept(&Secret::new("öööööööö")), Ok(()));
        // Eight code points, but four characters in NFC.
        assert_eq!(accept(&Secret::new("o\u{308}".repeat(4))), Err(Unfit::TooShort));
    }

    /// Row L11: the normalization is NFC, and a NUL is kept.
    #[test]
    fn two_spellings_of_one_text_are_one_password() {
        let prepared = |text: &str| prepare(&Secret::new(text)).unwrap().expose().to_owned();
        assert_eq!(prepared("Zu\u{308}rich"), prepared("Z\u{fc}rich"));
        assert_ne!(prepared("\u{fb01}sh"), prepared("fish"));
        assert_eq!(prepared("a\0b"), "a\0b");
    }

    /// Row L11.
    #[test]
    fn an_oversized_password_is_refused_before_any_work() {
        let refused = prepare(&Secret::new("a".repeat(1025))).map(drop);
        assert_eq!(refused, Err(Denied::ParameterMalformed("password")));
    }
}
