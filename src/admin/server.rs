//! The accept loop, with its limits. Not `axum::serve`: that installs no timer, so a client that never ends
//! its headers would hold a connection for ever, and a stop would wait for it.
//!
//! Deliberately absent: TLS, HTTP/2.

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What one client, or all of them together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; beyond it new ones wait to be accepted.
    pub connections: usize,
    /// For the headers of a request to arrive, and for an idle connection until its next request.
    pub headers: Duration,
    /// A connection is closed after so long, at the end of the answer under way: also one that reads too slowly.
    pub age: Duration,
    /// How long an answer under way may take once the connection is to be closed.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 64,
            headers: Duration::from_secs(10),
            age: Duration::from_secs(600),
            grace: Duration::from_secs(5),
        }
    }
}

/// After a failed accept (no descriptors left): a moment for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until stopped and every connection has ended.
pub async fn run(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let free = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, router, limits, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin server could not take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, stop: CancellationToken) {
    // HTTP/1 only, also because the builder's look for HTTP/2 would wait for the first byte without a limit.
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.headers);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    // How a connection ends is the client's affair: nothing of it is logged.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(limits.age) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.grace, connection).await;
}
