//! What sessions know besides events: their resources, gaps and accounts, and small facts by name.
//!
//! Here is the handle's side; `write`, `read` and `expire` are the rows. Deliberately absent: what a shadow, a
//! cause or a note means.

pub(super) mod expire;
pub(super) mod read;
pub(super) mod write;

use super::api::{Account, Error, Gap, Known, Sequence, sequence_text};
use super::engine::Write;
use super::group::{Op, Reply, Request};
use super::{Journal, Lookup, SMALL_ROW};
use crate::base::envelope::Word;
use std::collections::HashSet;
use std::sync::Arc;

impl Journal {
    /// Everything known of the resources of one session. A row that can not be read is passed over and named.
    pub async fn known(&self, session: &str) -> Result<Vec<Known>, Error> {
        let session = session.to_owned();
        self.ask(move |reader| reader.known(&session)).await
    }

    /// Gaps, the newest first (by when each was first written): of one session or of all, only those still open
    /// or all, at most `limit`. A row that can not be read is passed over and named.
    pub async fn gaps(
        &self,
        session: Option<&str>,
        only_open: bool,
        limit: usize,
    ) -> Result<Vec<Gap>, Error> {
        let session = session.map(str::to_owned);
        self.ask(move |reader| reader.gaps(session.as_deref(), only_open, limit)).await
    }

    /// What is known of every account, by session. A row that can not be read is an error: passing it over could
    /// mean to try a refused secret again.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.ask(|reader| reader.accounts()).await
    }

    /// Replaces what is known of an account; on disk when it resolves. While the disk is full it waits.
    pub async fn set_account(&self, account: Account) -> Result<(), Arc<Error>> {
        self.keep(Write::Account(account)).await
    }

    /// Small facts that must outlive a restart (a paused site, a held roster), by name: those that begin so.
    pub async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, Error> {
        let prefix = prefix.to_owned();
        self.ask(move |reader| reader.notes(&prefix)).await
    }

    /// Sets or removes a small fact; on disk when it resolves. While the disk is full it waits.
    pub async fn set_note(&self, name: &str, value: Option<&str>) -> Result<(), Arc<Error>> {
        self.keep(Write::Note { name: name.to_owned(), value: value.map(str::to_owned) }).await
    }

    /// 32 random bytes made with the journal: the key of digests that stand in it. Never to be shown.
    pub fn digest_key(&self) -> [u8; 32] {
        self.0.key
    }

    /// The `sequence` attribute of a position in this journal.
    pub fn sequence_text(&self, sequence: Sequence) -> String {
        sequence_text(self.0.birth, sequence)
    }

    /// Queues one write in the order of the calls, with a full fsync before the answer.
    async fn keep(&self, write: Write) -> Result<(), Arc<Error>> {
        let bytes = SMALL_ROW.saturating_add(text_of(&write));
        self.call(|answer| {
            let reply = Reply::Fact(answer);
            Op::Write(Request { writes: vec![write], events: 0, bytes, sync: true, reply })
        })
        .await
    }
}

impl Lookup {
    /// What is known of one resource as one session sees it.
    pub fn known(&self, session: &str, kind: &str, id: &str) -> Result<Option<Known>, Error> {
        self.0.known_one(session, kind, id)
    }
}

/// Adds the writes of one step; the bytes of their texts.
///
/// A batch names the same resource once for each of its log items: only the last of them is written.
pub(super) fn gather(known: Vec<Known>, gaps: Vec<Gap>, writes: &mut Vec<Write>) -> u64 {
    let from = writes.len();
    writes.extend(last_of_each(known).into_iter().map(Write::Known));
    writes.extend(gaps.into_iter().map(Write::Gap));
    writes.iter().skip(from).map(text_of).fold(0, u64::saturating_add)
}

/// The bytes of a write beyond those of a small row.
fn text_of(write: &Write) -> u64 {
    match write {
        Write::Known(known) => known.shadow.len() as u64,
        Write::Note { value, .. } => value.as_ref().map_or(0, |value| value.len() as u64),
        _ => 0,
    }
}

fn last_of_each(known: Vec<Known>) -> Vec<Known> {
    if known.len() < 2 {
        return known;
    }
    let mut seen: HashSet<(String, Word, String)> = HashSet::with_capacity(known.len());
    let mut last: Vec<Known> = known
        .into_iter()
        .rev()
        .filter(|one| seen.insert((one.session.clone(), one.kind.clone(), one.id.clone())))
        .collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str, at: i64) -> Known {
        let (session, shadow) = ("main/1001".to_owned(), "{}".to_owned());
        Known { session, kind: "chat".into(), id: id.to_owned(), open: true, last_index: None, shadow, at }
    }

    #[test]
    fn only_the_last_of_each_resource_is_written_in_the_order_of_the_last_ones() {
        let other = Known { session: "main/1002".to_owned(), ..known("a", 9) };
        let device = Known { kind: "device".into(), ..known("a", 8) };
        let all =
            vec![known("a", 1), known("b", 2), device.clone(), known("a", 3), other.clone(), known("b", 4)];
        assert_eq!(last_of_each(all), [device, known("a", 3), other, known("b", 4)]);
        assert_eq!(last_of_each(Vec::new()), []);
    }

    #[test]
    fn long_shadows_count_in_the_size_of_a_commit() {
        let mut writes = Vec::new();
        let long = Known { shadow: "x".repeat(5_000), ..known("a", 1) };
        assert_eq!(gather(vec![known("a", 1), long, known("b", 1)], Vec::new(), &mut writes), 5_002);
        assert_eq!(writes.len(), 2);
    }
}
