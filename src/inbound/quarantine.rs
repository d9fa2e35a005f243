//! Reply bodies that can not be read, kept for a person to look at: private files, few and bounded.
//!
//! Deliberately absent: reading them again; what was in them is named as a gap.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bodies kept; the oldest go.
const MAX_FILES: usize = 50;
/// Of each body so much is kept.
const MAX_BYTES: usize = 4 << 20;

/// Writes the body into `<state_dir>/quarantine`, whose files only their owner can read. `name` orders them by age.
pub fn keep(state_dir: &Path, name: &str, body: &[u8]) -> io::Result<PathBuf> {
    let dir = state_dir.join("quarantine");
    let made = std::fs::DirBuilder::new().mode(0o700).create(&dir);
    made.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    make_room(&dir)?;
    let path = dir.join(format!("{name}.body"));
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(body.get(..MAX_BYTES).unwrap_or(body))?;
    Ok(path)
}

fn make_room(dir: &Path) -> io::Result<()> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.sort();
    let over = (files.len() + 1).saturating_sub(MAX_FILES);
    files.iter().take(over).try_for_each(std::fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_newest_bodies_stay_and_only_their_owner_can_read_them() {
        let dir = tempfile::tempdir().unwrap();
        for n in 100..100 + MAX_FILES + 5 {
            keep(dir.path(), &n.to_string(), b"[{").unwrap();
        }
        let files: Vec<_> = std::fs::read_dir(dir.path().join("quarantine")).unwrap().flatten().collect();
        assert_eq!(files.len(), MAX_FILES);
        let last = dir.path().join("quarantine/154.body");
        assert_eq!(std::fs::read(&last).unwrap(), b"[{");
        assert_eq!(std::fs::metadata(&last).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
