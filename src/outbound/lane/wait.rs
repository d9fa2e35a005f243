//! Waiting for what may not be there: a time, a settle, a read, a call, something that the abort ends.
//!
//! Deliberately absent: any decision.

use super::{Fault, Landed};
use crate::journal::{Error, Head, Pending, Read};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinError;
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

/// A read that is on its way.
pub(super) type Reading = Pin<Box<dyn Future<Output = Result<Read, Error>> + Send>>;

/// Waits for the read that is out and takes it off; where none is, for the next commit.
pub(super) async fn more(
    reading: &mut Option<Reading>,
    head: &mut watch::Receiver<Head>,
) -> Result<Option<Read>, Fault> {
    let Some(waiting) = reading.as_mut() else {
        head.changed().await.map_err(|_| Error::Closed)?;
        return Ok(None);
    };
    let done = waiting.await;
    *reading = None;
    Ok(Some(done?))
}

/// What a call's task ended with.
pub(super) type Joined = Result<Landed, JoinError>;

/// What came of a call; none where it was cut off. Its panic is the lane's.
pub(super) fn came_back(joined: Joined) -> Option<Landed> {
    match joined {
        Ok(landed) => Some(landed),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
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
