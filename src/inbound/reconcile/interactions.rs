//! Which interactions a reading is about, where it differs from what is known, and how much was recovered.
//!
//! Pure. Deliberately absent: requests, and what is published of it.

use super::events::{conversation, medium_of, unlisted};
use super::paging::Had;
use crate::base::data::Recovered;
use crate::base::time::Millis;
use crate::inbound::normalise::{Candidate, Says, Shadow, Sight};
use crate::journal::Known;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known, by kind and id.
pub(super) type Rows = HashMap<(String, String), Known>;

pub(super) fn rows(known: Vec<Known>) -> Rows {
    known.into_iter().map(|row| ((row.kind.to_string(), row.id.clone()), row)).collect()
}

/// The row of a resource.
pub(super) fn row<'r>(rows: &'r Rows, kind: &str, id: &str) -> Option<&'r Known> {
    rows.get(&(kind.to_owned(), id.to_owned()))
}

/// The interactions of a medium to look at: listed now, open before or now, or changed since the gap opened.
pub(super) fn concerned(
    medium: &'static str,
    before: &Rows,
    known: &Rows,
    listed: &BTreeSet<String>,
    since: Option<Millis>,
) -> BTreeSet<String> {
    let all = before.values().chain(known.values()).filter(|row| medium_of(row) == Some(medium));
    let held =
        all.filter(|row| row.open || since.is_some_and(|since| row.at >= since)).map(|row| row.id.clone());
    listed.iter().cloned().chain(held).collect()
}

/// Those of a medium that are known to be open and stand in no list.
pub(super) fn missing<'r>(
    medium: &'static str,
    known: &'r Rows,
    listed: &BTreeSet<String>,
) -> Vec<&'r Known> {
    let open = known.values().filter(|row| row.open && medium_of(row) == Some(medium));
    let mut out: Vec<&Known> = open.filter(|row| !listed.contains(&row.id)).collect();
    out.sort_by(|a, b| a.id.cmp(&b.id));
    out
}

/// Those that were told of since the gap opened, are over by now and were not looked at: they ended before their list
/// was read, and that was heard after it.
pub(super) fn late<'r>(
    known: &'r Rows,
    since: Millis,
    read: &BTreeSet<(&'static str, String)>,
) -> Vec<(&'static str, &'r str)> {
    let over = known.values().filter(|row| !row.open && row.at >= since);
    let named = over.filter_map(|row| Some((conversation(&row.kind)?, row.id.as_str())));
    let mut out: Vec<_> = named.filter(|(medium, id)| !read.contains(&(*medium, (*id).to_owned()))).collect();
    out.sort_unstable();
    out
}

/// Those that REST does not list and that a gap touched: open, or told of since it opened.
pub(super) fn unread(known: &Rows, since: Millis) -> Vec<(&'static str, &str)> {
    let touched = known.values().filter(|row| row.open || row.at >= since);
    let mut out: Vec<_> = touched.filter_map(|row| Some((unlisted(row)?, row.id.as_str()))).collect();
    out.sort_unstable();
    out
}

/// How much of an interaction could be read again: its state, and its log from the last known index on. A log
/// without any item is not shown: of a conversation that the agent is invited to again nobody sees what was said while
/// it took part before.
pub(super) fn verdict(state: bool, log: &Had, known: bool) -> Recovered {
    let shown = if known { log.overlap } else { log.highest.is_some() };
    match (state, log.whole && shown) {
        (true, true) => Recovered::Yes,
        (false, false) => Recovered::No,
        _ => Recovered::Partly,
    }
}

/// A resource that REST shows otherwise than it is known: kind, id, and the row it was compared with.
pub(super) type Suspect = (String, String, Option<Known>);

/// Whether REST shows a state that this session should have been told of. Attached data and comments do not
/// count: the two forms may show different parts of them.
pub(super) fn differs(rows: &Rows, seen: &Candidate) -> Option<Suspect> {
    let Some(Sight { kind, id, says: Says::State { open, shadow } }) = &seen.sight else { return None };
    let suspect = |row: Option<&Known>| Some((kind.to_string(), id.clone(), row.cloned()));
    match row(rows, kind, id) {
        // What never changed was perhaps never told; a conversation that nobody told of is another matter.
        None if crate::base::envelope::medium::CONVERSATIONS.contains(kind) => suspect(None),
        None => None,
        Some(row) => {
            let told = Shadow::parse(&row.shadow).differs_told(shadow);
            (told || open.is_some_and(|open| open != row.open)).then(|| suspect(Some(row))).flatten()
        }
    }
}

