//! Users: where they come from, what they prove themselves with, and what ends with them.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use countersign_protocol::{
    Denied, Secret, Subject,
    authorization::{Destination, Request},
    form::Form,
};
use countersign_provider::{
    Provider,
    authority::{Authority, Consented, NewPassword, NewUser, Peer, UserError},
    password::Cost,
    record::Records,
    session::Session,
    store::Page,
    users::{Account, ListedPassword, ListedUser, Profile, UserRecord, Users, users_fn},
};

use crate::{
    browser::{Browser, VERIFIER, az},
    harness::{Answer, ISSUER, Op, PASSWORD, id as client_id, secs, subject, text},
    people::{World, add, with_alice},
};

const ALL: Page = Page { after: None, size: 100 };

async fn try_at(op: &Op, name: &str, secret: &str) -> Answer {
    let pairs = [("grant_type", "password"), ("username", name), ("password", secret)];
    op.token("first", &pairs).await
}

async fn subject_of(op: &Op, answer: &Answer) -> String {
    let told = op.introspect(text(&answer.ok(), "access_token")).await;
    text(&told, "sub").to_owned()
}

/// An answer without what differs from one to the next: the date and the page's sealed flow and cookie.
fn told(answer: &Answer) -> (u16, Vec<String>, String) {
    let mut headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    let flow = answer.body.split_once("name=\"flow\" value=\"");
    let flow = flow.and_then(|(_, behind)| behind.split('"').next());
    let body = flow.map_or(answer.body.clone(), |flow| answer.body.replace(flow, "FLOW"));
    (answer.status.as_u16(), headers, body)
}

/// Alice, with the right password; others who cannot sign in, each for a reason of their own.
async fn those_who_cannot(op: &Op) -> [(&'static str, &'static str); 5] {
    add(op, "disabled").await;
    let authority = op.provider.authority();
    authority.disable_user("disabled", true).await.unwrap();
    let without = NewUser { password: NewPassword::Without, ..NewUser::new("without") };
    authority.add_user(without).await.unwrap();
    add(op, "deleted").await;
    authority.delete_user("deleted").await.unwrap();
    [
        ("unknown", PASSWORD),
        ("alice", "wrong password"),
        ("disabled", PASSWORD),
        ("without", PASSWORD),
        ("deleted", PASSWORD),
    ]
}

