//! What a lane needs of the journal, and nothing more: the seam where another engine can stand in.
//!
//! Deliberately absent: how events come to be, and trimming (the journal's own affair).

use crate::journal::{Append, Committed, Error, Head, Journal, Lag, Pending, Read, Sequence, Settle};
use std::future::Future;
use tokio::sync::watch;

/// The reading side of the journal. Cheap to clone; one clone a lane.
pub trait Source: Clone + Send + Sync + 'static {
    /// Events after `from`, in order: at most so many, and (beyond the first) at most so many bytes.
    fn read(
        &self,
        from: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Read, Error>> + Send;

    /// Changes with every commit.
    fn head(&self) -> watch::Receiver<Head>;

    /// Stores a position and its dead letters in one transaction. Calls of one sink take effect in their order.
    fn settle(&self, settle: Settle) -> Pending<()>;

    /// The stored position of a sink; none where the journal does not know it yet.
    fn position(&self, sink: &str) -> impl Future<Output = Result<Option<Sequence>, Error>> + Send;

    /// How far a sink at this position is behind the head.
    fn lag(&self, position: Sequence) -> impl Future<Output = Result<Lag, Error>> + Send;

    /// Writes an event of the lanes' own (`cometbridge.sink.lost.v1`).
    fn append(&self, append: Append) -> Pending<Committed>;
}

impl Source for Journal {
    async fn read(&self, from: Sequence, max_events: usize, max_bytes: usize) -> Result<Read, Error> {
        Journal::read(self, from, max_events, max_bytes).await
    }

    fn head(&self) -> watch::Receiver<Head> {
        Journal::head(self)
    }

    fn settle(&self, settle: Settle) -> Pending<()> {
        Journal::settle(self, settle)
    }

    async fn position(&self, sink: &str) -> Result<Option<Sequence>, Error> {
        Ok(Journal::position(self, sink).await)
    }

    async fn lag(&self, position: Sequence) -> Result<Lag, Error> {
        Journal::lag(self, position).await
    }

    fn append(&self, append: Append) -> Pending<Committed> {
        Journal::append(self, append)
    }
}
