//! `user`, `client`, `grant`, `key`, `completions`: answers, refusals, exit status.

use serde_json::json;
use tempfile::tempdir;

use super::process::{Server, encoded, json, refusal, refused, run, run_with};

#[test]
fn the_exit_status_is_2_for_a_command_line_that_makes_no_sense() {
    let folder = tempdir().unwrap();
    for arguments in [
        &["frobnicate"][..],
        &["client"],
        &["client", "add", "--auth", "trust-me"],
        &["grant", "revoke"],
        &["serve", "--listen", "here"],
    ] {
        let output = run(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
    assert!(run(&folder, &["--help"]).status.success());
    assert!(!folder.path().join("data").exists());
}

/// X8: a generated secret is shown once and kept as a hash.
#[test]
fn a_generated_secret_is_shown_once() {
    let folder = tempdir().unwrap();
    let added = json(&folder, &["client", "add", "--id", "svc", "--scope", "a b"]);
    let secret = added["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("cs_cs_") && secret.len() == 49);
    assert_eq!(added["grant_types"], json!(["client_credentials"]));
    let shown = json(&folder, &["client", "show", "svc"]);
    assert_eq!(shown["scope"], "a b");
    assert_eq!(shown["disabled"], false);
    assert_eq!(shown.get("secrets"), None);
    assert_eq!(shown.get("client_secret"), None);
    let words = String::from_utf8(run(&folder, &["client", "show", "svc"]).stdout).unwrap();
    assert!(words.contains("scope: a b") && !words.contains("secret: "), "{words}");
}

#[test]
fn a_client_is_described_by_flags() {
    let folder = tempdir().unwrap();
    let arguments = [
        "client",
        "add",
        "--id",
        "app",
        "--name",
        "The App",
        "--public",
        "--native",
        "--redirect-uri",
        "http://127.0.0.1/callback",
        "--redirect-uri",
        "com.example.app:/cb",
        "--scope",
        "profile",
        "--scope",
        "email",
        "--default-scope",
        "profile",
        "--origin",
        "https://app.example",
        "--first-party",
        "--keep-grants",
        "--rotate",
        "always",
        "--lifetime",
        "sliding",
        "--sessions-per-user",
        "one",
        "--access-token",
        "5min",
    ];
    let added = json(&folder, &arguments);
    let expected = json!({
        "client_id": "app",
        "client_name": "The App",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/callback", "com.example.app:/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "profile email",
        "default_scope": "profile",
        "origins": ["https://app.example"],
        "first_party": true,
        "keep_grants": true,
        "rotate": "always",
        "lifetime": "sliding",
        "sessions_per_user": "one",
        "lifetimes": { "access_token": 300 },
        "disabled": false,
    });
    assert_eq!(added, expected);
}

#[test]
fn what_does_not_hold_together_is_refused_with_the_remedy() {
    let folder = tempdir().unwrap();
    for (arguments, says) in [
        (&["client", "add", "--public", "--grant", "client_credentials"][..], "give it a secret"),
        (&["client", "add", "--public", "--auth", "client_secret_post"], "leave auth out"),
        (&["client", "add", "--redirect-uri", "http://web.example/cb"], "web.example"),
        (&["client", "add", "--grant", "authorization_code"], "needs a redirect URI"),
        (&["client", "show", "nobody"], "`client list` shows"),
        (&["client", "delete", "nobody"], "`client list` shows"),
        (&["user", "show", "nobody"], "`user list` shows"),
        (&["user", "add", "ada", "--email", "ada"], "e-mail"),
        (&["grant", "revoke", "nothing"], "`grant list` shows"),
    ] {
        let line = refusal(&folder, arguments);
        assert!(line.contains(says), "{arguments:?}: {line}");
    }
    let twice = ["client", "add", "--id", "svc"];
    assert!(run(&folder, &twice).status.success());
    assert!(refusal(&folder, &twice).contains("exists already"));
}

#[test]
fn a_secret_comes_by_standard_input_and_not_by_the_command_line() {
    let folder = tempdir().unwrap();
    let add = ["client", "add", "--id", "svc", "--secret-stdin", "--json"];
    let output = run_with(&folder, &add, "correct horse battery staple\n");
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("horse"));
    let output = run(&folder, &["client", "add", "--secret", "x"]);
    assert_eq!(output.status.code(), Some(2));
    let server = Server::start(&folder, &[]);
    let granted = server.post(
        "/oauth/token",
        &["authorization: Basic c3ZjOmNvcnJlY3QraG9yc2UrYmF0dGVyeStzdGFwbGU="],
        "grant_type=client_credentials",
    );
    assert_eq!(granted.status, 200, "{granted:?}");
    let nothing = run_with(&folder, &["client", "rotate-secret", "svc", "--secret-stdin"], "\n");
    assert!(refused(&["rotate-secret"], &nothing).contains("no secret"));
}

#[test]
fn users_are_added_switched_off_and_deleted_while_a_server_runs() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &[]);
    let app = ["client", "add", "--id", "app", "--public", "--grant", "password"];
    json(&folder, &app);
    let add = ["user", "add", "ada", "--password-stdin", "--email", "ada@example.org", "--json"];
    let output = run_with(&folder, &add, "analytical engine\n");
    assert!(output.status.success(), "{output:?}");
    let sign_in = |password: &str| {
        let password = encoded(password);
        let form = format!("grant_type=password&client_id=app&username=ada&password={password}");
        server.post("/oauth/token", &[], &form).status
    };
    assert_eq!(sign_in("analytical engine"), 200);
    assert_eq!(json(&folder, &["user", "list"])[0]["email"], "ada@example.org");

    assert!(run(&folder, &["user", "disable", "ada"]).status.success());
    assert_eq!(sign_in("analytical engine"), 400);
    assert_eq!(json(&folder, &["user", "show", "ada"])["disabled"], true);
    assert!(run(&folder, &["user", "enable", "ada"]).status.success());
    assert_eq!(sign_in("analytical engine"), 200);

    let changed = json(&folder, &["user", "password", "ada"]);
    assert_eq!(sign_in("analytical engine"), 400);
    assert_eq!(sign_in(changed["password"].as_str().unwrap()), 200);
    assert!(run(&folder, &["user", "delete", "ada"]).status.success());
    assert_eq!(json(&folder, &["user", "list"]), json!([]));
}

