//! One GET of a reading, at the site's pace; what may go well later is tried again a few times.
//!
//! Deliberately absent: what is read, and what follows from it.

use super::lists::{self, Trouble};
use crate::inbound::session::transport::{Transport, asked_wait};
use crate::inbound::site::{Errand, Site};
use serde_json::value::RawValue;
use std::time::Duration;

/// How patient a reading is.
pub struct Patience {
    /// Waits between tries.
    pub waits: &'static [Duration],
    /// The longest wait that a server can ask for.
    pub longest: Duration,
}

/// What is got.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub path: &'a str,
    /// Its name in messages.
    pub what: &'a str,
    /// Whether it is the user's own resource.
    pub me: bool,
}

/// The body of a GET that went well, and what `leaves` said when it left.
pub async fn fetch<T>(
    (site, transport): (&Site, &Transport),
    wanted: Wanted<'_>,
    patience: &Patience,
    leaves: impl Fn() -> T,
) -> Result<(T, Box<RawValue>), Trouble> {
    let Wanted { path, what, me } = wanted;
    let mut waits = patience.waits.iter();
    loop {
        site.admit_at(Errand::Read, &transport.base()).await;
        let left = leaves();
        let answer = transport.get(path, site.config.network_delay).await;
        let asked = answer.as_ref().ok().and_then(|answer| asked_wait(&answer.headers));
        let trouble = match answer {
            Ok(answer) => match lists::good(answer.status, &answer.body, what, me) {
                Ok(body) => return Ok((left, body)),
                Err(trouble) => trouble,
            },
            Err(failure) => Trouble::Failed { text: format!("{what}: {}", failure.text), again: true },
        };
        match (&trouble, waits.next()) {
            (Trouble::Failed { again: true, .. }, Some(wait)) => {
                tokio::time::sleep(asked.unwrap_or(*wait).min(patience.longest)).await;
            }
            _ => return Err(trouble),
        }
    }
}
