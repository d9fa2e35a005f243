//! The state directory: made if missing, and refused where others could look into it.
//!
//! The directory itself may be reached through a symbolic link (systemd's `DynamicUser` does that); the
//! journal's files may not be links. Deliberately absent: mending modes by itself. A directory that was open
//! to others may have been read already, and its owner should know.

use super::api::Error;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Every file the journal may make, besides short-lived ones.
const FILES: &[&str] = &[
    super::lock::FILE,
    super::sqlite::FILE,
    "journal.sqlite-wal",
    "journal.sqlite-shm",
    super::high_water::FILE,
    super::high_water::NEXT,
    super::reserve::FILE,
];

/// Makes the directory where it is missing, and checks it and every file of ours in it.
pub(super) fn prepare(dir: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            let above = dir.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(above)?.sync_all()?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(refuse(dir, format!("can not be made: {error}; make it, with mode 0700")));
        }
    }
    check(dir)
}

/// Checks the directory and every file of ours in it, and makes nothing.
pub(super) fn check(dir: &Path) -> Result<(), Error> {
    let user = fs::metadata("/proc/self").map(|own| own.uid()).ok();
    let found = fs::metadata(dir).map_err(|error| refuse(dir, format!("can not be looked at: {error}")))?;
    if !found.is_dir() {
        return Err(refuse(dir, "is not a directory; state_dir must name one".to_owned()));
    }
    access(dir, &found, user, "0700")?;
    for name in FILES {
        let path = dir.join(name);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(refuse(&path, format!("can not be looked at: {error}"))),
        };
        if !found.is_file() {
            let what = if found.is_symlink() { "a symbolic link" } else { "not a plain file" };
            return Err(refuse(
                &path,
                format!("is {what}; move it away, the journal keeps plain files only"),
            ));
        }
        access(&path, &found, user, "0600")?;
    }
    Ok(())
}

fn access(path: &Path, found: &Metadata, user: Option<u32>, wanted: &str) -> Result<(), Error> {
    let owner = found.uid();
    if let Some(user) = user.filter(|user| *user != owner) {
        let reason = format!(
            "belongs to user id {owner}, but this process runs as {user}; run it as the owner, or chown it"
        );
        return Err(refuse(path, reason));
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(refuse(path, format!("mode {mode:04o} lets others in; mend it with: chmod {wanted} '{shown}'")))
}

fn refuse(path: &Path, reason: String) -> Error {
    Error::Directory { path: path.display().to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_missing_directory_is_made_for_the_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("state");
        prepare(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_open_to_others_is_refused_with_the_command_that_mends_it() {
        let temp = tempfile::tempdir().unwrap();
        chmod(temp.path(), 0o750);
        let said = prepare(temp.path()).unwrap_err().to_string();
        let shown = temp.path().display();
        assert!(said.contains("mode 0750") && said.contains(&format!("chmod 0700 '{shown}'")), "{said}");
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_command_that_mends_it() {
        let temp = tempfile::tempdir().unwrap();
        chmod(temp.path(), 0o700);
        let file = temp.path().join(super::super::sqlite::FILE);
        fs::write(&file, b"").unwrap();
        chmod(&file, 0o640);
        let said = prepare(temp.path()).unwrap_err().to_string();
        let shown = file.display();
        assert!(said.contains("mode 0640") && said.contains(&format!("chmod 0600 '{shown}'")), "{said}");
    }

    #[test]
    fn a_linked_file_is_refused_and_a_linked_directory_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let linked = temp.path().join("link");
        let real = temp.path().join("real");
        DirBuilder::new().mode(0o700).create(&real).unwrap();
        symlink(&real, &linked).unwrap();
        prepare(&linked).unwrap();
        symlink("/etc/passwd", real.join(super::super::sqlite::FILE)).unwrap();
        let said = prepare(&linked).unwrap_err().to_string();
        assert!(said.contains("symbolic link"), "{said}");
    }

    #[test]
    fn a_path_below_nothing_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        assert!(prepare(&temp.path().join("a/b")).is_err());
    }
}
