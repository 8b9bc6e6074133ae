use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests in flight may take to end after the stop.
const DRAIN: Duration = Duration::from_secs(10);

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
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, router: Router, stop: CancellationToken) -> io::Result<()> {
        // Streams would not end by themselves.
        let router = router.layer(Extension(stop.clone()));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(self.listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
        let overdue = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = serving.into_future() => served,
            () = overdue => {
                tracing::warn!(limit_ms = DRAIN.as_millis(), "server: requests in flight were cut off");
                Ok(())
            }
        }
    }
}
