//! Reply bodies that can not be read, kept for a person to look at: private files, few and bounded.
//!
//! A broken server may send the same page to thousands of agents, or each of them another one: a body is kept once,
//! and where the directory is full only what has lain there for a while makes room. Deliberately absent: reading them
//! again (what was in them is named as a gap), and which reply is one too many (the machine says).

use crate::base::digest::Digest;
use crate::base::time::Millis;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bodies kept; the oldest go.
const MAX_FILES: usize = 50;
/// Of each body so much is kept.
const MAX_BYTES: usize = 4 << 20;
/// No body goes before it is so old: whoever was told of it is to find it.
const LEAST_AGE: Millis = 3_600_000;

/// `<state_dir>/quarantine`, shared by all sessions.
pub struct Quarantine {
    dir: PathBuf,
    one_at_a_time: Mutex<()>,
}

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept {
    New(PathBuf),
    /// The same one was kept before.
    Before(PathBuf),
    /// As many as there may be are there, and none of them is old enough to go.
    Full,
}

/// A body that is kept. Other files in the directory are their owner's.
struct File {
    at: Millis,
    digest: String,
    path: PathBuf,
}

impl Quarantine {
    pub fn of(state_dir: &Path) -> Quarantine {
        Quarantine { dir: state_dir.join("quarantine"), one_at_a_time: Mutex::new(()) }
    }

    /// Keeps the body in a file that only its owner can read.
    pub fn keep(&self, now: Millis, body: &[u8]) -> io::Result<Kept> {
        let _one = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&self.dir);
        made.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
        let body = body.get(..MAX_BYTES).unwrap_or(body);
        let (digest, mut files) = (Digest::of(body).hex(), self.files()?);
        if let Some(before) = files.iter().position(|file| file.digest == digest) {
            return Ok(Kept::Before(files.swap_remove(before).path));
        }
        let over = (files.len() + 1).saturating_sub(MAX_FILES);
        for oldest in files.into_iter().take(over) {
            // A clock that was set back must not hold the place for ever.
            if now.abs_diff(oldest.at) < LEAST_AGE.unsigned_abs() {
                return Ok(Kept::Full);
            }
            std::fs::remove_file(oldest.path)?;
        }
        let path = self.dir.join(format!("{now}-{digest}.body"));
        write(&path, body).inspect_err(|_| {
            // Half a body would be taken for the whole one; where it can not even be removed, the error says enough.
            let _ = std::fs::remove_file(&path);
        })?;
        Ok(Kept::New(path))
    }

    /// Removes the bodies that hold any of these texts; with `dry_run` only says how many there are.
    pub fn erase(&self, traces: &[String], dry_run: bool) -> io::Result<u64> {
        let _one = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match self.files() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            files => files?,
        };
        let mut found = 0u64;
        for file in files {
            let body = std::fs::read(&file.path)?;
            let holds = |trace: &String| {
                !trace.is_empty() && body.windows(trace.len()).any(|window| window == trace.as_bytes())
            };
            if traces.iter().any(holds) {
                found = found.saturating_add(1);
                if !dry_run {
                    std::fs::remove_file(&file.path)?;
                }
            }
        }
        Ok(found)
    }

    /// Oldest first.
    fn files(&self) -> io::Result<Vec<File>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".body"));
            if let Some((at, digest)) = name.and_then(|name| name.split_once('-'))
                && let Ok(at) = at.parse()
            {
                files.push(File { at, digest: digest.to_owned(), path: path.clone() });
            }
        }
        files.sort_by(|one, other| (one.at, &one.digest).cmp(&(other.at, &other.digest)));
        Ok(files)
    }
}

