//! The roster in force as it is kept in `state_dir`: what a start compares the file with.
//!
//! One file a site, `rosters/SITE`, its owner's alone and replaced whole: a line with a digest, then the bytes as they
//! were read. A guard and no source: where it is lost or damaged the configured file is taken. Deliberately absent:
//! what a difference means (`begin`).

use super::Error;
use crate::base::digest::Digest;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const DIR: &str = "rosters";
const TITLE: &str = "cometbridge-roster-1";

/// What is found of a site's roster.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// None was kept.
    Nothing,
    Content(Vec<u8>),
    /// Not what was written; why.
    Damaged(String),
}

pub(super) fn path(state_dir: &Path, site: &str) -> PathBuf {
    state_dir.join(DIR).join(site)
}

/// Reads what was kept; an error where others could have read or changed it.
pub(super) fn load(state_dir: &Path, site: &str) -> Result<Found, Error> {
    let path = path(state_dir, site);
    let found = fs::symlink_metadata(&path).and_then(|found| Ok((found, fs::read(&path)?)));
    let (found, bytes) = match found {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Ok(Found::Damaged(format!("it can not be read: {error}"))),
    };
    let mode = found.permissions().mode() & 0o7777;
    if found.is_symlink() || mode & 0o077 != 0 {
        let shown = path.display();
        let fault = match found.is_symlink() {
            true => format!("{shown}: is a symbolic link; move it away"),
            false => {
                format!("{shown}: mode {mode:04o} lets others in; mend it with: chmod 0600 '{shown}'")
            }
        };
        return Err(Error(vec![fault]));
    }
    Ok(match content(&bytes) {
        Some(content) => Found::Content(content.to_vec()),
        None => Found::Damaged("it is not whole, or of another release".to_owned()),
    })
}

fn content(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, content) = (bytes.get(..end)?, bytes.get(end.checked_add(1)?..)?);
    (head == head_of(content).as_bytes()).then_some(content)
}

fn head_of(content: &[u8]) -> String {
    format!("{TITLE} {}", Digest::of(content).hex())
}

/// Replaces what is kept, on disk when this returns. Blocks.
pub fn keep(state_dir: &Path, site: &str, content: &[u8]) -> io::Result<()> {
    let dir = state_dir.join(DIR);
    match DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => File::open(state_dir)?.sync_all()?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // No site has a dot in its name.
    let next = dir.join(format!("{site}.next"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(format!("{}\n", head_of(content)).as_bytes())?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&next, path(state_dir, site))?;
    File::open(&dir)?.sync_all()
}

/// Removes what is kept of sites that are configured no longer: user names are not to stay for nothing.
pub fn forget_others(state_dir: &Path, known: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(state_dir.join(DIR)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&known) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir.join(DIR)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_kept_is_found_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path(), "main").unwrap(), Found::Nothing);
        for text in ["agent,username\n1,ann\n", "", "\n\n", "agent,username\n"] {
            keep(dir.path(), "main", text.as_bytes()).unwrap();
            assert_eq!(load(dir.path(), "main").unwrap(), Found::Content(text.into()));
        }
        assert_eq!(names(dir.path()), ["main"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir.path().join(DIR)), mode(&path(dir.path(), "main"))), (0o700, 0o600));
    }

    #[test]
    fn a_damaged_copy_is_named_and_one_that_is_open_to_others_refused() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), "main", b"agent,username\n1,ann\n2,bob\n").unwrap();
        let path = path(dir.path(), "main");
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(matches!(load(dir.path(), "main").unwrap(), Found::Damaged(_)), "cut at {end}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = load(dir.path(), "main").unwrap_err().to_string();
        assert!(said.contains("mode 0640") && said.contains("chmod 0600 '"), "{said}");
    }

    #[test]
    fn nothing_stays_of_sites_that_are_no_more() {
        let dir = tempfile::tempdir().unwrap();
        forget_others(dir.path(), |_| false).unwrap();
        for site in ["a", "b", "c"] {
            keep(dir.path(), site, b"x").unwrap();
        }
        fs::write(dir.path().join(DIR).join("b.next"), b"left by a crash").unwrap();
        forget_others(dir.path(), |site| site == "b").unwrap();
        assert_eq!(names(dir.path()), ["b"]);
    }
}
