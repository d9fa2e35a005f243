//! The reserve: a file of real bytes that is given up when the disk is full, so that trimming has room to work.
//!
//! It is for trimming alone: while it is gone, events are written only once it stands again (see `stall`).
//! Deliberately absent: a sparse file, which would hold nothing.

use super::api::Error;
use super::fault::is_full;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) const FILE: &str = "reserve";
const CHUNK: usize = 65_536;

/// The file and whether it stands.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    whole: bool,
}

impl Reserve {
    /// Makes sure the reserve stands; a disk without room for it is no disk to start on.
    pub(super) fn open(dir: &Path, bytes: u64) -> Result<Reserve, Error> {
        let mut reserve = Reserve { path: dir.join(FILE), bytes, whole: false };
        match reserve.restore() {
            Ok(true) => Ok(reserve),
            Ok(false) => Err(Error::Directory {
                path: reserve.path.display().to_string(),
                reason: format!(
                    "the disk has no room for the reserve of {bytes} bytes; free some space, or give the journal a larger disk"
                ),
            }),
            Err(error) => Err(Error::Directory {
                path: reserve.path.display().to_string(),
                reason: format!("the reserve can not be made: {error}"),
            }),
        }
    }

    pub(super) fn whole(&self) -> bool {
        self.whole
    }

    /// Gives the space up.
    pub(super) fn release(&mut self) -> io::Result<()> {
        self.whole = false;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the file anew where it is missing or of another size; false where there is no room.
    pub(super) fn restore(&mut self) -> io::Result<bool> {
        if self.bytes == 0 {
            self.release()?;
            self.whole = true;
            return Ok(true);
        }
        if let Ok(found) = fs::metadata(&self.path)
            && found.len() == self.bytes
            && found.blocks().saturating_mul(512) >= self.bytes
        {
            self.whole = true;
            return Ok(true);
        }
        match fill(&self.path, self.bytes) {
            Ok(()) => {
                self.whole = true;
                Ok(true)
            }
            Err(error) => {
                self.release()?;
                if is_full(&error) { Ok(false) } else { Err(error) }
            }
        }
    }
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let chunk = vec![0u8; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        file.write_all(chunk.get(..now).unwrap_or(&chunk))?;
        left = left.saturating_sub(now as u64);
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_holds_real_bytes_and_comes_back_after_release() {
        let dir = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::open(dir.path(), 300_000).unwrap();
        let found = fs::metadata(dir.path().join(FILE)).unwrap();
        assert_eq!(found.len(), 300_000);
        assert!(found.blocks() * 512 >= 300_000);
        reserve.release().unwrap();
        assert!(!reserve.whole() && !dir.path().join(FILE).exists());
        assert!(reserve.restore().unwrap() && reserve.whole());
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().len(), 300_000);
    }

    #[test]
    fn another_size_in_the_configuration_remakes_it() {
        let dir = tempfile::tempdir().unwrap();
        Reserve::open(dir.path(), 300_000).unwrap();
        Reserve::open(dir.path(), 100_000).unwrap();
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().len(), 100_000);
        Reserve::open(dir.path(), 0).unwrap();
        assert!(!dir.path().join(FILE).exists());
    }
}