fn write(path: &Path, body: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn quarantine() -> (Quarantine, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Quarantine::of(folder.path()), folder)
    }

    fn bytes(quarantine: &Quarantine) -> u64 {
        quarantine.files().unwrap().iter().map(|file| file.path.metadata().unwrap().len()).sum()
    }

    #[test]
    fn the_beginning_of_a_body_is_kept_and_only_its_owner_can_read_it() {
        let (quarantine, _folder) = quarantine();
        let Kept::New(path) = quarantine.keep(7, b"[{").unwrap() else { panic!("it is new") };
        assert_eq!(std::fs::read(&path).unwrap(), b"[{");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&quarantine.dir).unwrap().permissions().mode() & 0o777, 0o700);
        let Kept::New(long) = quarantine.keep(8, &vec![b'x'; MAX_BYTES + 1]).unwrap() else { panic!() };
        assert_eq!(std::fs::metadata(long).unwrap().len(), MAX_BYTES as u64);
    }

    #[test]
    fn what_holds_a_text_that_must_go_is_removed_and_all_else_stays() {
        let (quarantine, _folder) = quarantine();
        assert_eq!(quarantine.erase(&["Ann".to_owned()], false).unwrap(), 0, "nothing was ever kept");
        quarantine.keep(1, b"[{\"name\":\"Ann\"").unwrap();
        quarantine.keep(2, b"[{\"name\":\"Bo\"").unwrap();
        let traces = ["Ann".to_owned(), String::new()];
        assert_eq!(quarantine.erase(&traces, true).unwrap(), 1);
        assert_eq!(quarantine.files().unwrap().len(), 2, "a dry run does nothing");
        assert_eq!(quarantine.erase(&traces, false).unwrap(), 1);
        assert_eq!(quarantine.files().unwrap().iter().map(|file| file.at).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn one_page_for_thousands_of_agents_is_kept_once_over_restarts_too() {
        let (quarantine, folder) = quarantine();
        let Kept::New(path) = quarantine.keep(1, b"<html>").unwrap() else { panic!("it is new") };
        for now in 2..5_000 {
            assert_eq!(quarantine.keep(now, b"<html>").unwrap(), Kept::Before(path.clone()));
        }
        assert_eq!(Quarantine::of(folder.path()).keep(9, b"<html>").unwrap(), Kept::Before(path));
        assert_eq!(quarantine.files().unwrap().len(), 1);
    }

    #[test]
    fn another_page_for_each_of_thousands_of_agents_takes_fifty_files_an_hour() {
        let (quarantine, _folder) = quarantine();
        let mut new = 0;
        for agent in 0..5_000 {
            let body = format!("{agent:099}\n");
            new +=
                usize::from(matches!(quarantine.keep(1_000 + agent, body.as_bytes()).unwrap(), Kept::New(_)));
        }
        assert_eq!((new, bytes(&quarantine)), (MAX_FILES, MAX_FILES as u64 * 100));
        // An hour later the oldest makes room, and no other.
        let Kept::New(young) = quarantine.keep(1_000 + LEAST_AGE, b"later").unwrap() else {
            panic!("no room")
        };
        assert_eq!(quarantine.keep(1_000 + LEAST_AGE, b"more").unwrap(), Kept::Full);
        let files = quarantine.files().unwrap();
        assert_eq!((files.len(), files[0].at, &files[MAX_FILES - 1].path), (MAX_FILES, 1_001, &young));
    }

    #[test]
    fn a_clock_set_back_takes_no_place_for_ever_and_files_of_others_stay() {
        let (quarantine, _folder) = quarantine();
        quarantine.keep(i64::MAX, b"from the future").unwrap();
        for name in ["notes.txt", "12.body", "looked-at.body"] {
            std::fs::write(quarantine.dir.join(name), "mine").unwrap();
        }
        std::fs::create_dir(quarantine.dir.join("seen")).unwrap();
        for hour in 0..200 {
            let kept = quarantine.keep(hour * LEAST_AGE, &hour.to_be_bytes()).unwrap();
            assert!(matches!(kept, Kept::New(_)), "{hour}: {kept:?}");
        }
        assert_eq!(quarantine.files().unwrap().len(), MAX_FILES);
        assert_eq!(std::fs::read_dir(&quarantine.dir).unwrap().count(), MAX_FILES + 4);
    }
}
