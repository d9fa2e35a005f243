//! The high-water mark: a small file beside the database that knows how much it must hold at least.
//!
//! SQLite drops the rest of a damaged write-ahead log in silence; this mark is how that is noticed. It lies a
//! few seconds behind, never ahead. Deliberately absent: deciding what a shortened journal means (`open`).

use super::api::Sequence;
use super::engine::Tally;
use crate::base::time::Millis;
use std::fs::{File, OpenOptions, rename};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(super) const FILE: &str = "high-water";
/// Written first, then renamed over the other.
pub(super) const NEXT: &str = "high-water.next";
const TITLE: &str = "cometbridge-high-water-1";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub uuid: String,
    pub last: Sequence,
    pub count: u64,
    /// When it was written, for noticing a clock that was set wrong while nothing ran.
    pub at: Millis,
}

/// The mark beside the database, or `None` where there is no file. Text that is no mark is an error.
pub(super) fn load(dir: &Path) -> io::Result<Option<Mark>> {
    let text = match std::fs::read_to_string(dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    parse(&text).map(Some).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "not a high-water mark"))
}

fn parse(text: &str) -> Option<Mark> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    if words.next()? != TITLE {
        return None;
    }
    let mark = Mark {
        uuid: words.next()?.to_owned(),
        last: words.next()?.parse().ok()?,
        count: words.next()?.parse().ok()?,
        at: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(mark)
}

/// Replaces the mark, on disk when this returns.
pub(super) fn store(dir: &Path, mark: &Mark) -> io::Result<()> {
    let next = dir.join(NEXT);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    let Mark { uuid, last, count, at } = mark;
    file.write_all(format!("{TITLE} {uuid} {last} {count} {at}\n").as_bytes())?;
    file.sync_all()?;
    rename(&next, dir.join(FILE))?;
    File::open(dir)?.sync_all()
}

/// Keeps the file up with what is committed.
#[derive(Debug)]
pub(super) struct HighWater {
    dir: PathBuf,
    uuid: String,
    stored: Tally,
}

impl HighWater {
    /// `stored` is what the file says already.
    pub(super) fn new(dir: &Path, uuid: &str, stored: Tally) -> HighWater {
        HighWater { dir: dir.to_owned(), uuid: uuid.to_owned(), stored }
    }

    /// Writes the mark if it has changed. `tally` must be on disk already.
    pub(super) fn keep(&mut self, tally: Tally, at: Millis) -> io::Result<()> {
        if tally.last == self.stored.last && tally.count == self.stored.count {
            return Ok(());
        }
        let mark = Mark { uuid: self.uuid.clone(), last: tally.last, count: tally.count, at };
        store(&self.dir, &mark)?;
        self.stored = tally;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        let mark = Mark { uuid: "u-1".to_owned(), last: 42, count: 40, at: -7 };
        store(dir.path(), &mark).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(mark));
    }

    #[test]
    fn text_that_is_no_whole_mark_is_an_error() {
        for text in
            ["", "\n", "cometbridge-high-water-1 u 1 2 3", "cometbridge-high-water-1 u 1 2\n", "x u 1 2 3\n"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
