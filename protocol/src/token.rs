//! The token endpoint's answers ([RFC 6749 §5](https://www.rfc-editor.org/rfc/rfc6749#section-5)), as the provider
//! writes and the clients read them.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{error::Denied, scope::Scope, secret::Secret};

/// How an access token is presented ([§7.1](https://www.rfc-editor.org/rfc/rfc6749#section-7.1)).
///
/// A client must not use a token whose type it does not know, so an unknown one does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// Whoever holds it may use it ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
    Bearer,
}

impl TokenType {
    /// The word for `token_type`, which is the scheme of the `Authorization` header too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
        }
    }

    /// Reads the word, whose case does not matter ([§5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
    pub fn parse(word: &str) -> Option<Self> {
        word.eq_ignore_ascii_case("bearer").then_some(Self::Bearer)
    }
}

impl Serialize for TokenType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TokenType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&word).ok_or_else(|| de::Error::custom("the token type is unknown"))
    }
}

/// A successful answer ([§5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)). Members that are `None` are not
/// written; members that it does not know are not read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret,
    /// How to present it.
    pub token_type: TokenType,
    /// Seconds that the access token lives, counted from the answer.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "seconds")]
    pub expires_in: Option<u64>,
    /// The refresh token. Absent in the answer to a refresh, the one that was sent goes on
    /// ([§6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// The scope granted. Absent it is the one asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// A refusal ([§5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)), at the token endpoint and wherever else
/// OAuth answers JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// The registered word, e.g. `invalid_grant`.
    pub error: Cow<'static, str>,
    /// What went wrong, for the developer who reads a log. A foreign provider may write anything here: see
    /// [`ErrorResponse::printable`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<Cow<'static, str>>,
}

impl ErrorResponse {
    /// Code and description in the characters that
    /// [§5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) allows, at most 200 of each: fit for a terminal or a
    /// log, whoever wrote them.
    pub fn printable(&self) -> Self {
        Self {
            error: clean(&self.error).into(),
            error_description: self.error_description.as_deref().map(|text| clean(text).into()),
        }
    }
}

impl ErrorResponse {
    /// It as [printable](Self::printable) text, for a build without the machinery of [`fmt`].
    pub fn text(&self) -> String {
        let Self { error, error_description } = self.printable();
        let mut text = error.into_owned();
        if let Some(description) = error_description {
            text.push_str(": ");
            text.push_str(&description);
        }
        text
    }
}

impl From<&Denied> for ErrorResponse {
    fn from(denied: &Denied) -> Self {
        Self {
            error: denied.code().as_str().into(),
            error_description: Some(match denied {
                Denied::ParameterTwice(_)
                | Denied::ParameterMissing(_)
                | Denied::ParameterMalformed(_) => denied.to_string().into(),
                _ => denied.description().into(),
            }),
        }
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The characters `%x20-21 / %x23-5B / %x5D-7E`.
fn clean(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).take(200).collect()
}

/// Seconds, also as providers write them that do not keep to a JSON integer: `"3600"`, `3600.0`.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(Seconds)
}

struct Seconds;

impl de::Visitor<'_> for Seconds {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(u64::try_from(value).unwrap_or(0)))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates: what is negative is 0, what is huge is the greatest"
    )]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value as u64))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        value.parse().map(Some).map_err(|_| E::custom("not a number of seconds"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TokenResponse, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn an_answer_is_written_without_the_members_it_lacks() {
        let answer = TokenResponse {
            access_token: "a".into(),
            token_type: TokenType::Bearer,
            expires_in: Some(600),
            refresh_token: None,
            scope: None,
        };
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"access_token":"a","token_type":"Bearer","expires_in":600}"#
        );
    }

    #[test]
    fn the_lifetime_is_read_however_it_is_written() {
        for (written, seconds) in [
            (r#","expires_in":3600"#, Some(3600)),
            (r#","expires_in":"3600""#, Some(3600)),
            (r#","expires_in":3600.9"#, Some(3600)),
            (r#","expires_in":-5"#, Some(0)),
            (r#","expires_in":null"#, None),
            ("", None),
        ] {
            let text = format!(r#"{{"access_token":"a","token_type":"bearer"{written}}}"#);
            assert_eq!(parse(&text).unwrap().expires_in, seconds, "{written}");
        }
        assert!(
            parse(r#"{"access_token":"a","token_type":"bearer","expires_in":"soon"}"#).is_err()
        );
    }

    #[test]
    fn a_token_of_an_unknown_type_is_not_taken() {
        assert!(parse(r#"{"access_token":"a","token_type":"mac"}"#).is_err());
        assert!(parse(r#"{"access_token":"a"}"#).is_err());
        assert!(parse(r#"{"access_token":"a","token_type":"BEARER"}"#).is_ok());
    }

    #[test]
    fn a_refusal_names_the_parameter_and_shows_no_control_characters() {
        let ours = ErrorResponse::from(&Denied::ParameterTwice("scope"));
        assert_eq!(ours.to_string(), "invalid_request: scope is given more than once");
        let theirs = ErrorResponse {
            error: "bad\x1b[2J".into(),
            error_description: Some(format!("<\"ü\n{}", "x".repeat(999)).into()),
        };
        let shown = theirs.to_string();
        assert!(shown.starts_with("bad[2J: <xxx") && shown.len() < 420, "{shown}");
    }
}
