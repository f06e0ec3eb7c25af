//! Configuration: where it comes from, what goes before what, and how a mistake in it is told.

use std::fs;

use serde_json::json;
use tempfile::{TempDir, tempdir};

use super::process::{Server, command, json, refusal, refused, run};

fn with_file(text: &str) -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("c.toml"), text).unwrap();
    folder
}

fn refusal_of(text: &str) -> String {
    let line = refusal(&with_file(text), &["serve", "--config", "c.toml"]);
    line.strip_prefix("countersign: ").unwrap().to_owned()
}

#[test]
fn a_mistake_in_the_file_is_told_with_line_key_value_and_remedy() {
    for (text, line) in [
        (
            "\n[lifetimes]\ncode = \"5 parsec\"",
            "c.toml:3: lifetimes.code: \"5 parsec\" is no duration; write one such as 90s, 10min, 12h or 30days",
        ),
        (
            "rotate = \"sometimes\"",
            "c.toml:1: rotate: unknown variant `sometimes`, expected one of `public-bearer`, `always`, `never`",
        ),
        (
            "proxies = [\"10.0.0.0/8\", \"lan\"]",
            "c.toml:1: proxies[1]: \"lan\" is no network; write one such as 10.0.0.0/8 or a single address",
        ),
        (
            "[store]\nusers = \"memory:\"",
            "c.toml:2: store.users: \"users\" is no kind of record; the kinds are grant, revoked, client, user, subject, \
             session, consent, key, replay, limit",
        ),
        (
            "tls = \"always\"",
            "c.toml:1: tls: \"always\" is no way to speak TLS; write adhoc, or name files by tls_cert and tls_key",
        ),
        ("tls_cert = \"x.pem\"", "tls_cert and tls_key need one another; give both, or neither"),
        (
            "[lifetimes]\ncode = \"2min\"",
            "lifetimes.code must be at most 60s, for a code that lives long is found in logs",
        ),
        (
            "[[client]]\nid = \"a\"",
            "client a: it needs secret, secret_file or secret_hash, or public = true if it can keep none",
        ),
        (
            "[[user]]\nusername = \"ada\"",
            "user ada: give one of password, password_file and password_hash",
        ),
        (
            "issuer = \"http://id.example\"",
            "the issuer http://id.example is plain http and not on loopback; give an https URL, and TLS by --tls-cert \
             and --tls-key or by a proxy in front",
        ),
    ] {
        assert_eq!(refusal_of(text), line);
    }
}

#[test]
fn an_unknown_key_is_told_with_those_that_there_are() {
    let line = refusal_of("lissten = \"127.0.0.1:1\"");
    assert!(
        line.starts_with("c.toml:1: lissten: unknown field `lissten`, expected one of `listen`"),
        "{line}"
    );
    let line = refusal_of("[[client]]\nid = \"a\"\nredirect_uri = \"x\"");
    assert!(line.contains("c.toml:3") && line.contains("`redirect_uris`"), "{line}");
    assert!(refusal_of("listen = ").starts_with("c.toml:1: "));
}

