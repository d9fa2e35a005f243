//! What leaves through a sink for one event, as text for people (`check`).
//!
//! Made by the sink that would send it, of the same parts. Deliberately absent: secrets, and anything that is another at
//! each try: such a header has a word in brackets in place of its value.

use std::fmt::{Display, Formatter, Result};

/// What stands beside the body, in this order, and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub beside: Vec<(String, String)>,
    /// What it is called, and its bytes.
    pub body: (&'static str, Vec<u8>),
}

/// One line behind what was said before; where there is more than the body, a line for each.
impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (name, bytes) = &self.body;
        let body = String::from_utf8_lossy(bytes);
        if self.beside.is_empty() {
            return write!(f, " {body}");
        }
        for (name, text) in &self.beside {
            write!(f, "\n    {name}: {text}")?;
        }
        write!(f, "\n    {name}: {body}")
    }
}
