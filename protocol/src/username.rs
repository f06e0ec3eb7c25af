//! The name that somebody signs in with, in its one spelling.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// A name in its one spelling: compatibility forms folded (NFKC), lower case, no white space around.
///
/// `Alice`, `alice ` and full-width `ａｌｉｃｅ` are one account with one counter of attempts. Whoever keeps or looks up
/// people by name does it by this spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

impl Username {
    /// The most bytes of a name, before and after it is brought to its spelling.
    pub const MAX_BYTES: usize = 255;

    /// Takes a name of 1 to [`Self::MAX_BYTES`] bytes without control characters; `None` for any other.
    pub fn new(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.len() > Self::MAX_BYTES {
            return None;
        }
        let name = spell(name);
        let fits = (1..=Self::MAX_BYTES).contains(&name.len());
        (fits && !name.chars().any(char::is_control)).then_some(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Folding, lowering and trimming undo each other's work for a few characters: they are repeated until nothing moves.
fn spell(name: &str) -> String {
    let mut name = name.to_owned();
    for _ in 0..4 {
        let lower = name.nfkc().collect::<String>().to_lowercase();
        let next = lower.nfkc().collect::<String>().trim().to_owned();
        if next == name {
            break;
        }
        name = next;
    }
    name
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row L10: no spelling adds attempts.
    #[test]
    fn spellings_of_a_name_are_one_name() {
        for name in ["alice", "Alice", " alice ", "ALICE\u{3000}", "ａｌｉｃｅ", "\u{212b}"] {
            let spelled = Username::new(name).unwrap();
            let expected = if name == "\u{212b}" { "å" } else { "alice" };
            assert_eq!(spelled.as_str(), expected, "{name:?}");
        }
    }

    #[test]
    fn every_spelling_is_a_fixed_point() {
        // Nothing outside of these folds or has a case.
        let folding = (0..0x2_0000).chain(0x2_f800..0x2_fa20);
        for char in folding.filter_map(char::from_u32) {
            if let Some(name) = Username::new(&format!("a{char}b{char}")) {
                assert_eq!(Username::new(name.as_str()), Some(name), "{char:?}");
            }
        }
    }

    #[test]
    fn empty_endless_and_control_characters_are_no_names() {
        let long = "a".repeat(256);
        for name in ["", "  ", "a\0b", "a\r\nb", &long] {
            assert_eq!(Username::new(name), None, "{name:?}");
        }
        // One character that NFKC makes eighteen of.
        assert_eq!(Username::new(&"\u{fdfa}".repeat(80)), None);
    }
}
