//! Scopes ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::Denied;

/// How many scope tokens a request may name. More is refused before anything is compared.
pub const MAX_TOKENS: usize = 100;

/// A set of scope tokens in the order in which they were asked for, each once. It may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

impl Scope {
    /// The tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// Whether it names no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens with a space between.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has this token.
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|own| own == token)
    }

    /// Whether all of `other` is in it.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.iter().all(|token| self.contains(token))
    }

    /// Its tokens that are in `other` too.
    pub fn within(&self, other: &Self) -> Self {
        self.iter().filter(|token| other.contains(token)).collect()
    }

    /// Its tokens and those of `other`.
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// Whether both name the same tokens, in whatever order.
    pub fn same_as(&self, other: &Self) -> bool {
        self.contains_all(other) && other.contains_all(self)
    }
}

impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        let mut kept: Vec<&str> = Vec::new();
        for token in tokens {
            if is_token(token) && !kept.contains(&token) {
                kept.push(token);
            }
        }
        Self(kept.join(" "))
    }
}

impl FromStr for Scope {
    type Err = Denied;

    /// `scope-token *( SP scope-token )`; more than one space between is taken as one.
    fn from_str(value: &str) -> Result<Self, Denied> {
        let tokens = || value.split(' ').filter(|token| !token.is_empty());
        if tokens().nth(MAX_TOKENS).is_some() || !tokens().all(is_token) {
            return Err(Denied::ScopeMalformed);
        }
        Ok(tokens().collect())
    }
}

impl TryFrom<String> for Scope {
    type Error = Denied;

    /// As it stands in a record, where a union may name more than [`MAX_TOKENS`].
    fn try_from(value: String) -> Result<Self, Denied> {
        if value.split(' ').all(|token| token.is_empty() || is_token(token)) {
            Ok(value.split(' ').collect())
        } else {
            Err(Denied::ScopeMalformed)
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn a_scope_keeps_its_order_and_each_token_once() {
        assert_eq!(scope("b a  b").as_str(), "b a");
        assert!(scope("a b").same_as(&scope("b a")));
        assert!(scope("").is_empty());
    }

    #[test]
    fn other_characters_and_too_many_tokens_are_refused() {
        for bad in ["a\"", "a\\", "ä", "a\tb", "a\n"] {
            assert_eq!(bad.parse::<Scope>(), Err(Denied::ScopeMalformed), "{bad:?}");
        }
        let many = (0..=MAX_TOKENS).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(many.parse::<Scope>(), Err(Denied::ScopeMalformed));
    }

    #[test]
    fn what_was_agreed_to_over_the_years_can_be_read_again() {
        let many = |from: usize| {
            let tokens = (from..from + MAX_TOKENS).map(|n| n.to_string());
            scope(&tokens.collect::<Vec<_>>().join(" "))
        };
        let union = many(0).union(&many(MAX_TOKENS));
        let json = serde_json::to_string(&union).unwrap();
        assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), union);
        assert!(serde_json::from_str::<Scope>(r#""a \ b""#).is_err());
    }

    #[test]
    fn sets_are_compared_by_token_not_by_substring() {
        assert!(!scope("administrator").contains("admin"));
        assert!(scope("a b c").contains_all(&scope("c a")));
        assert_eq!(scope("a b c").within(&scope("c d a")), scope("a c"));
        assert_eq!(scope("a b").union(&scope("b c")), scope("a b c"));
    }
}
