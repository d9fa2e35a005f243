//! What a failed write means: wait for room, wait for another process, or stop for good.
//!
//! SQLite reports most full disks as `SQLITE_FULL`, but some (a quota, the shared-memory file) as an I/O error
//! whose cause it does not tell; for those a probe write into the directory decides. A failed fsync is never
//! taken for a full disk: what the kernel then holds is unknown, so it must not be tried again.

use super::api::Error;
use rusqlite::ffi;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why a write did not happen.
#[derive(Debug)]
pub(super) enum Fault {
    /// No room: the same write may work later.
    Full(String),
    /// Another process holds the database: the same write may work later.
    Busy(String),
    /// An I/O error or corruption: no write may be tried again.
    Fatal(Error),
}

/// A full disk, or a quota reached.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Sorts an I/O error of our own files.
pub(super) fn of_io(error: io::Error) -> Fault {
    if is_full(&error) { Fault::Full(error.to_string()) } else { Fault::Fatal(Error::Io(error)) }
}

/// Sorts what SQLite said of a write below `dir`.
pub(super) fn of_sqlite(error: rusqlite::Error, dir: &Path) -> Fault {
    let Some(extended) = error.sqlite_extended_error_code() else { return Fault::Fatal(error.into()) };
    match extended & 0xff {
        ffi::SQLITE_FULL => return Fault::Full(error.to_string()),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => return Fault::Busy(error.to_string()),
        _ => {}
    }
    let may_be_room = matches!(
        extended,
        ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMOPEN
            | ffi::SQLITE_IOERR_SHMMAP
    ) || extended & 0xff == ffi::SQLITE_CANTOPEN;
    match may_be_room.then(|| probe(dir)) {
        Some(Err(no_room)) if is_full(&no_room) => Fault::Full(format!("{error} ({no_room})")),
        _ => Fault::Fatal(error.into()),
    }
}

/// Whether an error on a reading connection means that the files themselves are broken.
pub(super) fn breaks_reading(error: &Error) -> bool {
    let Error::Sqlite(error) = error else { return false };
    let Some(extended) = error.sqlite_extended_error_code() else { return false };
    let primary = extended & 0xff;
    primary == ffi::SQLITE_CORRUPT || primary == ffi::SQLITE_NOTADB || extended == ffi::SQLITE_IOERR_READ
}

fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join("probe");
    let tried = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).and_then(
        |mut file| {
            file.write_all(&[0u8; 65_536])?;
            file.sync_data()
        },
    );
    std::fs::remove_file(&path).ok();
    tried
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(code: i32) -> Fault {
        let dir = tempfile::tempdir().unwrap();
        of_sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None), dir.path())
    }

    #[test]
    fn a_full_disk_and_a_busy_database_may_be_tried_again() {
        assert!(matches!(sorted(ffi::SQLITE_FULL), Fault::Full(_)));
        assert!(matches!(sorted(ffi::SQLITE_BUSY), Fault::Busy(_)));
    }

    #[test]
    fn a_failed_fsync_corruption_and_a_write_error_with_room_left_are_fatal() {
        for code in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_DIR_FSYNC,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_SHMSIZE,
        ] {
            assert!(matches!(sorted(code), Fault::Fatal(_)), "{code}");
        }
    }
}
