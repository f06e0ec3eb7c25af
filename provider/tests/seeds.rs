//! What the users of five older libraries could do, and can do here: the rows that no endpoint's file has.

use countersign_protocol::{Denied, Subject, client::GrantType, policy::Policy};
use countersign_provider::{
    Endpoint, Paths, Provider,
    clock::Clock,
    users::{ListedUser, users_fn},
};

use crate::harness::{ISSUER, Op, PASSWORD, START, clients, id, post, subject, text};

const SIGN_IN: [(&str, &str); 3] =
    [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];

/// Seed S0: the token endpoint at any path; what moves is announced, what is switched off is gone.
#[tokio::test]
async fn seed_every_endpoint_mounts_anywhere_or_is_switched_off() {
    let paths = Paths::default().mount(Endpoint::Token, "/login").without(Endpoint::Introspect);
    let op = Op::with(|builder| builder.paths(paths)).await;
    let metadata = op.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["token_endpoint"], "https://op.test:9443/login");
    assert!(metadata.get("introspection_endpoint").is_none());
    let tokens = op.post("/login", "svc", &[("grant_type", "client_credentials")]).await;
    assert!(tokens.ok()["access_token"].is_string());
    assert_eq!(op.get("/oauth/token").await.status, 404);
    assert_eq!(op.get("/oauth/introspect").await.status, 404);
}

#[tokio::test]
async fn an_endpoint_is_not_mounted_where_none_can_be() {
    for path in ["login", "/{x}", "/a b", ""] {
        let paths = Paths::default().mount(Endpoint::Token, path);
        let built = Provider::builder("https://op.test").paths(paths);
        assert!(built.build().await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn two_endpoints_do_not_share_a_path() {
    for taken in ["/oauth/revoke", "/livez", "/readyz"] {
        let paths = Paths::default().mount(Endpoint::Token, taken);
        let built = Provider::builder("https://op.test").paths(paths);
        assert!(built.build().await.is_err(), "{taken}");
    }
    let swapped = Paths::default()
        .mount(Endpoint::Token, "/oauth/revoke")
        .mount(Endpoint::Revoke, "/oauth/token");
    assert!(Provider::builder("https://op.test").paths(swapped).build().await.is_ok());
}

/// Seed S0: users from a list.
#[tokio::test]
async fn seed_users_come_from_a_list() {
    let ada = ListedUser::new("ada", PASSWORD);
    let clock = Clock::fixed(START);
    let provider = Provider::builder(ISSUER)
        .clock(clock.clone())
        .clients(clients())
        .list_users([ada])
        .build()
        .await
        .unwrap();
    let router = provider.router();
    let op = Op { provider, clock, router, ..Op::start().await };
    let tokens = op.token("first", &SIGN_IN).await.ok();
    assert_eq!(op.introspect(text(&tokens, "access_token")).await["active"], true);
    let wrong = [SIGN_IN[0], SIGN_IN[1], ("password", "wrong")];
    op.token("first", &wrong).await.refused("invalid_grant");
}

/// Seed S0: users from a callback.
#[tokio::test]
async fn seed_users_come_from_a_callback() {
    let users = users_fn(|username, password| async move {
        let right = username == "ada" && password.matches(&PASSWORD.into());
        Ok::<_, Denied>(right.then(|| Subject::new("subject-of-ada")).flatten())
    });
    let op = Op::with(|builder| builder.users(users)).await;
    let tokens = op.token("first", &SIGN_IN).await.ok();
    assert_eq!(op.introspect(text(&tokens, "access_token")).await["sub"], "subject-of-ada");
}

/// Seed S0: signing out ends the token.
#[tokio::test]
async fn seed_signing_out_ends_the_token() {
    let op = Op::start().await;
    let alice = [SIGN_IN[0], ("username", "alice"), SIGN_IN[2]];
    let tokens = op.token("first", &alice).await.ok();
    let refresh = [("token", text(&tokens, "refresh_token"))];
    assert_eq!(op.post("/oauth/logout", "first", &refresh).await.status, 200);
    assert_eq!(op.introspect(text(&tokens, "access_token")).await["active"], false);
    op.refresh("first", refresh[0].1).await.refused("invalid_grant");
}

/// Seed S1's parent: every token of a user revoked at once, carried ones too.
#[tokio::test]
async fn seed_all_tokens_of_a_user_are_revoked_at_once() {
    let op = Op::start().await;
    let (web, public) = (op.tokens("web").await, op.tokens("pub").await);
    op.provider.authority().end_grants_of_subject(&subject("alice")).await.unwrap();
    for tokens in [&web, &public] {
        assert_eq!(op.introspect(text(tokens, "access_token")).await["active"], false);
    }
    op.refresh("web", text(&web, "refresh_token")).await.refused("invalid_grant");
}

/// Seed S2: each grant switched on or off, for the provider and for a client.
#[tokio::test]
async fn seed_grants_are_switched_on_and_off() {
    let machine = [("grant_type", "client_credentials")];
    let all = Op::start().await;
    all.token("svc", &machine).await.ok();
    all.token("web", &machine).await.refused("unauthorized_client");
    let grant_types = vec![GrantType::Password];
    let only_password = Op::with_policy(Policy { grant_types, ..Policy::default() }).await;
    only_password.token("svc", &machine).await.refused("unsupported_grant_type");
    let alice = [SIGN_IN[0], ("username", "alice"), SIGN_IN[2]];
    let tokens = only_password.token("first", &alice).await.ok();
    assert!(tokens.get("refresh_token").is_none());
}

/// Seed S2: client authentication by Basic and by body, as registered.
#[tokio::test]
async fn seed_clients_authenticate_by_basic_or_body() {
    let op = Op::start().await;
    for client in ["web", "post", "pub"] {
        assert!(op.tokens(client).await["refresh_token"].is_string(), "{client}");
    }
}

/// Seeds S1 and S2: clients created by an API, and what is set takes effect.
#[tokio::test]
async fn seed_a_client_is_registered_by_a_call() {
    let op = Op::start().await;
    let authority = op.provider.authority();
    let client = crate::harness::web("new");
    let registered = authority.register(client.clone(), None).await.unwrap();
    let secret = registered.secret.unwrap();
    assert!(authority.register(client, None).await.is_err(), "a name is taken once");
    let mut request = post("/oauth/introspect", "", &[("token", "x")]);
    let basic = crate::harness::basic("new", secret.expose()).parse().unwrap();
    request.headers_mut().insert(http::header::AUTHORIZATION, basic);
    assert_eq!(op.send(request).await.ok()["active"], false);
    authority.delete_client(&id("new")).await.unwrap();
    assert!(authority.client(&id("new")).await.unwrap().is_none());
}