/// L9 at the token endpoint: one answer, one hash, the same reads and writes.
#[tokio::test]
async fn whoever_cannot_sign_in_costs_and_gets_the_same() {
    let (world, op) = with_alice().await;
    let mut seen = Vec::new();
    for (name, secret) in those_who_cannot(&op).await {
        let (answer, cost) = world.cost_of(&op, try_at(&op, name, secret)).await;
        answer.refused("invalid_grant");
        assert_eq!(cost[2], 1, "{name}: hashes");
        seen.push((told(&answer), cost));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

/// L9 at the page.
#[tokio::test]
async fn the_page_tells_nobody_who_has_an_account() {
    let (world, op) = with_alice().await;
    let mut seen = Vec::new();
    for (name, secret) in those_who_cannot(&op).await {
        let mut browser = Browser::new(&op);
        let page = browser.authorize(&az()).await;
        let (answer, cost) = world.cost_of(&op, browser.enter(&page, name, secret)).await;
        answer.page(400);
        assert_eq!(cost[2], 1, "{name}: hashes");
        let (status, headers, body) = told(&answer);
        seen.push((status, headers, body.replace(name, "NAME"), cost));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

/// L9: in a list of the configuration too.
#[tokio::test]
async fn a_listed_user_costs_the_same_as_an_unknown_one() {
    let world = World::new();
    let listed = ListedUser::new("alice", PASSWORD);
    let op = world.replica_with(|builder| builder.list_users([listed])).await;
    let (answer, unknown) = world.cost_of(&op, try_at(&op, "unknown", PASSWORD)).await;
    answer.refused("invalid_grant");
    let (answer, wrong) = world.cost_of(&op, try_at(&op, "alice", "wrong password")).await;
    answer.refused("invalid_grant");
    assert_eq!(unknown, wrong);
}

/// L11: 64 and 128 characters are taken, the 73rd byte counts, and so does what stands behind a NUL.
#[tokio::test]
async fn every_byte_of_a_password_counts() {
    let (_world, op) = with_alice().await;
    let authority = op.provider.authority();
    for (place, set) in ["x".repeat(64), "x".repeat(128), "x".repeat(72) + "b", "eight\0bb".into()]
        .into_iter()
        .enumerate()
    {
        let name = format!("user {place}");
        let user =
            NewUser { password: NewPassword::Given(set.clone().into()), ..NewUser::new(&name) };
        authority.add_user(user).await.unwrap();
        let mut other = set.clone();
        other.pop();
        other.push('c');
        try_at(&op, &name, &other).await.refused("invalid_grant");
        try_at(&op, &name, &set).await.ok();
    }
}

/// L11: an endless password is refused before anything is read or hashed, at both doors.
#[tokio::test]
async fn an_endless_password_is_refused_at_once() {
    let (world, op) = with_alice().await;
    let endless = "x".repeat(60_000);
    let (answer, cost) = world.cost_of(&op, try_at(&op, "alice", &endless)).await;
    answer.refused("invalid_request");
    assert_eq!(cost, [0, 0, 0]);
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    let (answer, cost) = world.cost_of(&op, browser.enter(&page, "alice", &endless)).await;
    answer.refused_on_a_page();
    assert_eq!(cost[1..], [0, 0]);
}

/// L11: what is too short or too long cannot be set.
#[tokio::test]
async fn an_unfit_password_cannot_be_set() {
    let (_world, op) = with_alice().await;
    let authority = op.provider.authority();
    for unfit in ["seven77", &"x".repeat(1025)] {
        let given = || NewPassword::Given(unfit.into());
        let user = NewUser { password: given(), ..NewUser::new("bob") };
        assert!(matches!(authority.add_user(user).await, Err(UserError::Password(_))));
        let set = authority.set_password("alice", given()).await;
        assert!(matches!(set, Err(UserError::Password(_))));
    }
    try_at(&op, "alice", PASSWORD).await.ok();
}

/// T19 and I3: each way to end a user's access ends the code, the refresh token, the access token and the session.
#[tokio::test]
async fn whatever_ends_a_users_access_ends_all_of_it() {
    for how in ["disable", "delete", "password", "revoke"] {
        let (world, op) = with_alice().await;
        add(&op, "bob").await;
        let bobs = try_at(&op, "bob", PASSWORD).await.ok();
        let direct = try_at(&op, "alice", PASSWORD).await.ok();
        let mut browser = Browser::alices(&op).await;
        let code = browser.authorize(&az()).await.code();
        let tokens = op.redeem("web", &code, VERIFIER).await.ok();
        let pending = browser.authorize(&az()).await.code();

        // Another process does it, on the same store.
        let elsewhere = world.replica().await;
        let authority = elsewhere.provider.authority();
        match how {
            "disable" => authority.disable_user("Alice", true).await.unwrap(),
            "delete" => authority.delete_user("Alice").await.unwrap(),
            "revoke" => authority.end_grants_of_user("Alice").await.unwrap(),
            _ => drop(authority.set_password("Alice", NewPassword::Generated).await.unwrap()),
        }
        // What a replica remembers is at most a second old.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;

        op.redeem("web", &pending, VERIFIER).await.refused("invalid_grant");
        op.refresh("web", text(&tokens, "refresh_token")).await.refused("invalid_grant");
        op.refresh("first", text(&direct, "refresh_token")).await.refused("invalid_grant");
        for token in [&tokens, &direct] {
            let told = op.introspect(text(token, "access_token")).await;
            assert_eq!(told, serde_json::json!({ "active": false }), "{how}");
        }
        browser.authorize(&az().with("prompt", "none")).await.redirects_error("login_required");
        let entered = try_at(&op, "alice", PASSWORD).await;
        match how {
            "revoke" => drop(entered.ok()),
            _ => entered.refused("invalid_grant"),
        }
        let told = op.introspect(text(&bobs, "access_token")).await;
        assert_eq!(told["active"], true, "{how}");
    }
}

/// What a replica remembers may be older than a grant that another one made: it must not be refused for that.
#[tokio::test]
async fn what_began_anew_at_one_replica_holds_at_the_other_at_once() {
    let (world, here) = with_alice().await;
    let there = world.replica().await;
    let before = try_at(&here, "alice", PASSWORD).await.ok();
    let old = text(&before, "access_token");
    assert_eq!(here.introspect(old).await["active"], true);
    let machine = [("grant_type", "client_credentials")];
    here.token("svc", &machine).await.ok();

    let authority = there.provider.authority();
    authority.end_grants_of_user("alice").await.unwrap();
    authority.end_grants_of_client(&client_id("svc")).await.unwrap();
    let after = try_at(&there, "alice", PASSWORD).await.ok();
    let machine = there.token("svc", &machine).await.ok();
    for kept_or_carried in [&after, &machine] {
        let told = here.introspect(text(kept_or_carried, "access_token")).await;
        assert_eq!(told["active"], true);
    }
    here.refresh("first", text(&after, "refresh_token")).await.ok();
    assert_eq!(here.introspect(old).await["active"], false);
}

/// T19: switched on again, a user begins anew; what they held stays dead.
#[tokio::test]
async fn a_user_who_was_disabled_begins_anew() {
    let (_world, op) = with_alice().await;
    let before = try_at(&op, "alice", PASSWORD).await.ok();
    let authority = op.provider.authority();
    authority.disable_user("alice", true).await.unwrap();
    authority.disable_user("alice", false).await.unwrap();
    try_at(&op, "alice", PASSWORD).await.ok();
    op.refresh("first", text(&before, "refresh_token")).await.refused("invalid_grant");
}

/// A name that was deleted and given again is somebody else's.
#[tokio::test]
async fn a_new_user_of_an_old_name_is_somebody_else() {
    let (_world, op) = with_alice().await;
    let first = subject_of(&op, &try_at(&op, "alice", PASSWORD).await).await;
    op.provider.authority().delete_user("alice").await.unwrap();
    add(&op, "alice").await;
    let second = subject_of(&op, &try_at(&op, "alice", PASSWORD).await).await;
    assert_ne!(first, second);
    assert!(!first.contains("alice") && first.len() == 22, "{first}");
}

/// Two processes add one name at once, in two spellings: one of them does.
#[tokio::test]
async fn of_two_who_add_one_name_one_does() {
    let world = World::new();
    let (one, other) = (world.replica().await, world.replica().await);
    let add = |op: &Op, name: &str| {
        let authority = op.provider.authority().clone();
        let user = NewUser::new(name);
        async move { authority.add_user(user).await }
    };
    let (one, other) = tokio::join!(add(&one, "alice"), add(&other, "Alice "));
    assert!(one.is_ok() != other.is_ok());
    let refused = one.err().or(other.err()).unwrap();
    assert!(matches!(refused, UserError::Exists(_)), "{refused}");
}

#[tokio::test]
async fn a_user_is_added_shown_listed_changed_and_deleted() {
    let (_world, op) = with_alice().await;
    let authority = op.provider.authority();
    let new =
        NewUser { email: Some("bob@shop.example".into()), admin: true, ..NewUser::new(" Bob") };
    let added = authority.add_user(new).await.unwrap();
    let generated = added.password.unwrap();
    assert_eq!(generated.expose().len(), 24);
    try_at(&op, "bob", generated.expose()).await.ok();

    let shown = authority.show_user("BOB").await.unwrap();
    assert_eq!(shown, added.user);
    assert_eq!(shown.profile.username, "Bob");
    assert_eq!(shown.profile.email.as_deref(), Some("bob@shop.example"));
    assert!(shown.profile.admin && shown.has_password && !shown.disabled);
    assert_eq!(shown.created, Some(op.clock.now()));

    let (users, next) = authority.list_users(ALL).await.unwrap();
    let names: Vec<_> = users.iter().map(|user| &*user.profile.username).collect();
    assert_eq!((names, next), (vec!["alice", "Bob"], None));

    let renewed = authority.set_password("bob", NewPassword::Generated).await.unwrap();
    try_at(&op, "bob", renewed.unwrap().expose()).await.ok();
    authority.disable_user("bob", true).await.unwrap();
    assert!(authority.show_user("bob").await.unwrap().disabled);
    authority.delete_user("bob").await.unwrap();
    let gone = authority.show_user("bob").await.unwrap_err();
    assert_eq!(gone.to_string(), "no user bob is known; `user list` shows those that are");
}

#[tokio::test]
async fn what_cannot_be_done_says_what_to_do() {
    let world = World::new();
    let listed = ListedUser::new("Carol", PASSWORD);
    let op = world.replica_with(|builder| builder.list_users([listed])).await;
    let authority = op.provider.authority();
    let unknown = authority.disable_user("nobody", true).await;
    assert!(matches!(unknown, Err(UserError::Unknown(_))));
    let configured = authority.delete_user("carol").await;
    assert!(matches!(configured, Err(UserError::Configured(_))));
    let configured = authority.set_password("carol", NewPassword::Generated).await;
    assert!(matches!(configured, Err(UserError::Configured(_))));
    let taken = authority.add_user(NewUser::new("carol")).await;
    assert!(matches!(taken, Err(UserError::Exists(_))));
    let nameless = authority.add_user(NewUser::new("\n")).await;
    assert!(matches!(nameless, Err(UserError::Name)));
    for email in ["bob", "bob@", "@shop", "b b@shop"] {
        let user = NewUser { email: Some(email.into()), ..NewUser::new("bob") };
        assert!(matches!(authority.add_user(user).await, Err(UserError::Email)), "{email}");
    }
}

/// A user of the configuration can be switched off from the command line all the same.
#[tokio::test]
async fn a_listed_user_can_be_switched_off() {
    let world = World::new();
    let listed = ListedUser::new("Carol", PASSWORD);
    let op = world.replica_with(|builder| builder.list_users([listed])).await;
    assert_eq!(subject_of(&op, &try_at(&op, "CAROL", PASSWORD).await).await, "carol");
    op.provider.authority().disable_user("carol", true).await.unwrap();
    try_at(&op, "carol", PASSWORD).await.refused("invalid_grant");
    let (users, _) = op.provider.authority().list_users(ALL).await.unwrap();
    assert!(users[0].disabled && users[0].created.is_none());
}

/// A hash that was made when hashes cost less is made anew at the next sign-in, and signing in goes on.
#[tokio::test]
async fn a_cheap_hash_is_made_anew_at_the_next_sign_in() {
    let (world, _) = with_alice().await;
    let dearer = Cost::new(128, 1, 1).unwrap();
    let op = world.replica_with(|builder| builder.password_cost(dearer)).await;
    let records = Records::new(world.store.clone(), ISSUER.into(), world.clock.clone());
    let hash =
        || async { records.load::<UserRecord>("alice").await.unwrap().unwrap().password.unwrap() };
    try_at(&op, "alice", "wrong password").await.refused("invalid_grant");
    assert!(hash().await.expose().contains("$m=64,"));
    let tokens = try_at(&op, "alice", PASSWORD).await.ok();
    assert!(hash().await.expose().contains("$m=128,"));
    try_at(&op, "alice", PASSWORD).await.ok();
    op.refresh("first", text(&tokens, "refresh_token")).await.ok();
}

/// A user whose access is ended at the very moment at which the password is looked at.
#[derive(Default)]
struct Overtaken(Arc<OnceLock<Authority>>);

#[async_trait]
impl Users for Overtaken {
    async fn authenticate(&self, name: &str, _: &Secret) -> Result<Option<Subject>, Denied> {
        let authority = self.0.get().unwrap();
        authority.end_grants_of_user(name).await.unwrap();
        Ok(Some(subject(name)))
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied> {
        Ok(Some(Profile::new(subject.as_str())))
    }

    async fn account(&self, name: &str) -> Result<Option<Account>, Denied> {
        Ok(Some(Account { name: name.to_owned(), subject: subject(name) }))
    }
}

/// T19: who slips in with an old password while it is changed holds nothing.
#[tokio::test]
async fn a_sign_in_that_is_overtaken_by_a_revocation_yields_nothing_alive() {
    let world = World::new();
    let users = Overtaken::default();
    let authority = users.0.clone();
    let op = world.replica_with(|builder| builder.users(users)).await;
    authority.set(op.provider.authority().clone()).ok().unwrap();
    let tokens = try_at(&op, "alice", PASSWORD).await.ok();
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!(told["active"], false);
    op.refresh("first", text(&tokens, "refresh_token")).await.refused("invalid_grant");

    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    browser.enter(&page, "alice", PASSWORD).await.goes_to("/oauth/authorize");
    browser.authorize(&az().with("prompt", "none")).await.redirects_error("login_required");
}

/// T19: what a session agrees to at the moment at which it is ended ends with it.
#[tokio::test]
async fn a_consent_that_is_overtaken_by_a_revocation_yields_nothing_alive() {
    let (_world, op) = with_alice().await;
    Browser::alices(&op).await;
    let records = Records::new(op.store.clone(), ISSUER.into(), op.clock.clone());
    let (sessions, _) = records.list::<Session>(None, ALL).await.unwrap();
    let (id, session) = &sessions[0];
    let authority = op.provider.authority();
    authority.end_grants_of_user("alice").await.unwrap();

    let web = authority.client(&client_id("web")).await.unwrap().unwrap();
    let query = az().query();
    let form = Form::parse(query.as_bytes()).unwrap();
    let destination = Destination::find(&form, &web).unwrap();
    let request = Request::check(&form, &web, destination, authority.policy()).unwrap();
    let code = authority
        .consent(Consented {
            grant: authority.new_grant_id(),
            request: &request,
            subject: &session.subject,
            session: Some(id.parse().unwrap()),
            auth_time: session.auth_time,
            flow_ends: op.clock.now() + secs(600),
        })
        .await
        .unwrap();
    op.redeem("web", code.expose(), VERIFIER).await.refused("invalid_grant");
}

/// Seed S0: users from a list, with names and passwords, or with hashes.
#[tokio::test]
async fn seed_s0_users_from_a_list() {
    let world = World::new();
    let hashed = ListedUser {
        password: ListedPassword::Hash(
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".into(),
        ),
        subject: Some(subject("user-7")),
        ..ListedUser::new("bob", "")
    };
    let list = [ListedUser::new("alice", PASSWORD), hashed];
    let op = world.replica_with(|builder| builder.list_users(list)).await;
    assert_eq!(subject_of(&op, &try_at(&op, "alice", PASSWORD).await).await, "alice");
    assert_eq!(subject_of(&op, &try_at(&op, "bob", "password").await).await, "user-7");
    try_at(&op, "alice", "password").await.refused("invalid_grant");
    let refreshed = try_at(&op, "alice", PASSWORD).await.ok();
    op.refresh("first", text(&refreshed, "refresh_token")).await.ok();
    // The records go on beside the list.
    add(&op, "dave").await;
    try_at(&op, "dave", PASSWORD).await.ok();
}

#[tokio::test]
async fn a_list_that_does_not_hold_together_is_refused_at_the_start() {
    let hash = |hash: &str| ListedUser {
        password: ListedPassword::Hash(hash.into()),
        ..ListedUser::new("bob", "")
    };
    let alice = |name: &str| ListedUser::new(name, PASSWORD);
    for (list, reason) in [
        (vec![alice("alice"), alice("ALICE")], "stands there twice"),
        (vec![alice("")], "a name has 1 to 255 bytes"),
        (vec![ListedUser::new("bob", "short")], "at least 8 characters"),
        (vec![hash("$2b$12$abcdefghijklmnopqrstuv")], "not an Argon2 hash"),
    ] {
        let built = Provider::builder(ISSUER)
            .password_cost(Cost::new(64, 1, 1).unwrap())
            .list_users(list)
            .build()
            .await;
        let error = built.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// Seed S0: users from a callback that says whose name and password are.
#[tokio::test]
async fn seed_s0_users_from_a_closure() {
    let world = World::new();
    let users = users_fn(|name, secret| async move {
        let right = name == "Ada" && secret.matches(&PASSWORD.into());
        Ok(right.then(|| subject("user 1815")))
    });
    let op = world.replica_with(|builder| builder.users(users)).await;
    assert_eq!(subject_of(&op, &try_at(&op, "Ada", PASSWORD).await).await, "user 1815");
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    browser.enter(&page, "Ada", "wrong password").await.page(400);
    browser.enter(&page, "Ada", PASSWORD).await.goes_to("/oauth/authorize");
    op.provider.authority().sign_in("Ada", &PASSWORD.into(), &Peer::default()).await.unwrap();
}