/// X8: nobody gets an account with a password that anybody knows.
#[test]
fn without_a_terminal_a_password_is_generated_and_shown_once() {
    let folder = tempdir().unwrap();
    let first = json(&folder, &["user", "add", "ada"]);
    let second = json(&folder, &["user", "add", "bob"]);
    assert!(first["password"].as_str().unwrap().len() >= 20);
    assert_ne!(first["password"], second["password"]);
    assert_eq!(json(&folder, &["user", "show", "ada"]).get("password"), None);
}

#[test]
fn grants_are_listed_and_revoked_while_a_server_runs() {
    let folder = tempdir().unwrap();
    let server = Server::start(&folder, &[]);
    let app = [
        "client",
        "add",
        "--id",
        "app",
        "--public",
        "--grant",
        "password",
        "--grant",
        "refresh_token",
    ];
    json(&folder, &app);
    let password = json(&folder, &["user", "add", "ada"])["password"].clone();
    let password = password.as_str().unwrap();
    let form = format!("grant_type=password&client_id=app&username=ada&password={password}");
    let token = server.post("/oauth/token", &[], &form).json()["refresh_token"].clone();
    let refresh = || {
        let token = token.as_str().unwrap();
        let form = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
        server.post("/oauth/token", &[], &form).status
    };
    let grants = json(&folder, &["grant", "list", "--client", "app"]);
    assert_eq!(grants[0]["holds"], true);
    assert_eq!(grants.as_array().unwrap().len(), 1);
    assert_eq!(refresh(), 200);
    let id = grants[0]["grant"].as_str().unwrap();
    json(&folder, &["grant", "revoke", id]);
    assert_eq!(refresh(), 400);
    let grants = json(&folder, &["grant", "list"]);
    assert_eq!(grants[0]["holds"], false);
}

#[test]
fn keys_are_listed_rotated_and_reset() {
    let folder = tempdir().unwrap();
    let first = json(&folder, &["key", "list"]);
    assert_eq!(first[0]["state"], "active");
    let next = json(&folder, &["key", "rotate"]);
    assert_eq!(next["state"], "next");
    assert_eq!(json(&folder, &["key", "list"]).as_array().unwrap().len(), 2);
    let reset = json(&folder, &["key", "reset"]);
    assert_eq!(reset.as_array().unwrap().len(), 1);
    assert_ne!(reset[0]["id"], first[0]["id"]);
}

#[test]
fn what_lives_in_memory_is_out_of_reach_and_the_remedy_is_said() {
    let folder = tempdir().unwrap();
    for command in [
        &["client", "list"][..],
        &["user", "add", "ada"],
        &["grant", "list"],
        &["key", "rotate"],
        &["key", "reset"],
    ] {
        let arguments = [command, &["--store", "memory:"]].concat();
        let line = refusal(&folder, &arguments);
        assert!(line.contains("[[user]]") && line.contains("--store"), "{line}");
    }
    let user = ["user", "list", "--store", "user=memory:"];
    assert!(refusal(&folder, &user).contains("kind user"));
    let client = ["client", "list", "--store", "user=memory:"];
    assert!(run(&folder, &client).status.success());
}

#[test]
fn doctor_says_what_to_do() {
    let folder = tempdir().unwrap();
    let before = run(&folder, &["doctor"]);
    assert_eq!(before.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&before.stdout).contains("`countersign serve` makes it"));
    assert!(!folder.path().join("data").exists());

    let server = Server::start(&folder, &[]);
    let address = server.address().to_string();
    let findings = json(&folder, &["doctor", "--listen", &address]);
    let checks: Vec<_> = findings.as_array().unwrap().iter().collect();
    assert!(checks.iter().all(|finding| finding["ok"] == true), "{findings}");
    assert_eq!(checks.len(), 6);

    std::fs::write(folder.path().join("data/master.key"), "x").unwrap();
    let after = run(&folder, &["doctor", "--listen", &address]);
    let lines = String::from_utf8_lossy(&after.stdout).into_owned();
    assert!(lines.contains("TO DO   master key"), "{lines}");
}

#[test]
fn completions_are_printed_for_each_shell() {
    let folder = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&folder, &["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("rotate-secret"), "{shell}");
    }
}
