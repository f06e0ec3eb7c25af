//! A connection as it is accepted: TLS or not, and for how long it may keep us waiting.
//!
//! hyper bounds the time for a request's head only together with the time in between requests. Here they are told
//! apart: a head that has begun must be whole soon, while a connection without a request may rest longer.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::http::Request;
use axum_server::{
    accept::Accept,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};
use tower::Service;

/// From the first byte of a request's head to its last; also the time to begin with TLS.
pub(super) const HEAD: Duration = Duration::from_secs(10);
/// Without a byte in either direction.
const IDLE: Duration = Duration::from_secs(75);

/// What a TLS connection begins with: a record of the type *handshake*.
const HANDSHAKE: u8 = 0x16;

/// A request that came in clear although TLS is spoken here; an extension of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InClear;

/// Accepts connections.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    tls: Option<RustlsAcceptor>,
}

impl Acceptor {
    /// With TLS, if a configuration is given.
    pub(super) fn new(tls: Option<RustlsConfig>) -> Self {
        let acceptor = |config| RustlsAcceptor::new(config).handshake_timeout(HEAD);
        Self { tls: tls.map(acceptor) }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Acceptor {
    type Stream = Patient<Box<dyn Stream>>;
    type Service = Observed<S>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let tls = self.tls.clone();
        Box::pin(async move {
            // Answers are small and written whole; waiting for more only delays them.
            stream.set_nodelay(true)?;
            let in_clear = tls.is_some() && !timeout(HEAD, begins_tls(&stream)).await??;
            let stream: Box<dyn Stream> = match tls {
                Some(tls) if !in_clear => Box::new(tls.accept(stream, ()).await?.0),
                _ => Box::new(stream),
            };
            let state = Arc::new(State::new());
            let stream =
                Patient { inner: stream, state: state.clone(), alarm: Box::pin(sleep(IDLE)) };
            let service = Observed { inner: service, state, in_clear };
            Ok((stream, service))
        })
    }
}

async fn begins_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}

/// A connection in clear or in TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What a connection did last.
#[derive(Debug)]
struct State(Mutex<Activity>);

#[derive(Debug)]
struct Activity {
    /// The last byte in either direction.
    last: Instant,
    /// The first byte since there is no request in flight.
    head: Option<Instant>,
    /// Requests whose answer has not begun.
    in_flight: usize,
    /// Whether it speaks HTTP/2, in which bytes without a request are no beginning of one: its preface says so. (A
    /// preface that comes in crumbs is taken for the beginning of a request, and must be whole as soon.)
    speaks_h2: Option<bool>,
}

impl State {
    fn new() -> Self {
        Self(Mutex::new(Activity {
            last: Instant::now(),
            head: None,
            in_flight: 0,
            speaks_h2: None,
        }))
    }

    fn read(&self, bytes: &[u8]) {
        let mut activity = self.0.lock();
        activity.last = Instant::now();
        let speaks_h2 = *activity.speaks_h2.get_or_insert(bytes.starts_with(b"PRI"));
        if activity.in_flight == 0 && !speaks_h2 && activity.head.is_none() {
            activity.head = Some(activity.last);
        }
    }

    fn wrote(&self) {
        self.0.lock().last = Instant::now();
    }

    fn begin(&self) {
        let mut activity = self.0.lock();
        activity.head = None;
        activity.in_flight += 1;
    }

    fn end(&self) {
        let mut activity = self.0.lock();
        activity.in_flight = activity.in_flight.saturating_sub(1);
    }

    /// When the connection has kept us waiting for too long.
    fn deadline(&self) -> Instant {
        let activity = self.0.lock();
        let idle = activity.last + IDLE;
        activity.head.map_or(idle, |head| idle.min(head + HEAD))
    }
}

/// A stream that fails when its other end keeps us waiting for too long.
pub(super) struct Patient<S> {
    inner: S,
    state: Arc<State>,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    /// Whether it is too late. The alarm is set again only when it must ring sooner, or has rung too soon.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let deadline = self.state.deadline();
        if deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.alarm.as_mut().reset(deadline);
        }
        Ok(())
    }

    /// What to answer where the inner stream waits.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match self.check(cx) {
            Ok(()) => Poll::Pending,
            Err(late) => Poll::Ready(Err(late)),
        }
    }

    /// What to answer to a write.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.wait(cx),
            done @ Poll::Ready(_) => {
                self.state.wrote();
                done
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Pending => this.wait(cx),
            Poll::Ready(Ok(())) => {
                this.state.read(&buf.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            failed @ Poll::Ready(_) => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_flush(cx) {
            Poll::Pending => this.wait(cx),
            done @ Poll::Ready(_) => done,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_shutdown(cx) {
            Poll::Pending => this.wait(cx),
            done @ Poll::Ready(_) => done,
        }
    }
}

/// A service that tells its connection when a request begins, and when its answer does.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
    state: Arc<State>,
    in_clear: bool,
}

impl<S, B> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.in_clear {
            request.extensions_mut().insert(InClear);
        }
        let in_flight = InFlight::new(self.state.clone());
        Answer { inner: self.inner.call(request), in_flight: Some(in_flight) }
    }
}

pin_project! {
    /// An answer to come.
    pub(super) struct Answer<F> {
        #[pin]
        inner: F,
        in_flight: Option<InFlight>,
    }
}

impl<F: Future> Future for Answer<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx));
        this.in_flight.take();
        Poll::Ready(answer)
    }
}

/// A request in flight; dropped, with its answer or with its connection, it is none any more.
struct InFlight(Arc<State>);

impl InFlight {
    fn new(state: Arc<State>) -> Self {
        state.begin();
        Self(state)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}
