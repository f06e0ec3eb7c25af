//! The provider with no HTTP: register an application, a code for a user, a token for the code, whose token is this,
//! revoke.

#![allow(clippy::print_stdout, reason = "an example shows what it does; a test runs it too")]

use countersign_protocol::{
    ClientId, Secret, Subject,
    authorization::{Destination, Request},
    client::{Client, GrantType},
    form::{self, Form},
    grant::TokenRequest,
    pkce,
};
use countersign_provider::{
    Provider,
    authority::{Consented, Peer},
    users::users_fn,
};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users = users_fn(|username, _| async move { Ok(Subject::new(username)) });
    let provider = Provider::builder("https://id.example").users(users).build().await?;
    let authority = provider.authority();

    // 1. Register an application.
    let shop = Client {
        redirect_uris: vec!["https://shop.example/callback".into()],
        grant_types: vec![GrantType::AuthorizationCode],
        scope: "profile".parse()?,
        ..Client::new("shop".parse::<ClientId>()?)
    };
    let shop = authority.register(shop, None).await?.client;

    // 2. A code for a user, who said yes to what the application asks for.
    let (verifier, challenge) = pkce::pair(&[7; 32]); // an application draws these 32 bytes
    let query = form::encode([
        ("response_type", "code"),
        ("client_id", "shop"),
        ("code_challenge", &challenge.to_string()),
        ("code_challenge_method", pkce::METHOD),
    ]);
    let form = Form::parse(query.as_bytes())?;
    let destination = Destination::find(&form, &shop)?;
    let request = Request::check(&form, &shop, destination, authority.policy())?;
    let code = authority
        .consent(Consented {
            grant: authority.new_grant_id(),
            request: &request,
            subject: &"ada".parse::<Subject>()?,
            session: None,
            auth_time: authority.now(),
            flow_ends: authority.now(),
        })
        .await?;

    // 3. A token for the code.
    let redeem =
        TokenRequest::AuthorizationCode { code, redirect_uri: None, verifier: Some(verifier) };
    let tokens = authority.token(&shop, redeem, &Peer::default()).await?;
    let token: &Secret = &tokens.access_token;

    // 4. Whose token is this?
    let access = authority.access(token.expose()).await?;
    println!("{:?} lets {} have {}", access.subject, access.client, access.scope);

    // 5. Revoke it.
    authority.revoke(&shop, token).await?;
    println!("still good? {}", authority.access(token.expose()).await.is_ok());
    Ok(())
}
