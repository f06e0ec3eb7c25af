//! T27: after every flow nothing usable lies in the store or stands in the log, however much is logged.

use std::fs;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use countersign_protocol::form;
use countersign_tests::{PASSWORD, Server, Visitor, endpoint::By, server::Setup, visitor::Asking};
use url::Url;

const REDIRECT: &str = "https://shop.test/callback";

/// Everything that is worth stealing, by name.
type Secrets = Vec<(&'static str, String)>;

/// T27.
#[tokio::test]
async fn nothing_usable_lies_in_the_store_or_stands_in_the_log() {
    let mut server = Setup::new().args(&["--log", "trace"]).start().await;
    let secrets = go_through_everything(&server).await;
    // Where the log does not show what happened, its silence proves nothing.
    let log = server.log();
    assert!(log.contains(" DEBUG ") && log.contains("/oauth/token"), "nothing is logged: {log}");

    let mut places = vec![("the log".to_owned(), log.into_bytes())];
    places.push(("what it prints".to_owned(), server.output().into_bytes()));
    // As it lies while the server runs, its log unfolded, and as it lies after its end.
    places.extend(store(&server));
    server.terminate();
    server.wait();
    places.extend(store(&server));
    assert!(places.iter().any(|place| holds(&place.1, b"alice")), "the store was not found");
    for (name, secret) in &secrets {
        assert!(secret.len() >= 16, "{name} is {secret:?}");
        for (place, bytes) in &places {
            for form in forms(secret) {
                assert!(!holds(bytes, form.as_bytes()), "{place} shows {name}: {form}");
            }
        }
    }
    assert!(secrets.len() >= 16, "{secrets:?}");
}

/// Code, refresh, password, client credentials, introspection, revocation, sign-out; what is refused as well.
async fn go_through_everything(server: &Server) -> Secrets {
    server.add_user("alice");
    server.add_client(&[
        "--id",
        "shop",
        "--redirect-uri",
        REDIRECT,
        "--scope",
        "profile",
        "--rotate",
        "always",
        "--grant",
        "authorization_code",
        "--grant",
        "refresh_token",
        "--grant",
        "password",
        "--public",
    ]);
    let secret = server.add_client(&["--id", "service", "--scope", "profile", "--introspect"]);
    let (shop, service) = (By::Public("shop"), By::Basic("service", &secret));
    let oauth = server.endpoints();
    let mut secrets =
        vec![("the password", PASSWORD.to_owned()), ("a client's secret", secret.clone())];

    let asking = Asking::of(server.issuer(), "shop", REDIRECT, "profile");
    let visitor = Visitor::new();
    let code = visitor.code(&asking, "alice").await;
    let issuer = Url::parse(server.issuer()).unwrap();
    for cookie in visitor.cookies(&issuer).split("; ") {
        secrets.push(("a cookie", cookie.split_once('=').unwrap().1.to_owned()));
    }
    secrets.push(("the verifier", asking.verifier.expose().to_owned()));
    let redemption = asking.redemption(&code);
    let tokens = oauth.token(shop, &redemption).await.well();
    let refreshed = oauth.refresh(shop, &tokens.text("refresh_token")).await.well();
    let by_password = oauth.password(shop, "alice").await.well();
    let form = [("grant_type", "client_credentials")];
    let of_service = oauth.token(service, &form).await.well();
    for answer in [&tokens, &refreshed, &by_password, &of_service] {
        secrets.push(("an access token", answer.text("access_token")));
        if answer.json().get("refresh_token").is_some() {
            secrets.push(("a refresh token", answer.text("refresh_token")));
        }
        assert!(oauth.is_active(service, &answer.text("access_token")).await);
    }
    // Refused: again, by the wrong one, in the wrong place.
    let again = oauth.token(shop, &redemption).await;
    assert_eq!(again.text("error"), "invalid_grant");
    secrets.push(("the code", code));
    let wrong = "a wrong password that somebody typed";
    let form = [("grant_type", "password"), ("username", "alice"), ("password", wrong)];
    assert_eq!(oauth.token(shop, &form).await.text("error"), "invalid_grant");
    secrets.push(("a wrong password", wrong.to_owned()));
    let in_query =
        format!("/oauth/token?password={}&code=cs_ac_in_the_query", "typed-into-the-address");
    oauth.get(&in_query).await;
    oauth.get(&format!("/oauth/authorize{}", &in_query[12..])).await;
    secrets.push(("a password in an address", "typed-into-the-address".to_owned()));
    secrets.push(("a code in an address", "cs_ac_in_the_query".to_owned()));
    oauth.revoke(shop, &by_password.text("refresh_token")).await.well();

    let out = Url::parse(&format!("{}/oauth/logout", server.issuer())).unwrap();
    let page = visitor.visit(&out).await.unwrap().page();
    visitor.fill(&page, &[("answer", "yes")]).await.unwrap().page();
    secrets
}

/// Every file of the data folder but the master key, which stands beside the store on purpose.
fn store(server: &Server) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(server.data()).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.file_name().unwrap() != "master.key")
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

/// A secret as it might be written: as it is, in a form, in base64, in hex, and what a base64 secret stands for.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![
        secret.to_owned(),
        form::encode([("", secret)])[1..].to_owned(),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        hex(bytes),
    ];
    let inner = secret.rsplit('_').next().unwrap_or_default();
    if let Ok(inner) = URL_SAFE_NO_PAD.decode(inner)
        && inner.len() >= 16
    {
        forms.extend([hex(&inner), STANDARD.encode(&inner), URL_SAFE.encode(&inner)]);
    }
    forms
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
