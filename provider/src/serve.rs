//! `countersign serve`: the listener, what every request goes through, and the end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::{Router, middleware};
use axum_server::{Handle, Server};
use countersign_protocol::discovery::{Issuer, PlainHttp};
use countersign_provider::{BuildError, Provider};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{Failure, Output, place},
    config::Config,
    demo::Demo,
};

mod connection;
mod requests;
mod tls;
mod upgrade;

/// How long requests in flight may take once the listener is closed.
const GRACE: Duration = Duration::from_secs(10);
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// The longest head of a request, in bytes.
const HEAD: u32 = 16 * 1024;

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(config: Config, output: Output) -> Result<(), Failure> {
    let listener = listen(config.listen)?;
    let address = listener.local_addr();
    let address = address.map_err(|error| Failure::Listen(config.listen, error))?;
    let issuer = issuer(&config, address)?;
    let demo = Demo::open(&config, address, &issuer)?;
    let mut builder = place::build(&config, issuer.as_str())?;
    if let Some(demo) = &demo {
        builder = demo.furnish(builder);
    }
    let provider = builder.build().await?;
    let tls = tls::configure(&config.tls, place::host(issuer.as_str())).await?;
    let app = app(&provider, &issuer, demo.as_ref())?;

    let handle = Handle::new();
    tokio::spawn(end(provider.clone(), config.drain, handle.clone()));
    let server = axum_server::from_tcp(listener).map_err(Failure::Serve)?;
    announce(output, &issuer, address, demo.as_ref())?;
    limit(server)
        .acceptor(connection::Acceptor::new(tls))
        .handle(handle)
        .serve(app.into_make_service_with_connect_info::<SocketAddr>())
        .await
        .map_err(Failure::Serve)
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::InUse(address),
        _ => Failure::Listen(address, error),
    })
}

fn issuer(config: &Config, address: SocketAddr) -> Result<Issuer, Failure> {
    let issuer = Issuer::parse(&config.issuer(address)?, PlainHttp::Loopback);
    let issuer = issuer.map_err(BuildError::Issuer)?;
    if issuer.as_str().starts_with("http://") {
        tracing::warn!(
            issuer = issuer.as_str(),
            "plain http: cookies are not marked as secure; it is for trying things on this machine only"
        );
    }
    Ok(issuer)
}

/// Says where it serves, and with what to try it.
fn announce(
    output: Output,
    issuer: &Issuer,
    address: SocketAddr,
    demo: Option<&Demo>,
) -> Result<(), Failure> {
    let issuer = issuer.as_str();
    let mut value = json!({ "issuer": issuer, "address": address });
    let mut words = format!("Countersign serves {issuer}, listening on {address}");
    if let Some(demo) = demo {
        value["demo"] = demo.describe();
        words = format!("{words}\n{}", demo.words());
    }
    output.show(&value, words)
}

/// The provider below the issuer's path, its metadata at the root, and what every request goes through.
fn app(provider: &Provider, issuer: &Issuer, demo: Option<&Demo>) -> Result<Router, Failure> {
    let mut app = match issuer.path() {
        "" => provider.router(),
        path => provider.health().nest(path, provider.router()),
    };
    if let Some(demo) = demo {
        app = app.merge(demo.routes(provider)?);
    }
    Ok(app
        .merge(provider.well_known())
        .layer(middleware::from_fn_with_state(
            issuer.origin().to_string(),
            upgrade::to_https,
        ))
        .layer(middleware::from_fn(requests::observe)))
}

/// Bounds what a connection may ask of us.
fn limit(mut server: Server<SocketAddr>) -> Server<SocketAddr> {
    let http = server.http_builder();
    http.http1().max_buf_size(HEAD as usize);
    http.http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD);
    server
        .first_request_timeout(connection::HEAD)
        .accept_error_handler(|peer, error| {
            tracing::debug!(?peer, %error, "a connection was not accepted");
        })
}

/// Waits for a signal, and ends what runs. SIGTERM comes from a machine: readiness says no for a while first, so that a
/// balancer sends nothing new. SIGINT comes from a person, who waits for it. A second signal ends all at once.
async fn end(provider: Provider, drain: Duration, handle: Handle<SocketAddr>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let drain = tokio::select! {
        _ = terminate.recv() => drain,
        _ = interrupt.recv() => Duration::ZERO,
    };
    provider.authority().leave();
    tracing::info!("ending: no new connections after {drain:?}");
    tokio::select! {
        () = tokio::time::sleep(drain) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    handle.graceful_shutdown(Some(GRACE));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    handle.shutdown();
    Ok(())
}
