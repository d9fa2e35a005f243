//! What sinks want of what there is.

use super::*;
use crate::outbound::testing::{config, event as message, raw};

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn sink(matching: Match, except: Match) -> SinkConfig {
    SinkConfig { matching, except, ..config("s", 1) }
}

fn matching(matching: Match) -> SinkConfig {
    sink(matching, Match::default())
}

fn except(except: Match) -> SinkConfig {
    sink(Match::default(), except)
}

/// An event of `medium` without what only log items have.
fn told(medium: &'static str, word: &'static str, data: &str) -> Event {
    let mut event = message("k", 1);
    (event.medium, event.event, event.data) = (medium.into(), word.into(), raw(data));
    (event.visibility, event.authorkind) = (None, None);
    event
}

#[test]
fn empty_lists_want_everything() {
    assert!(wants(&except(Match::default()), &message("k", 1)));
}

#[test]
fn every_list_that_is_not_empty_must_name_the_event() {
    let wanted = |medium: &[&str], event: &[&str]| {
        let list = Match { medium: own(medium), event: own(event), ..Match::default() };
        wants(&matching(list), &message("k", 1))
    };
    assert!(wanted(&["smssession", "chat"], &["message"]));
    assert!(!wanted(&["chat"], &["status_change"]) && !wanted(&["facebooksession"], &["message"]));
    assert!(wants(&matching(Match { site: own(&["main"]), ..Match::default() }), &message("k", 1)));
    assert!(!wants(&matching(Match { site: own(&["other"]), ..Match::default() }), &message("k", 1)));
    assert!(wants(&matching(Match { class: own(&["content"]), ..Match::default() }), &message("k", 1)));
    assert!(!wants(&matching(Match { class: own(&["lifecycle"]), ..Match::default() }), &message("k", 1)));
}

#[test]
fn a_list_of_visibilities_holds_back_log_items_alone() {
    let public = matching(Match { visibility: own(&["All"]), ..Match::default() });
    let mut item = message("k", 1);
    item.visibility = Some("All".to_owned());
    assert!(wants(&public, &item));
    item.visibility = Some("Agents".to_owned());
    assert!(!wants(&public, &item));
    assert!(wants(&public, &told("chat", "status_change", "{}")), "it has no visibility");
    let hidden = except(Match { visibility: own(&["Agents"]), ..Match::default() });
    assert!(!wants(&hidden, &item) && wants(&hidden, &told("chat", "status_change", "{}")));
}

#[test]
fn authors_agents_and_states_are_named_by_events_that_have_them() {
    let customers = matching(Match { authorkind: own(&["Customer"]), ..Match::default() });
    assert!(wants(&customers, &message("k", 1)));
    assert!(!wants(&customers, &told("chat", "status_change", "{}")));

    let states = matching(Match { state: own(&["Completed", "NotReady"]), ..Match::default() });
    assert!(wants(&states, &told("chat", "status_change", r#"{"interactionId":"i","state":"Completed"}"#)));
    assert!(!wants(&states, &told("chat", "status_change", r#"{"interactionId":"i","state":"Invited"}"#)));
    let agent = |state: &str| {
        told(
            "agent",
            "state_change",
            &format!(r#"{{"deviceState":"Active","userState":{{"id":"7","state":"{state}"}}}}"#),
        )
    };
    assert!(wants(&states, &agent("NotReady")) && wants(&states, &agent("Not\\u0052eady")));
    assert!(!wants(&states, &agent("Ready")) && !wants(&states, &message("k", 1)));

    let mut mine = agent("Ready");
    mine.agent = Some("1001".to_owned());
    assert!(wants(&matching(Match { agent: own(&["1001"]), ..Match::default() }), &mine));
    assert!(!wants(&matching(Match { agent: own(&["1002"]), ..Match::default() }), &mine));
}

#[test]
fn a_group_is_the_one_in_the_event_and_what_has_none_is_of_no_group() {
    let of = |group: Option<&str>| {
        let mut event = told("agent", "state_change", "{}");
        event.group = group.map(str::to_owned);
        event
    };
    let north = Match { group: own(&["north"]), ..Match::default() };
    assert!(wants(&matching(north.clone()), &of(Some("north"))));
    assert!(
        !wants(&matching(north.clone()), &of(Some("south"))) && !wants(&matching(north.clone()), &of(None))
    );
    assert!(!wants(&except(north.clone()), &of(Some("north"))) && wants(&except(north), &of(None)));
}

#[test]
fn except_wins_where_all_its_lists_name_the_event() {
    let list = Match { medium: own(&["chat"]), event: own(&["message"]), ..Match::default() };
    assert!(!wants(&sink(list.clone(), list.clone()), &message("k", 1)));
    assert!(!wants(&except(list.clone()), &message("k", 1)));
    assert!(wants(&except(list), &told("chat", "status_change", "{}")), "one list does not name it");
}

#[test]
fn unknown_words_of_open_lists_are_noted() {
    let list = Match { visibility: own(&["all", "All"]), state: own(&["Ready"]), ..Match::default() };
    let notes = notes(&matching(list));
    assert_eq!(
        notes,
        [
            "match.visibility: \"all\" is none of the words known (All, Agents, Supervisors); upper and lower case count"
        ]
    );
}

#[test]
fn transcripts_are_for_those_alone_who_ask_for_them() {
    let mut transcript = message("k", 1);
    transcript.event = "transcript".into();
    let all = sink(Match::default(), Match::default());
    assert!(!wants(&all, &transcript));
    let asks = SinkConfig { transcripts: true, ..all };
    assert!(wants(&asks, &transcript) && wants(&asks, &message("k", 1)));
}
