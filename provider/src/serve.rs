//! `countersign serve`: the listener, what every request goes through, and the end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::{Router, middleware};
use axum_server::{Handle, Server};
use countersign_protocol::discovery::{Issuer, PlainHttp};
use countersign_provider::{BuildError, Provider, store::Kind};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    let signals = Signals::catch().map_err(Failure::Serve)?;
    tokio::spawn(end(signals, provider.clone(), config.drain, handle.clone()));
    let server = axum_server::from_tcp(listener).map_err(Failure::Serve)?;
    warn(&config, &issuer);
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
    Ok(issuer.map_err(BuildError::Issuer)?)
}

/// Says what is good for trying things and for nothing else.
fn warn(config: &Config, issuer: &Issuer) {
    let issuer = issuer.as_str();
    if issuer.starts_with("http://") {
        tracing::warn!(
            issuer,
            "plain http: cookies bear neither Secure nor __Host-; for programs and browsers of this machine only"
        );
    }
    let forgotten = Kind::ALL.into_iter().filter(|kind| config.forgets(*kind));
    let forgotten: Vec<_> = forgotten.map(Kind::as_str).collect();
    if !forgotten.is_empty() {
        let kinds = forgotten.join(", ");
        tracing::warn!(kinds, "kept in memory: these records end with this process");
    }
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
        .layer(middleware::from_fn_with_state(issuer.origin().to_string(), upgrade::to_https))
        .layer(middleware::from_fn(requests::observe)))
}

/// Bounds what a connection may ask of us.
fn limit(mut server: Server<SocketAddr>) -> Server<SocketAddr> {
    let http = server.http_builder();
    http.http1().max_buf_size(HEAD as usize);
    http.http2().max_concurrent_streams(STREAMS).max_header_list_size(HEAD);
    server.first_request_timeout(connection::HEAD).accept_error_handler(|peer, error| {
        tracing::debug!(?peer, %error, "a connection was not accepted");
    })
}

/// The signals that end a server. From when they are caught on, none of them ends the process in the midst of a request.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one; whether a person sent it, who waits.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => true,
        }
    }
}

/// Waits for a signal, and ends what runs. After one from a machine readiness says no for a while first, so that a balancer
/// sends nothing new. Each further signal cuts short what is waited for.
async fn end(
    mut signals: Signals,
    provider: Provider,
    drain: Duration,
    handle: Handle<SocketAddr>,
) {
    let from_person = signals.next().await;
    let drain = if from_person { Duration::ZERO } else { drain };
    provider.authority().leave();
    tracing::info!("ending: no new connections after {drain:?}");
    let _ = tokio::time::timeout(drain, signals.next()).await;
    handle.graceful_shutdown(Some(GRACE));
    signals.next().await;
    handle.shutdown();
}
