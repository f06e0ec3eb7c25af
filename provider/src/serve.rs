//! `countersign serve`: the listener, and its end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::Router;
use axum_server::Handle;
use countersign_provider::Provider;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{Failure, Output, place},
    config::Config,
};

/// How long requests in flight may take once the listener is closed.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(config: Config, output: Output) -> Result<(), Failure> {
    let listener = listen(config.listen)?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::Listen(config.listen, error))?;
    let issuer = config.issuer(address)?;
    let provider = place::build(&config, issuer.clone())?.build().await?;
    let handle = Handle::new();
    tokio::spawn(end(handle.clone()));
    let server = axum_server::from_tcp(listener).map_err(Failure::Serve)?;
    output.show(
        &json!({ "issuer": issuer, "address": address }),
        format!("Countersign serves {issuer}, listening on {address}"),
    )?;
    server
        .handle(handle)
        .serve(app(&provider).into_make_service_with_connect_info::<SocketAddr>())
        .await
        .map_err(Failure::Serve)
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::InUse(address),
        _ => Failure::Listen(address, error),
    })
}

fn app(provider: &Provider) -> Router {
    provider.well_known().merge(provider.router())
}

/// Waits for a signal, and ends what runs.
async fn end(handle: Handle<SocketAddr>) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    handle.graceful_shutdown(Some(GRACE));
    Ok(())
}
