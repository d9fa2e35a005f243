//! The accept loop: every connection is a task of one set, so that stopping ends all of them at once, as a
//! server that goes away does.
//!
//! Deliberately absent: TLS, HTTP/2, a graceful end.

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A connection may be idle, or take over its headers, so long; longer than HTTP clients keep theirs pooled.
const HEADER_TIME: Duration = Duration::from_secs(120);
/// Connections at a time; beyond it new ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 50_000;
/// After a failed accept (no descriptors left): a moment for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is dropped.
pub async fn run(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let service = TowerToHyperService::new(router.clone());
                    connections.spawn(async move {
                        let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
                        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
                        // A client that breaks off is none of the simulator's business.
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}
