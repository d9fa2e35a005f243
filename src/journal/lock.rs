//! The exclusive lock on the state directory: a locked file that names its holder.
//!
//! The lock ends with the process, however it ends; the file stays. Deliberately absent: removing the file,
//! which would let two processes hold two files of one name.

use super::api::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(super) const FILE: &str = "lock";

/// Held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock(File);

/// Not left to the closing of the file: a process that is being started holds a copy of it for a moment.
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Takes the lock, or says who has it.
pub(super) fn take(dir: &Path) -> Result<Lock, Error> {
    let path = dir.join(FILE);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // A pid is short; whatever else stands there is not ours to print.
            file.take(16).read_to_string(&mut pid).ok();
            let pid = pid.trim();
            let known = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
            let pid = if known { pid } else { "unknown" }.to_owned();
            return Err(Error::Locked { path: dir.display().to_string(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    // Who holds it is a help for people only: a disk too full to write it does not matter here.
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| {
        let pid = std::process::id();
        file.write_all(format!("{pid}\n").as_bytes())
    });
    match written {
        Err(error) if !super::fault::is_full(&error) => Err(error.into()),
        _ => Ok(Lock(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it_and_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path()).unwrap();
        match take(dir.path()) {
            Err(Error::Locked { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(first);
        take(dir.path()).unwrap();
    }
}
