//! What the provider says of itself ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).

use axum::{extract::State, response::Response};
use countersign_protocol::{
    client::{AuthMethod, GrantType},
    discovery::Metadata,
    pkce,
};
use http::{HeaderValue, header};

use super::{answer, cors};
use crate::authority::Authority;

pub(crate) async fn metadata(State(authority): State<Authority>) -> Response {
    let mut response = answer::json(&of(&authority));
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    cors::allow_all(&mut response);
    response
}

/// What is on offer. It says nothing that a request would not find so.
pub(crate) fn of(authority: &Authority) -> Metadata {
    let at = |path: &str| Some(format!("{}{path}", authority.issuer()));
    let methods = |all: &[AuthMethod]| {
        all.iter()
            .map(|method| method.as_str().to_owned())
            .collect()
    };
    let confidential = &AuthMethod::ALL[1..];
    let code = authority.policy().offers(GrantType::AuthorizationCode);
    Metadata {
        issuer: authority.issuer().to_owned(),
        authorization_endpoint: at("/oauth/authorize").filter(|_| code),
        token_endpoint: at("/oauth/token"),
        revocation_endpoint: at("/oauth/revoke"),
        introspection_endpoint: at("/oauth/introspect"),
        end_session_endpoint: at("/oauth/logout"),
        response_types_supported: code.then(|| "code".to_owned()).into_iter().collect(),
        response_modes_supported: code.then(|| "query".to_owned()).into_iter().collect(),
        grant_types_supported: authority
            .policy()
            .grant_types
            .iter()
            .map(GrantType::to_string)
            .collect(),
        token_endpoint_auth_methods_supported: methods(&AuthMethod::ALL),
        revocation_endpoint_auth_methods_supported: methods(&AuthMethod::ALL),
        introspection_endpoint_auth_methods_supported: methods(confidential),
        code_challenge_methods_supported: code
            .then(|| pkce::METHOD.to_owned())
            .into_iter()
            .collect(),
        authorization_response_iss_parameter_supported: code,
        ..Metadata::default()
    }
}
