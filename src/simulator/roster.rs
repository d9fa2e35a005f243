//! The users as the files the bridge's configuration reads: a roster and a password bundle.
//!
//! Deliberately absent: reading them (that is `inbound`'s, with types of its own).

use super::options::User;
use secrecy::ExposeSecret;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The two files written by [`write_roster`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterFiles {
    /// `agent,username`: `roster.file`.
    pub roster: PathBuf,
    /// `username,password`: `roster.passwords = { file = … }`.
    pub passwords: PathBuf,
}

/// `agent,username` with a header line.
pub fn roster_csv(users: &[User]) -> String {
    lines(["agent", "username"], users.iter().map(|user| [user.agent.as_str(), user.username.as_str()]))
}

/// `username,password` with a header line. Holds secrets.
pub fn passwords_csv(users: &[User]) -> String {
    lines(
        ["username", "password"],
        users.iter().map(|user| [user.username.as_str(), user.password.expose_secret()]),
    )
}

/// Writes `agents.csv` and `passwords.csv` into `dir` (made if need be), both readable by their owner only.
/// Each is written beside its place and then moved, so that a reader never sees half a file.
pub fn write_roster(dir: &Path, users: &[User]) -> io::Result<RosterFiles> {
    std::fs::create_dir_all(dir)?;
    let files = RosterFiles { roster: dir.join("agents.csv"), passwords: dir.join("passwords.csv") };
    write_private(&files.roster, &roster_csv(users))?;
    write_private(&files.passwords, &passwords_csv(users))?;
    Ok(files)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let part = path.with_extension("csv.part");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    // The mode above counts only for a new file; one left behind may be wider.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    drop(file);
    std::fs::rename(&part, path)
}

fn lines<'a>(header: [&'a str; 2], rows: impl Iterator<Item = [&'a str; 2]>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(header).chain(rows) {
        // Writing two fields to memory can not fail; a row that did would be missing, not wrong.
        let _ = writer.write_record(row);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn the_files_can_be_read_back_whatever_a_password_holds() {
        let users =
            vec![User { agent: "7".into(), username: "a,b".into(), password: SecretString::from("p\"w,") }];
        assert_eq!(roster_csv(&users), "agent,username\n7,\"a,b\"\n");
        assert_eq!(passwords_csv(&users), "username,password\n\"a,b\",\"p\"\"w,\"\n");
    }

    #[test]
    fn only_the_owner_can_read_them_even_over_a_wider_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("passwords.csv"), "old").unwrap();
        let files = write_roster(dir.path(), &super::super::options::demo_users()).unwrap();
        for path in [&files.roster, &files.passwords] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(std::fs::read_to_string(&files.passwords).unwrap().contains("agent-1001,demo-1001"));
    }
}