/// A secret of the wrong type is not told.
#[test]
fn no_secret_of_the_file_is_told() {
    for text in [
        "[[client]]\nid = \"a\"\nsecret = 314159265",
        "[[user]]\nusername = \"a\"\npassword = 314159265",
        "[[user]]\nusername = \"a\"\npassword_hash = 314159265",
    ] {
        let line = refusal_of(text);
        assert!(line.contains("a secret is a text in quotes"), "{line}");
        assert!(!line.contains("314159265"), "{line}");
    }
    let folder = tempdir().unwrap();
    let line = refusal(&folder, &["serve", "--store", "oracle://scott:tiger@db/x"]);
    assert!(line.contains("oracle") && !line.contains("tiger"), "{line}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let line = refusal(&tempdir().unwrap(), &["serve", "--config", "none.toml"]);
    assert!(line.contains("none.toml") && line.contains("--config"), "{line}");
}

#[test]
fn a_mistake_in_the_environment_is_told_with_its_variable() {
    let folder = tempdir().unwrap();
    for (name, value, says) in [
        (
            "COUNTERSIGN_LISTEN",
            "here",
            "COUNTERSIGN_LISTEN in the environment: invalid socket address",
        ),
        (
            "COUNTERSIGN_DRAIN",
            "soon",
            "COUNTERSIGN_DRAIN in the environment: \"soon\" is no duration",
        ),
        (
            "COUNTERSIGN_LIFETIME",
            "code",
            "COUNTERSIGN_LIFETIME in the environment: \"code\" is no lifetime",
        ),
        ("COUNTERSIGN_TLS", "yes", "COUNTERSIGN_TLS in the environment: \"yes\" is no way"),
        ("COUNTERSIGN_DEMO", "maybe", "COUNTERSIGN_DEMO in the environment"),
    ] {
        let arguments = ["serve"];
        let output = command(&folder, &arguments).env(name, value).output();
        let line = refused(&arguments, &output.unwrap());
        assert!(line.contains(says), "{line}");
    }
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let text = "issuer = \"http://localhost:1/file\"\ndata = \"file\"\nstore = \"memory:\"";
    let folder = with_file(text);
    let start = |flags: &[&str], variable: Option<&str>| {
        let arguments = ["serve", "--json", "--listen", "127.0.0.1:0", "--config", "c.toml"];
        let arguments = [&arguments, flags].concat();
        let mut command = command(&folder, &arguments);
        command.envs(variable.map(|value| ("COUNTERSIGN_ISSUER", value)));
        Server::spawn(command).issuer().to_owned()
    };
    let flag = ["--issuer", "http://localhost:1/flag"];
    let variable = Some("http://localhost:1/variable");
    assert_eq!(start(&[], None), "http://localhost:1/file");
    assert_eq!(start(&[], variable), "http://localhost:1/variable");
    assert_eq!(start(&flag, variable), "http://localhost:1/flag");
    assert!(!folder.path().join("file").exists());
}

#[test]
fn clients_and_users_of_the_file_work_on_any_engine() {
    let folder = with_file(
        "store = \"memory:\"\n\
         [[client]]\nid = \"svc\"\nsecret_file = \"secret\"\nscope = \"a b\"\n\
         [[client]]\nid = \"app\"\npublic = true\ngrants = [\"password\"]\nscope = [\"a\"]\n\
         [[user]]\nusername = \"ada\"\npassword = \"analytical engine\"\nsubject = \"u-1\"\n",
    );
    fs::write(folder.path().join("secret"), "correct-horse\n").unwrap();
    let server = Server::start(&folder, &["--config", "c.toml"]);
    let basic = "authorization: Basic c3ZjOmNvcnJlY3QtaG9yc2U=";
    let granted = server.post("/oauth/token", &[basic], "grant_type=client_credentials");
    assert_eq!(granted.json()["scope"], "a b");
    let form = "grant_type=password&client_id=app&username=ada&password=analytical+engine";
    assert_eq!(server.post("/oauth/token", &[], form).status, 200);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn what_stands_in_the_file_is_changed_there() {
    let folder = with_file(
        "[[client]]\nid = \"svc\"\nsecret = \"x\"\n[[user]]\nusername = \"ada\"\npassword = \"analytical engine\"",
    );
    let config = ["--config", "c.toml"];
    let listed = json(&folder, &[&["client", "list"][..], &config].concat());
    assert_eq!(listed[0]["client_id"], "svc");
    assert_eq!(listed[0]["grant_types"], json!(["client_credentials"]));
    for command in [
        &["client", "delete", "svc"][..],
        &["client", "rotate-secret", "svc"],
        &["user", "delete", "ada"],
        &["user", "password", "ada"],
    ] {
        let line = refusal(&folder, &[command, &config].concat());
        assert!(line.contains("stands in the configuration"), "{line}");
    }
    let off = [&["client", "disable", "svc"][..], &config].concat();
    assert!(run(&folder, &off).status.success());
}

/// Seed S0: the token endpoint at any path.
#[test]
fn seed_an_endpoint_is_mounted_elsewhere_or_switched_off() {
    let text = "store = \"memory:\"\n[paths]\ntoken = \"/login\"\nintrospect = false";
    let folder = with_file(text);
    let server = Server::start(&folder, &["--config", "c.toml"]);
    assert_eq!(server.post("/login", &[], "grant_type=password").status, 401);
    assert_eq!(server.post("/oauth/token", &[], "").status, 404);
    assert_eq!(server.post("/oauth/introspect", &[], "").status, 404);
    let metadata = server.get("/.well-known/oauth-authorization-server", &[]).json();
    let login = format!("{}/login", server.issuer());
    assert_eq!(metadata["token_endpoint"], login);
    assert!(metadata.get("introspection_endpoint").is_none());
    assert!(refusal_of("[paths]\ntoken = 5").contains("c.toml:2: paths.token: "));
    assert!(refusal_of("[paths]\ntoken = \"login\"").contains("login"));
}

/// The policy of the provider is set by flag, variable or file.
#[test]
fn what_is_on_offer_can_be_set() {
    let folder = tempdir().unwrap();
    let server = Server::start(
        &folder,
        &["--grant-types", "client_credentials", "--lifetime", "client_credentials=2min"],
    );
    json(&folder, &["client", "add", "--id", "svc"]);
    let metadata = server.get("/.well-known/oauth-authorization-server", &[]).json();
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    let secret = json(&folder, &["client", "rotate-secret", "svc"])["client_secret"].clone();
    let secret = secret.as_str().unwrap();
    let form = format!("grant_type=client_credentials&client_id=svc&client_secret={secret}");
    let refused = server.post("/oauth/token", &[], &form);
    assert_eq!(refused.status, 401, "it is registered for the header");
    json(&folder, &["client", "add", "--id", "post", "--auth", "client_secret_post"]);
    let secret = json(&folder, &["client", "rotate-secret", "post"])["client_secret"].clone();
    let secret = secret.as_str().unwrap();
    let form = format!("grant_type=client_credentials&client_id=post&client_secret={secret}");
    let granted = server.post("/oauth/token", &[], &form).json();
    let life = granted["expires_in"].as_u64().unwrap();
    assert!((110..=120).contains(&life), "{granted}");
}
