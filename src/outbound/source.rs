//! What a lane needs of the journal, and nothing more: the seam where another engine can stand in.
//!
//! Deliberately absent: how events come to be, and trimming (the journal's own affair).

use crate::journal::{
    Append, Committed, Error, Head, Journal, Lag, Parked, ParkedKey, Pending, Read, Sequence, Settle, State,
};
use std::future::Future;
use std::sync::Arc;
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

    /// A secret that is the journal's own, the same after a restart.
    fn secret(&self) -> [u8; 32];

    /// Changes with every commit.
    fn head(&self) -> watch::Receiver<Head>;

    /// Stores a position and what is put aside in one transaction. Calls of one sink take effect in their order.
    fn settle(&self, settle: Settle) -> Pending<()>;

    /// The stored position of a sink; none where the journal does not know it yet.
    fn position(&self, sink: &str) -> impl Future<Output = Result<Option<Sequence>, Error>> + Send;

    /// How far a sink at this position is behind the head.
    fn lag(&self, position: Sequence) -> impl Future<Output = Result<Lag, Error>> + Send;

    /// Writes an event of the lanes' own (`cometbridge.sink.lost.v1`).
    fn append(&self, append: Append) -> Pending<Committed>;

    /// The keys of a sink that have parked events.
    fn parked_keys(&self, sink: &str) -> impl Future<Output = Result<Vec<ParkedKey>, Error>> + Send;

    /// A key's first parked events: at most so many, and (beyond the first) at most so many bytes.
    fn parked(
        &self,
        sink: &str,
        key: &str,
        max_events: usize,
        max_bytes: u64,
    ) -> impl Future<Output = Result<Vec<Parked>, Error>> + Send;

    /// Which events beyond a position are put aside already.
    fn aside_after(
        &self,
        sink: &str,
        position: Sequence,
    ) -> impl Future<Output = Result<Vec<Sequence>, Error>> + Send;

    /// A small fact kept by name.
    fn note(&self, name: &str) -> impl Future<Output = Result<Option<String>, Error>> + Send;

    fn set_note(&self, name: &str, value: &str) -> impl Future<Output = Result<(), Arc<Error>>> + Send;

    /// Whether the journal can write now (its disk is not full).
    fn writable(&self) -> bool;

    /// Sets a sink's position, back too, together with a note.
    fn set_position(
        &self,
        sink: &str,
        position: Sequence,
        note: &str,
        value: &str,
    ) -> impl Future<Output = Result<(), Arc<Error>>> + Send;

    /// Parks dead letters whose redrive is due, at most so many.
    fn take_up(
        &self,
        sink: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ParkedKey>, Arc<Error>>> + Send;
}

impl Source for Journal {
    async fn read(&self, from: Sequence, max_events: usize, max_bytes: usize) -> Result<Read, Error> {
        Journal::read(self, from, max_events, max_bytes).await
    }

    fn secret(&self) -> [u8; 32] {
        Journal::digest_key(self)
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

    async fn parked_keys(&self, sink: &str) -> Result<Vec<ParkedKey>, Error> {
        Journal::parked_keys(self, sink).await
    }

    async fn parked(
        &self,
        sink: &str,
        key: &str,
        max_events: usize,
        max_bytes: u64,
    ) -> Result<Vec<Parked>, Error> {
        Journal::parked(self, sink, key, max_events, max_bytes).await
    }

    async fn aside_after(&self, sink: &str, position: Sequence) -> Result<Vec<Sequence>, Error> {
        Journal::aside_after(self, sink, position).await
    }

    async fn note(&self, name: &str) -> Result<Option<String>, Error> {
        let found = Journal::notes(self, name).await?;
        Ok(found.into_iter().find(|(known, _)| known == name).map(|(_, value)| value))
    }

    async fn set_note(&self, name: &str, value: &str) -> Result<(), Arc<Error>> {
        Journal::set_note(self, name, Some(value)).await
    }

    fn writable(&self) -> bool {
        *Journal::state(self).borrow() == State::Ok
    }

    async fn set_position(
        &self,
        sink: &str,
        position: Sequence,
        note: &str,
        value: &str,
    ) -> Result<(), Arc<Error>> {
        Journal::set_position(self, sink, position, note, value).await
    }

    async fn take_up(&self, sink: &str, limit: usize) -> Result<Vec<ParkedKey>, Arc<Error>> {
        Journal::take_up(self, sink, limit).await
    }
}
