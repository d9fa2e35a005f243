//! Since when an agent's state stands, as far as it follows from what was received.
//!
//! A notification that shows another state than the one before tells of the change itself: the state stands since that
//! notification, and as long as it stays the same. That needs the state before, seen under the coverage that still
//! holds, in a notification or a reading. So nobody knows since when a state stands that is seen first of its device or
//! channel, or first since a gap of the session, or first in a reading; then nothing is said, until the next change.
//!
//! A list of devices or channels is whole, not a change to be applied: a reason or a work mode that one notification has
//! and the next one lacks is another state. REST may leave them out, and so may any form the state's id and do not disturb: those
//! count only where both have them.
//! What is remembered for it stands in the resource's shadow, so that it outlives a restart. Deliberately absent: when
//! a gap opens, and what a candidate is.

use crate::base::data::AgentStateData;
use crate::inbound::normalise::Shadow;
use crate::journal::Gap;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashMap;

/// Marks in a shadow beside the fields it compares: the state shown last (itself a shadow), in what form, and since when.
const SEEN: &str = "seen";
const READ: &str = "read";
const SINCE: &str = "since";

/// The fields of [`crate::base::data::UserState`] as a shadow has them.
const STATE: &str = "state";
const USER: &[&str] = &[STATE, "stateId", "reason", "workMode"];
/// Those of them whose absence says something.
const WHOLE: &[&str] = &["reason", "workMode"];
const DND: &str = "dnd";

/// Which sessions had a gap in this process: what was read before it says nothing of the time after.
#[derive(Default)]
pub(super) struct Coverage(HashMap<String, Broken>);

struct Broken {
    /// When its gap opened or closed last, in the order of decisions.
    at: u64,
    open: bool,
}

impl Coverage {
    pub(super) fn gaps(&mut self, gaps: &[Gap], now: u64) {
        for gap in gaps {
            self.0.insert(gap.session.clone(), Broken { at: now, open: gap.to.is_none() });
        }
    }

    pub(super) fn forget(&mut self, session: &str) {
        self.0.remove(session);
    }

    /// Whether what came from the server at this moment is followed by whatever changes later.
    pub(super) fn holds(&self, session: &str, taken: u64) -> bool {
        self.0.get(session).is_none_or(|broken| !broken.open && broken.at < taken)
    }
}

/// A notification shows this of a resource of which so much is known; says whether a mark changed.
pub(super) fn told(known: &mut Shadow, shown: &Shadow, time: &str, covered: bool) -> bool {
    let before = known.get(SEEN).filter(|_| covered).map(Shadow::parse);
    let exact = known.get(READ).is_none();
    let since = match &before {
        Some(before) if is_other(before, shown, exact) => Some(time.to_owned()),
        Some(_) => known.get(SINCE).map(str::to_owned),
        None => None,
    };
    let seen = (covered && (before.is_some() || shows_user(shown))).then(|| seen(before.as_ref(), shown));
    let read = known.get(READ).filter(|_| seen.is_some() && !shows_user(shown)).map(str::to_owned);
    put(known, seen, read, since)
}

/// A reading shows this; says whether a mark changed. `differs` is the judgement whether it goes out as an event.
pub(super) fn read(known: &mut Shadow, shown: &Shadow, differs: bool, covered: bool) -> bool {
    if !differs && known.get(SEEN).is_some() {
        return false;
    }
    let vouches = covered && shows_user(shown);
    put(known, vouches.then(|| seen(None, shown)), vouches.then(|| "1".to_owned()), None)
}

/// A gap opens; says whether a mark changed.
pub(super) fn lapse(known: &mut Shadow) -> bool {
    put(known, None, None, None)
}

/// The data of an event that shows an agent's state, with what is known of since when it stands.
pub(super) fn dated(data: &RawValue, known: &Shadow) -> Option<Box<RawValue>> {
    let since = known.get(SINCE)?;
    let mut state: AgentStateData = serde_json::from_str(data.get()).ok()?;
    state.user_state.as_ref()?;
    state.since = Some(since.to_owned());
    to_raw_value(&state).ok()
}

fn put(known: &mut Shadow, seen: Option<Shadow>, read: Option<String>, since: Option<String>) -> bool {
    // All three, whatever the first of them says.
    known.put(SEEN, seen.map(|seen| seen.text())) | known.put(READ, read) | known.put(SINCE, since)
}

fn shows_user(shown: &Shadow) -> bool {
    USER.iter().any(|field| shown.get(field).is_some())
}

fn is_other(before: &Shadow, shown: &Shadow, exact: bool) -> bool {
    let differs = |field: &str| match (before.get(field), shown.get(field)) {
        (Some(before), Some(now)) => !before.eq_ignore_ascii_case(now),
        (None, None) => false,
        _ => exact && WHOLE.contains(&field) && shows_user(shown),
    };
    USER.iter().any(|field| differs(field)) || differs(DND)
}

/// The state as it is seen now: what a form may leave out is carried on.
fn seen(before: Option<&Shadow>, shown: &Shadow) -> Shadow {
    let mut seen = Shadow::default();
    let same = before.is_some_and(|before| !is_other(before, shown, false));
    for field in USER {
        let carried = !shows_user(shown) || (same && !WHOLE.contains(field));
        let old = before.filter(|_| carried).and_then(|before| before.get(field));
        seen.put(field, shown.get(field).or(old).map(str::to_owned));
    }
    let old = before.and_then(|before| before.get(DND));
    seen.put(DND, shown.get(DND).or(old).map(str::to_owned));
    seen
}
