//! Token introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use serde::{Deserialize, Serialize};

use crate::{
    client::Client,
    error::Denied,
    id::{ClientId, Subject},
    scope::Scope,
    token::TokenType,
};

/// What is told of a token ([§2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introspection {
    /// Whether it holds now. If not, nothing else is told.
    pub active: bool,
    /// What it allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The client that it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// How it is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<TokenType>,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// When it was issued, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The user; a client that acts for itself has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<Subject>,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}

impl Introspection {
    /// The answer for every token that does not hold, whatever the reason.
    pub const INACTIVE: Self = Self {
        active: false,
        scope: None,
        client_id: None,
        token_type: None,
        exp: None,
        iat: None,
        sub: None,
        iss: None,
    };
}

/// Whether a client may introspect: one that is registered for it, with credentials
/// ([§2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)). Any confidential client may ask about its own tokens.
pub fn check_caller(caller: &Client) -> Result<(), Denied> {
    if caller.is_public() { Err(Denied::ClientNotConfidential) } else { Ok(()) }
}

/// Whether this caller is told of a token of that client.
pub fn may_see(caller: &Client, issued_to: &ClientId) -> bool {
    caller.introspect || caller.client_id == *issued_to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{public, web};

    /// I3.
    #[test]
    fn an_inactive_answer_is_one_member() {
        let json = serde_json::to_string(&Introspection::INACTIVE).unwrap();
        assert_eq!(json, r#"{"active":false}"#);
    }

    /// I1.
    #[test]
    fn a_public_client_may_not_ask() {
        assert_eq!(check_caller(&public()), Err(Denied::ClientNotConfidential));
        assert_eq!(check_caller(&web()), Ok(()));
    }

    #[test]
    fn only_a_resource_server_sees_other_clients_tokens() {
        let other = public().client_id;
        assert!(!may_see(&web(), &other));
        assert!(may_see(&web(), &web().client_id));
        assert!(may_see(&Client { introspect: true, ..web() }, &other));
    }
}
