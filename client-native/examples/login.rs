//! Signs in by the browser, calls an API, and is still signed in at the next run.
//!
//! ```text
//! cargo run --example login -- http://127.0.0.1:8080 demo http://127.0.0.1:8080/api/me
//! cargo run --example login -- http://127.0.0.1:8080 demo logout
//! ```
//!
//! The session is kept in the file that `SESSION_FILE` names, by default in this user's state folder.

use std::{env, error::Error};

use countersign_client::{Client, FileStorage, Loopback};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: login ISSUER CLIENT-ID (URL | logout)";
    let [issuer, client_id, what] =
        <[String; 3]>::try_from(env::args().skip(1).collect::<Vec<_>>()).map_err(|_| usage)?;

    let storage = match env::var_os("SESSION_FILE") {
        Some(path) => FileStorage::new(path),
        None => FileStorage::of_app("countersign-example")?,
    };
    let mut client = Client::discover(issuer).client_id(client_id).storage(storage);
    if let Ok(url) = what.parse::<reqwest::Url>() {
        client = client.api(url.origin().ascii_serialization());
    }
    let client = client.build().await?;

    let session = match client.restore().await? {
        Some(session) => session,
        None => client.login(Loopback::browser()).await?,
    };
    if what == "logout" {
        return Ok(session.logout().await?);
    }
    let answer = session.get(&what).send().await?;
    show(&format!("{}\n{}", answer.status(), answer.text().await?));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program's output")]
fn show(text: &str) {
    println!("{text}");
}
