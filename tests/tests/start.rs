//! Starting and ending: what cannot be served is said in one line, and what is ended is ended in good order.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use countersign_tests::{
    Ran, Server,
    command::{countersign, program, run},
    endpoint::By,
    server::Setup,
};

/// Exit status 1 and one line that names each of these: no warning before it of what will not be served.
fn is_refused(ran: &Ran, names: &[&str]) {
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    let lines: Vec<_> = ran.stderr.lines().collect();
    let [line] = lines.as_slice() else { panic!("not one line: {ran:#?}") };
    for name in names {
        assert!(line.contains(name), "nothing of {name}: {line}");
    }
    assert!(!line.contains("panicked"), "{line}");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_flag_that_chooses_another() {
    let server = Server::start().await;
    let port = server.setup().port().to_string();
    is_refused(&server.setup().clone().fail(), &[&port, "in use", "--listen"]);
}

#[test]
fn a_data_folder_that_is_a_file_is_named_with_the_flag_that_chooses_another() {
    let setup = Setup::new();
    fs::write(setup.data(), "").unwrap();
    is_refused(&setup.clone().fail(), &[setup.data().to_str().unwrap(), "--data"]);
}

/// For root every folder is readable, so another user tries it.
#[test]
fn an_unreadable_data_folder_is_named_with_the_remedy() {
    let setup = Setup::new();
    fs::create_dir(setup.data()).unwrap();
    fs::set_permissions(setup.data(), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(setup.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let root = rustix::process::geteuid().is_root();
    let copy = open_copy(&setup);
    let failed =
        if root { setup.clone().program(copy).under(&nobody).fail() } else { setup.clone().fail() };
    is_refused(&failed, &[setup.data().to_str().unwrap(), "--data"]);
}

/// The program where any user may run it. Another process copies it: while this one had it open to write, a child that
/// a test beside this one starts in that moment would hold it open, and nobody could run it.
fn open_copy(setup: &Setup) -> std::path::PathBuf {
    let copy = setup.folder().join("countersign");
    let mut command = std::process::Command::new("cp");
    command.arg(program("countersign")).arg(&copy);
    run(command, "").well();
    copy
}

#[tokio::test]
async fn a_lost_master_key_is_named_with_both_remedies() {
    let mut server = Server::start().await;
    server.kill();
    fs::remove_file(server.data().join("master.key")).unwrap();
    let failed = server.setup().clone().fail();
    is_refused(&failed, &["master.key", "restore", "countersign key reset"]);
    assert!(!server.data().join("master.key").exists(), "none is made beside a ring");
}

#[tokio::test]
async fn a_wrong_master_key_is_named_with_both_remedies() {
    let mut server = Server::start().await;
    server.kill();
    let other = Server::start().await;
    fs::copy(other.data().join("master.key"), server.data().join("master.key")).unwrap();
    let failed = server.setup().clone().fail();
    is_refused(&failed, &["master.key", "restore", "countersign key reset"]);
}

#[test]
fn a_master_key_that_is_none_is_named() {
    let setup = Setup::new();
    fs::create_dir(setup.data()).unwrap();
    fs::write(setup.data().join("master.key"), "short").unwrap();
    fs::set_permissions(setup.data().join("master.key"), fs::Permissions::from_mode(0o600))
        .unwrap();
    is_refused(&setup.fail(), &["master.key"]);
}

#[test]
fn a_wrong_value_in_the_configuration_is_named_with_its_file() {
    let wrong = [
        ("listen = \"nowhere\"", "listen"),
        ("no_such_setting = 1", "no_such_setting"),
        ("[[client]]\nid = \"shop\"\nredirect_uris = [\"not a URI\"]\npublic = true", "shop"),
        ("issuer = ", "countersign.toml"),
    ];
    for (text, named) in wrong {
        let setup = Setup::new();
        let file = setup.folder().join("countersign.toml");
        fs::write(&file, text).unwrap();
        let failed = run_serve(&["--config", file.to_str().unwrap()], &setup);
        is_refused(&failed, &[named]);
    }
}

#[test]
fn a_configuration_file_that_is_missing_is_named() {
    let setup = Setup::new();
    is_refused(&run_serve(&["--config", "absent.toml"], &setup), &["absent.toml"]);
}

#[test]
fn a_store_that_is_unknown_is_refused() {
    let setup = Setup::new();
    for store in ["couchdb://127.0.0.1", "sqlite:", "nonsense"] {
        let failed = run_serve(&["--store", store], &setup);
        assert!(matches!(failed.status.code(), Some(1 | 2)), "{failed:#?}");
        assert!(failed.stderr.contains("store"), "{failed:#?}");
    }
}

#[test]
fn plain_http_beyond_loopback_is_refused() {
    let setup = Setup::new();
    is_refused(&run_serve(&["--issuer", "http://id.example"], &setup), &["issuer", "https"]);
}

#[test]
fn a_command_line_without_sense_is_a_matter_of_usage() {
    let mut command = countersign();
    command.args(["serve", "--no-such-flag"]);
    assert_eq!(run(command, "").status.code(), Some(2));
}

#[test]
fn a_command_on_records_in_memory_is_refused_with_the_remedy() {
    let mut command = countersign();
    command.args(["user", "add", "alice", "--password-stdin", "--store", "memory:"]);
    is_refused(&run(command, "a password"), &["memory", "[[user]]", "--store"]);
}

/// `serve` with these flags alone, on a port of the system's choice, to its end.
fn run_serve(flags: &[&str], setup: &Setup) -> Ran {
    let mut command = countersign();
    command.arg("serve").args(flags).current_dir(setup.folder());
    if !flags.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let mut limited = std::process::Command::new("timeout");
    limited.arg("20").arg(command.get_program()).args(command.get_args());
    limited.current_dir(setup.folder());
    run(limited, "")
}

/// What is under way is answered, readiness says no before the listener closes, and the exit status is 0.
#[tokio::test]
async fn sigterm_ends_it_in_good_order() {
    let mut server = Setup::new().args(&["--drain", "3s"]).start().await;
    server.add_user("alice");
    server.add_client(&["--id", "first", "--public", "--grant", "password"]);
    let first = By::Public("first");
    let oauth = server.endpoints();
    // A password's hash takes longer than the signal.
    let (signed_in, ()) = tokio::join!(oauth.password(first, "alice"), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.terminate();
    });
    signed_in.well();
    while oauth.get("/readyz").await.status != 503 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Who was not told yet is still served.
    oauth.password(first, "alice").await.well();
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let form = [("grant_type", "password")];
    assert!(oauth.try_post("/oauth/token", first, &form).await.is_err());
}

/// X8: nothing is there that anybody knows the password of.
#[tokio::test]
async fn a_fresh_installation_has_no_user_no_client_and_no_default_password() {
    let server = Server::start().await;
    for kind in ["user", "client"] {
        let listed = server.run(&[kind, "list", "--json"]).well();
        assert_eq!(listed.json(), serde_json::json!([]), "{kind}");
    }
    for file in fs::read_dir(server.data()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others may read it");
    }
}

/// X8: a secret is shown once, when it is made.
#[tokio::test]
async fn a_generated_secret_is_shown_once() {
    let server = Server::start().await;
    let secret = server.add_client(&["--id", "service"]);
    let password = server.run(&["user", "add", "alice", "--json"]).well();
    let password = password.json()["password"].as_str().unwrap().to_owned();
    assert!(password.len() >= 16 && secret.len() >= 43);
    for command in [
        ["client", "show", "service"],
        ["client", "list", "--json"],
        ["user", "show", "alice"],
        ["user", "list", "--json"],
    ] {
        let shown = server.run(&command).well().stdout;
        for hidden in [&secret, &password, "argon2", "hash"] {
            assert!(!shown.contains(hidden), "{command:?} shows {hidden}: {shown}");
        }
    }
}
