//! Every path on one screen.

use axum::{
    Router,
    extract::FromRef,
    routing::{any, get},
};

use crate::{
    authority::Authority,
    http::{health, introspect, metadata, peer::Peers, revoke, token},
};

/// What the handlers need.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) authority: Authority,
    pub(crate) peers: Peers,
}

impl FromRef<Endpoints> for Authority {
    fn from_ref(endpoints: &Endpoints) -> Self {
        endpoints.authority.clone()
    }
}

impl FromRef<Endpoints> for Peers {
    fn from_ref(endpoints: &Endpoints) -> Self {
        endpoints.peers.clone()
    }
}

/// The provider's own paths, below the issuer.
pub(crate) fn below_issuer(endpoints: Endpoints) -> Router {
    Router::new()
        .route("/oauth/token", any(token::token))
        .route("/oauth/introspect", any(introspect::introspect))
        .route("/oauth/revoke", any(revoke::revoke))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .with_state(endpoints)
}

/// What belongs at the host's root: metadata, behind whose well-known name the issuer's path is appended
/// ([RFC 8414 §3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1)).
pub(crate) fn well_known(endpoints: Endpoints, issuer_path: &str) -> Router {
    let path = format!("/.well-known/oauth-authorization-server{issuer_path}");
    Router::new()
        .route(&path, get(metadata::metadata))
        .with_state(endpoints)
}
