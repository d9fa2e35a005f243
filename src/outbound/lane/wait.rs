//! Waiting for what may not be there: a time, a settle, something that the abort ends.
//!
//! Deliberately absent: any decision.

use super::Fault;
use crate::journal::{Error, Pending};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub(super) async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// Waits for the settle that is out and takes it off.
pub(super) async fn settled(pending: &mut Option<Pending<()>>) -> Result<(), Fault> {
    let Some(waiting) = pending.as_mut() else { return Ok(()) };
    let done = waiting.await;
    *pending = None;
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Fault::Journal(error.to_string())),
        Err(_) => Err(Error::Closed.into()),
    }
}

/// Waits, but not beyond the abort (and a moment more, as the journal answers within milliseconds).
pub(super) async fn within<T>(abort: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Some(done),
        () = abort.cancelled() => {}
    }
    timeout(Duration::from_secs(1), work).await.ok()
}
