//! A row of the event table: its checksum, and how it becomes an event again.

use super::api::{Sequence, Stored};
use crate::base::envelope::Event;
use crate::base::time::Millis;
use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::Row;
use std::sync::Arc;

/// The columns [`parse`] expects.
pub(super) const COLUMNS: &str = "seq, recorded, nth, bytes, total, digest, body";

/// SQLite holds 64-bit signed integers; no count of ours comes near their end.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back.
pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The figures of a row that its checksum covers besides the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub sequence: Sequence,
    pub recorded: Millis,
    /// How many events were ever written, this one included.
    pub nth: u64,
    /// Bytes of all bodies ever written, this one included.
    pub total: u64,
}

impl Figures {
    fn each(self, mut put: impl FnMut([u8; 8])) {
        put(self.sequence.to_be_bytes());
        put(self.recorded.to_be_bytes());
        put(self.nth.to_be_bytes());
        put(self.total.to_be_bytes());
    }
}

/// CRC-32 over the figures and the body, for new rows: it finds what a disk or memory spoils, and costs a twentieth of
/// the SHA-256 that each reading of each lane would pay for.
pub(super) fn checksum(figures: Figures, body: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    figures.each(|part| hasher.update(&part));
    hasher.update(body);
    hasher.finalize().to_be_bytes()
}

/// Whether a row is as it was written. Rows of earlier builds hold 128 bits of SHA-256 over the same.
fn is_whole(figures: Figures, body: &[u8], sum: &[u8]) -> bool {
    if sum.len() == 4 {
        return checksum(figures, body) == sum;
    }
    let mut context = Context::new(&SHA256);
    figures.each(|part| context.update(&part));
    context.update(body);
    context.finish().as_ref().get(..16) == Some(sum)
}

/// A row as it was read: an event, or the reason why it is damaged.
pub(super) enum Parsed {
    Whole(Stored, Figures),
    Damaged(Sequence, String),
}

/// Reads and checks one row; a column of another type than it was written with counts as damage too.
pub(super) fn parse(row: &Row<'_>) -> Result<Parsed, rusqlite::Error> {
    let sequence = uint(row.get(0)?);
    let Ok((figures, bytes, matches)) = check(row, sequence) else {
        return Ok(Parsed::Damaged(
            sequence,
            "a column has another type than it was written with".to_owned(),
        ));
    };
    if !matches {
        return Ok(Parsed::Damaged(sequence, "its checksum does not match".to_owned()));
    }
    let body = row.get_ref(6)?.as_blob().unwrap_or_default();
    match serde_json::from_slice::<Event>(body) {
        Ok(event) => {
            let event = Arc::new(event);
            Ok(Parsed::Whole(Stored { sequence, event, bytes, recorded: figures.recorded }, figures))
        }
        // The error's own words could quote the body.
        Err(error) => {
            let category = error.classify();
            Ok(Parsed::Damaged(
                sequence,
                format!("its body is not an event of this release ({category:?} error)"),
            ))
        }
    }
}

fn check(row: &Row<'_>, sequence: Sequence) -> Result<(Figures, u64, bool), rusqlite::Error> {
    let figures =
        Figures { sequence, recorded: row.get(1)?, nth: uint(row.get(2)?), total: uint(row.get(4)?) };
    let body = row.get_ref(6)?.as_blob()?;
    let matches = is_whole(figures, body, row.get_ref(5)?.as_blob()?);
    Ok((figures, body.len() as u64, matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_either_checksum_is_whole_until_a_bit_of_it_changes() {
        let figures = Figures { sequence: 7, recorded: 1, nth: 7, total: 4 };
        let mut old = Context::new(&SHA256);
        figures.each(|part| old.update(&part));
        old.update(b"body");
        let old = old.finish().as_ref()[..16].to_vec();
        for sum in [checksum(figures, b"body").to_vec(), old] {
            assert!(is_whole(figures, b"body", &sum));
            assert!(!is_whole(figures, b"bodz", &sum));
            assert!(!is_whole(Figures { nth: 8, ..figures }, b"body", &sum));
            assert!(!is_whole(figures, b"body", &sum[1..]));
        }
        assert!(!is_whole(figures, b"body", b""));
    }
}
