//! A service that calls an API as itself, by client credentials.
//!
//! ```text
//! CLIENT_SECRET=… cargo run --example service -- http://127.0.0.1:8080 demo-service http://127.0.0.1:8080/api/me
//! ```

use std::{env, error::Error};

use countersign_client::{Client, ClientCredentials};
use reqwest::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: CLIENT_SECRET=… service ISSUER CLIENT-ID URL";
    let [issuer, client_id, url] =
        <[String; 3]>::try_from(env::args().skip(1).collect::<Vec<_>>()).map_err(|_| usage)?;

    let client = Client::discover(issuer)
        .client_id(client_id)
        .client_secret(env::var("CLIENT_SECRET").map_err(|_| usage)?)
        .api(url.parse::<Url>()?.origin().ascii_serialization())
        .build()
        .await?;
    let session = client.login(ClientCredentials).await?;
    let answer = session.get(url).send().await?;
    show(&format!("{}\n{}", answer.status(), answer.text().await?));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program's output")]
fn show(text: &str) {
    println!("{text}");
}
