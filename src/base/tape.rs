//! Tapes: what a site sent to some agents, as lines of JSON, to be played again by the simulator.
//!
//! The first line says what the tape is, each further one holds a notification: milliseconds since the start, the
//! agent's number, channel and data. `veil` takes out what is personal before a line is written.
//! Deliberately absent: REST answers and faults; a tape holds what was heard, not what was lost.

mod veil;

pub use veil::{Level, Veil};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{BufRead, Write};
use std::path::Path;

/// The form that this release writes and plays.
const FORM: u32 = 1;
/// A line is a notification; one beyond this is no tape's.
const MAX_LINE: u64 = 16 << 20;

/// What is on a tape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The form: 1.
    pub tape: u32,
    /// `pseudonymous`, `no-content`, `minimal` or `full`.
    pub privacy: String,
    /// RFC 3339: when the recording began.
    pub recorded: String,
    /// How many agents were listened to; their numbers begin at 1.
    pub agents: usize,
}

/// One notification.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Milliseconds since the recording began.
    pub at: u64,
    pub agent: usize,
    pub channel: String,
    pub data: Box<RawValue>,
}

/// A whole tape, its lines in the order of their times.
#[derive(Clone, Debug)]
pub struct Tape {
    pub label: Label,
    pub lines: Vec<Line>,
}

/// Why a tape can not be read. No error repeats what stands on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the tape {0} can not be read: {1}")]
    Read(String, std::io::Error),
    #[error("the tape {0}, line {1}: {2}")]
    Line(String, usize, String),
}

impl Label {
    pub fn new(privacy: &str, recorded: String, agents: usize) -> Label {
        Label { tape: FORM, privacy: privacy.to_owned(), recorded, agents }
    }
}

/// Writes one line, the label or a notification.
pub fn write(out: &mut impl Write, line: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// Reads a tape; the first line that is none ends it with an error that names it.
pub fn load(path: &Path) -> Result<Tape, Error> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| Error::Read(name.clone(), error))?;
    read(&name, &mut std::io::BufReader::new(file))
}

/// `name` stands in the errors.
pub fn read(name: &str, from: &mut impl BufRead) -> Result<Tape, Error> {
    let mut tape: Option<Tape> = None;
    for number in 1.. {
        let mut text = Vec::new();
        let limited = &mut std::io::Read::take(&mut *from, MAX_LINE);
        let length =
            limited.read_until(b'\n', &mut text).map_err(|error| Error::Read(name.to_owned(), error))?;
        if length == 0 {
            break;
        }
        let wrong = |what: String| Error::Line(name.to_owned(), number, what);
        if length as u64 == MAX_LINE {
            return Err(wrong(format!("longer than {MAX_LINE} bytes")));
        }
        match &mut tape {
            None => tape = Some(Tape { label: label(&text).map_err(wrong)?, lines: Vec::new() }),
            Some(tape) => tape.lines.push(line(&text, tape.label.agents).map_err(wrong)?),
        }
    }
    let mut tape = tape.ok_or_else(|| Error::Line(name.to_owned(), 1, "the file is empty".to_owned()))?;
    tape.lines.sort_by_key(|line| line.at);
    Ok(tape)
}

fn label(text: &[u8]) -> Result<Label, String> {
    let label: Label = serde_json::from_slice(text)
        .map_err(|error| format!("the label of a tape is expected ({})", place(&error)))?;
    if label.tape != FORM {
        return Err(format!("its form is {}, this release plays form {FORM}", label.tape));
    }
    if !(1..=100_000).contains(&label.agents) {
        return Err(format!("agents = {}: want 1 to 100000", label.agents));
    }
    Ok(label)
}

fn line(text: &[u8], agents: usize) -> Result<Line, String> {
    let line: Line = serde_json::from_slice(text).map_err(|error| {
        format!("a notification with at, agent, channel and data is expected ({})", place(&error))
    })?;
    if !(1..=agents).contains(&line.agent) {
        return Err(format!("agent = {}: the label says 1 to {agents}", line.agent));
    }
    Ok(line)
}

/// The error's own words could quote the line.
fn place(error: &serde_json::Error) -> String {
    format!("{:?} error at column {}", error.classify(), error.column())
}

#[cfg(test)]
mod tests;
