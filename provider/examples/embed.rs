//! The provider under a path of an axum application, and one guarded route.

use axum::{Router, routing::get};
use countersign_protocol::Subject;
use countersign_provider::{Provider, guard::Authorized, users::users_fn};

async fn me(access: Authorized) -> String {
    format!("{:?} by way of {}", access.subject, access.client)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users = users_fn(|username, password| async move {
        let right = username == "ada" && password.matches(&"analytical engine".into());
        Ok(right.then(|| Subject::new("ada")).flatten())
    });
    let provider = Provider::builder("http://127.0.0.1:8080/auth").users(users).build().await?;
    let app = Router::new()
        .route("/api/me", get(me))
        .layer(provider.guard().require(["profile"]))
        .nest("/auth", provider.router())
        .merge(provider.well_known());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app).await?)
}
