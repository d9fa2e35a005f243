//! The bundle of passwords: one file of `username,password` lines for a whole roster.
//!
//! CSV as RFC 4180 has it, so that a password may hold a comma or a quote. Deliberately absent: a header line
//! (a user may be called anything), any trimming (a password may begin with
//! a blank), and wiping: the CSV reader keeps buffers that can not be reached.

use super::Error;
use secrecy::SecretString;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What is wrong with one line. Neither user nor password is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineProblem {
    /// Counted from 1.
    pub line: u64,
    pub reason: String,
}

/// Why a bundle can not be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    Read(#[from] Error),
    #[error("{place}: {}", joined(lines))]
    Lines { place: String, lines: Vec<LineProblem> },
}

fn joined(lines: &[LineProblem]) -> String {
    let shown: Vec<_> = lines.iter().take(20).map(ToString::to_string).collect();
    let more = lines.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join("; "))
}

/// Passwords by user name, or every line that is wrong. Blank lines and lines that begin with `#` are passed over.
pub fn parse_bundle(bytes: &[u8]) -> Result<HashMap<String, SecretString>, Vec<LineProblem>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .buffer_capacity(8 << 10)
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut found = HashMap::new();
    let mut first_at = HashMap::new();
    let mut problems = Vec::new();
    let mut lines = Lines { rest: bytes, offset: 0, line: 1 };
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(_) => {
                let line = lines.of(reader.position().byte());
                problems.push(LineProblem { line, reason: "is not CSV".to_owned() });
                break;
            }
        }
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        match entry(&record) {
            Err(reason) => problems.push(LineProblem { line, reason }),
            Ok((user, password)) => match first_at.entry(user.clone()) {
                Entry::Occupied(first) => {
                    let reason = format!("names the same user as line {}", first.get());
                    problems.push(LineProblem { line, reason });
                }
                Entry::Vacant(place) => {
                    place.insert(line);
                    found.insert(user, password);
                }
            },
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn entry(record: &csv::ByteRecord) -> Result<(String, SecretString), String> {
    let mut fields = record.iter();
    let (Some(user), Some(password), None) = (fields.next(), fields.next(), fields.next()) else {
        let found = record.len();
        return Err(format!(
            "has {found} field(s), not 2: expected username,password; quote a field that holds a comma or a quote"
        ));
    };
    let user = std::str::from_utf8(user).map_err(|_| "the user name is not UTF-8")?;
    let password = std::str::from_utf8(password).map_err(|_| "the password is not UTF-8")?;
    if user.is_empty() {
        return Err("the user name is empty".to_owned());
    }
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    Ok((user.to_owned(), SecretString::from(password)))
}

/// Line numbers by byte offset, for offsets that only grow. The CSV reader says where it began to look for a
/// record, which is before the blank lines and comments that it passes over.
struct Lines<'a> {
    rest: &'a [u8],
    offset: u64,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, offset: u64) -> u64 {
        while let Some((byte, rest)) = self.rest.split_first() {
            let between = self.offset < offset || matches!(byte, b'\n' | b'\r');
            if !between && *byte == b'#' {
                let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
                self.rest = self.rest.get(end..).unwrap_or_default();
                self.offset = self.offset.saturating_add(u64::try_from(end).unwrap_or(u64::MAX));
                continue;
            }
            if !between {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.offset += 1;
            self.rest = rest;
        }
        self.line
    }
}
