//! Every path on one screen.

use axum::{
    Router,
    extract::FromRef,
    middleware::map_response,
    routing::{any, get},
};

use crate::{
    authority::Authority,
    http::{
        authorize, consent,
        front::{self, Front},
        health, introspect, logout, metadata,
        peer::Peers,
        revoke,
        script::{self, FormClient},
        sign_in, token,
    },
    paths::Endpoint,
};

/// What the handlers need.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) authority: Authority,
    pub(crate) peers: Peers,
    pub(crate) front: Front,
    pub(crate) form_client: FormClient,
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

impl FromRef<Endpoints> for FormClient {
    fn from_ref(endpoints: &Endpoints) -> Self {
        endpoints.form_client.clone()
    }
}

impl FromRef<Endpoints> for Front {
    fn from_ref(endpoints: &Endpoints) -> Self {
        endpoints.front.clone()
    }
}

/// The provider's own paths, below the issuer.
pub(crate) fn below_issuer(endpoints: Endpoints) -> Router {
    let front = endpoints.front.clone();
    let at = [
        (
            Endpoint::Authorize,
            get(authorize::get)
                .post(authorize::post)
                // A HEAD must not do what a GET does here: it may make a grant.
                .head(authorize::head),
        ),
        (Endpoint::SignIn, get(front::lost).post(sign_in::post)),
        (Endpoint::Consent, get(front::lost).post(consent::post)),
        (Endpoint::Logout, get(logout::get).post(logout::post).options(logout::post)),
        (Endpoint::Token, any(token::token)),
        (Endpoint::Introspect, any(introspect::introspect)),
        (Endpoint::Revoke, any(revoke::revoke)),
    ];
    let router = at.into_iter().fold(health(), |router, (endpoint, handler)| {
        match front.paths().of(endpoint) {
            Some(path) => router.route(path, handler),
            None => router,
        }
    });
    let router = match front.paths().of(Endpoint::Script) {
        Some(path) => router.merge(script::beside(path)),
        None => router,
    };
    let router = router.with_state(endpoints);
    secure(router, front)
}

/// Whether the process lives and can serve: at the host's root too, where the issuer has a path.
pub(crate) fn health_at_root(endpoints: Endpoints) -> Router {
    let front = endpoints.front.clone();
    secure(health().with_state(endpoints), front)
}

fn health() -> Router<Endpoints> {
    Router::new().route("/livez", get(health::livez)).route("/readyz", get(health::readyz))
}

/// What belongs at the host's root: metadata, behind whose well-known name the issuer's path is appended
/// ([RFC 8414 §3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1)).
pub(crate) fn well_known(endpoints: Endpoints, issuer_path: &str) -> Router {
    let path = format!("/.well-known/oauth-authorization-server{issuer_path}");
    let front = endpoints.front.clone();
    let router = Router::new().route(&path, get(metadata::metadata)).with_state(endpoints);
    secure(router, front)
}

/// Every answer bears the headers that lock it down, also that there is nothing here.
pub(crate) fn secure(router: Router, front: Front) -> Router {
    router.layer(map_response(move |response| {
        let front = front.clone();
        async move { front.secure(response) }
    }))
}
