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
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
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

/// A port nobody listens on now and no other test was given. It is none of those the system takes for connections
/// going out (from 32,768), so it is still free when the peer that it is for comes up.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Two runs at once begin at places of their own.
        let place = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Relaxed));
        let port = 20_000 + u16::try_from(place % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
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