/// Of those that differed, the ones of which nothing was heard since, counted by kind.
pub(super) fn unheard(suspects: &[Suspect], rows: &Rows) -> BTreeMap<String, u64> {
    let still: BTreeSet<(&String, &String)> = suspects
        .iter()
        .filter(|(kind, id, before)| row(rows, kind, id) == before.as_ref())
        .map(|(kind, id, _)| (kind, id))
        .collect();
    let mut out = BTreeMap::new();
    for (kind, _) in still {
        *out.entry(kind.clone()).or_insert(0) += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::base::envelope::Event;
    use crate::inbound::normalise::{Identity, Key};
    use rstest::rstest;
    use serde_json::value::RawValue;

    fn known(kind: &'static str, id: &str, open: bool, at: Millis) -> Known {
        let shadow = r#"{"state":"Chatting","comment":"aa"}"#.to_owned();
        Known {
            session: "main/a".into(),
            kind: kind.into(),
            id: id.into(),
            open,
            last_index: None,
            shadow,
            at,
        }
    }

    fn listed(kind: &'static str, id: &str, shadow: &str) -> Candidate {
        let says = Says::State { open: Some(true), shadow: Shadow::parse(shadow) };
        Candidate {
            event: Event::bare(RawValue::from_string("{}".into()).unwrap()),
            identity: Identity::Assigned,
            dedup: Key::None,
            resource: None,
            content: Digest::of(b""),
            sight: Some(Sight { kind, id: id.into(), says }),
            dated: false,
            compared: false,
        }
    }

    fn ids(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn what_was_open_is_listed_or_changed_in_the_gap_is_looked_at() {
        let before = rows(vec![
            known("chat", "open", true, 10),
            known("chat", "old", false, 10),
            known("chat", "late", false, 50),
            known("smssession", "other", true, 50),
            known("device", "d", true, 50),
        ]);
        let seen = concerned(
            "chat",
            &before,
            &rows(vec![known("chat", "new", true, 60)]),
            &ids(&["listed"]),
            Some(50),
        );
        assert_eq!(seen, ids(&["open", "late", "listed", "new"]));
    }

    #[test]
    fn only_what_is_open_and_in_no_list_has_ended() {
        let all = rows(vec![
            known("chat", "gone", true, 1),
            known("chat", "there", true, 1),
            known("chat", "closed", false, 1),
            known("device", "d", true, 1),
        ]);
        let gone = missing("chat", &all, &ids(&["there"]));
        assert_eq!(gone.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["gone"]);
    }

    #[rstest]
    #[case(true, true, Some(9), true, true, Recovered::Yes)]
    #[case(true, true, Some(9), false, false, Recovered::Yes)]
    #[case(true, true, None, false, false, Recovered::Partly)]
    #[case(true, true, Some(9), false, true, Recovered::Partly)]
    #[case(true, false, Some(9), true, true, Recovered::Partly)]
    #[case(false, true, Some(9), true, true, Recovered::Partly)]
    #[case(false, false, Some(9), true, false, Recovered::No)]
    fn recovered_is_the_state_and_the_log_with_its_overlap(
        #[case] state: bool,
        #[case] whole: bool,
        #[case] highest: Option<i64>,
        #[case] overlap: bool,
        #[case] known: bool,
        #[case] expected: Recovered,
    ) {
        assert_eq!(verdict(state, &Had { whole, overlap, highest, ..Had::default() }, known), expected);
    }

    #[test]
    fn a_difference_counts_only_where_nothing_was_heard_of_it_since() {
        let rows_then = rows(vec![known("chat", "1", true, 1), known("device", "d", true, 1)]);
        let suspects: Vec<Suspect> = [
            listed("chat", "1", r#"{"state":"Held"}"#),
            listed("chat", "2", r#"{"state":"Invited"}"#),
            listed("device", "d", r#"{"state":"Chatting"}"#),
            listed("device", "e", r#"{"state":"Ready"}"#),
            listed("chat", "1", r#"{"state":"Chatting","comment":"bb"}"#),
        ]
        .iter()
        .filter_map(|seen| differs(&rows_then, seen))
        .collect();
        assert_eq!(suspects.len(), 2, "equal, never told, or in a comment only");
        assert_eq!(unheard(&suspects, &rows_then)["chat"], 2);
        let heard = rows(vec![known("chat", "1", true, 2)]);
        assert_eq!(unheard(&suspects, &heard)["chat"], 1, "a notification came meanwhile");
    }
}
