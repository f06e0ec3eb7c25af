//! The provider on a bare hyper server: its router is a tower service like any other.

use countersign_provider::Provider;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = Provider::builder("http://127.0.0.1:8080").build().await?;
    let service = provider.router().merge(provider.well_known());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let serving = hyper::server::conn::http1::Builder::new();
            if let Err(error) = serving.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}
