//! Starts what the tests need on free loopback ports, waits for readiness, and ends it by its pid.

pub mod certificates;
pub mod cometd;
pub mod daemon;
pub mod forward;
pub mod front;
pub mod kafka;
pub mod proxy;
pub mod receiver;
pub mod scene;
pub mod sinks;
pub mod workload;

use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where `tests/peers/setup.sh` keeps the peers.
pub fn peers_cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from);
    from("COMETBRIDGE_PEERS")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("cometbridge/peers")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/cometbridge/peers")))
        .expect("HOME is set")
}

pub fn python() -> PathBuf {
    let python = peers_cache().join("python/bin/python");
    assert!(python.exists(), "the peers are not set up: run tests/peers/setup.sh");
    python
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Polls until the question is answered; fails with what was waited for. No test sleeps without asking.
pub async fn eventually<T, F, Fut>(what: &str, limit: Duration, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {} s in vain for: {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A plain HTTP client for the tests' own questions.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap()
}
