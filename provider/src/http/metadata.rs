//! What the provider says of itself ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).

use axum::{extract::State, response::Response};
use countersign_protocol::{
    client::{AuthMethod, GrantType},
    discovery::Metadata,
    pkce,
};
use http::{HeaderValue, header};

use super::{answer, cors, front::Front};
use crate::{
    authority::Authority,
    paths::{Endpoint, Paths},
};

pub(crate) async fn metadata(
    State(authority): State<Authority>,
    State(front): State<Front>,
) -> Response {
    let mut response = answer::json(&of(&authority, front.paths()));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    cors::allow_all(&mut response);
    response
}

/// What is on offer. It says nothing that a request would not find so.
pub(crate) fn of(authority: &Authority, paths: &Paths) -> Metadata {
    let at = |endpoint| Some(format!("{}{}", authority.issuer(), paths.of(endpoint)?));
    let methods =
        |all: &[AuthMethod]| all.iter().map(|method| method.as_str().to_owned()).collect();
    let confidential = &AuthMethod::ALL[1..];
    let code = authority.policy().offers(GrantType::AuthorizationCode);
    Metadata {
        issuer: authority.issuer().to_owned(),
        authorization_endpoint: at(Endpoint::Authorize).filter(|_| code),
        token_endpoint: at(Endpoint::Token),
        revocation_endpoint: at(Endpoint::Revoke),
        introspection_endpoint: at(Endpoint::Introspect),
        end_session_endpoint: at(Endpoint::Logout),
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
