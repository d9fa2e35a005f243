//! The accept loop: every connection is a task of one set, so that stopping ends all of them at once, as a
//! server that goes away does. A restart ends them too, but for those that steer the simulator.
//!
//! Deliberately absent: TLS, HTTP/2, a graceful end.

use super::hub::Hub;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A connection may be idle, or take over its headers, so long; longer than HTTP clients keep theirs pooled.
const HEADER_TIME: Duration = Duration::from_secs(120);
/// Connections at a time; beyond it new ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 50_000;
/// After a failed accept (no descriptors left): a moment for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A mark on a response: it is not sent, its connection ends instead.
#[derive(Clone, Copy, Debug)]
pub struct HangUp;

/// Serves until it is dropped.
pub async fn run(mut listener: TcpListener, router: Router, hub: Arc<Hub>) {
    let mut restarts = hub.restarts.subscribe();
    let mut connections = JoinSet::new();
    let address = listener.local_addr();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream, router.clone(), Arc::clone(&hub)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            Ok(()) = restarts.changed() => {
                let (_, pause) = *restarts.borrow_and_update();
                drop(listener);
                tokio::time::sleep(Duration::from_millis(pause.into())).await;
                let Ok(address) = address else { return };
                listener = rebound(address).await;
            }
        }
    }
}

/// The same address again; whoever took it meanwhile has to give it back.
async fn rebound(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, router: Router, hub: Arc<Hub>) {
    let mut restarts = hub.restarts.subscribe();
    let steers = Arc::new(AtomicBool::new(false));
    let tower = TowerToHyperService::new(router);
    let mark = Arc::clone(&steers);
    let service = service_fn(move |request: Request<Incoming>| {
        let steers = is_control(request.uri().path());
        mark.fetch_or(steers, Ordering::Relaxed);
        let answer = tower.call(request);
        let hub = Arc::clone(&hub);
        async move {
            if !steers && hub.state().faults.silent() {
                return std::future::pending().await;
            }
            let response: Response<Body> = match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if !steers && hub.state().faults.silent() {
                return std::future::pending().await;
            }
            match response.extensions().get::<HangUp>() {
                Some(HangUp) => Err(io::Error::other("a fault of the simulator")),
                None => Ok(response),
            }
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    // A client that breaks off is none of the simulator's business.
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = ended(&mut restarts, &steers) => {}
    }
}

fn is_control(path: &str) -> bool {
    ["/simulator/", "/control/"].iter().any(|prefix| path.starts_with(prefix))
}

/// The server restarts, and this connection does not steer it.
async fn ended(restarts: &mut watch::Receiver<(u64, u32)>, steers: &AtomicBool) {
    loop {
        match restarts.changed().await {
            Ok(()) if steers.load(Ordering::Relaxed) => {}
            Ok(()) => return,
            Err(_) => std::future::pending().await,
        }
    }
}
