//! Takes connections. Slow ones are bounded: by how long headers may take, and by how many there are at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// How long requests in flight may take to end after the stop.
const DRAIN: Duration = Duration::from_secs(10);

/// For each connection, in bytes; the headers of a request have to fit into it.
const LARGEST_BUFFER: usize = 64 * 1024;
/// Before the next try where the system gives no connection: too many files are open.
const PAUSE: Duration = Duration::from_secs(1);

/// A server that is bound, so that its address can be announced before it serves.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{0} is in use by another program")]
    InUse(SocketAddr),
    #[error("cannot listen on {address}")]
    Other {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

impl Server {
    /// Binds; port 0 takes any free port.
    ///
    /// # Errors
    /// When the address is in use or not ours.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound.await.map_err(|source: io::Error| match source.kind() == io::ErrorKind::AddrInUse {
            true => BindError::InUse(address),
            false => BindError::Other { address, source },
        })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the stop, then takes no more and lets requests in flight end, with a limit.
    pub async fn serve(self, router: Router, limits: Limits, stop: CancellationToken) {
        // Streams would not end by themselves.
        let router = router.layer(Extension(stop.clone()));
        let room = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        // Dropped at the end, which ends what is still there.
        let mut connections = JoinSet::new();
        while let Some((stream, peer, place)) = stop.run_until_cancelled(self.accept(&room)).await.flatten() {
            let connection = graceful.watch(connection(stream, peer, router.clone(), limits.headers));
            connections.spawn(async move {
                // What breaks here is the other side's: it went away, or was too slow.
                if let Err(error) = connection.await {
                    tracing::debug!(error = &error as &dyn std::error::Error, %peer, "server: a connection broke");
                }
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
        drop(self);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!(limit_ms = DRAIN.as_millis(), "server: requests in flight were cut off");
        }
    }

    /// The next connection, once there is room for it. `None` never comes while the server lives.
    async fn accept(&self, room: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(room).acquire_owned().await.ok()?;
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "server: no connection can be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Headers have to come soon; the time also runs while a connection waits for its next request. Handlers find the other
/// side's address in the request's extensions.
fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    headers_come_within: Duration,
) -> impl GracefulConnection<Error = hyper::Error> {
    // Small answers are not to wait for each other; where the system does not do that, they wait.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        TowerToHyperService::new(router.clone()).call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(headers_come_within)
        .max_buf_size(LARGEST_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
