//! The verdict of the sheet, and when a difference between REST and notifications counts.

use super::facts::Facts;
use super::look::Look;
use super::sheet::{Sheet, Verdict};
use super::watch::Watch;
use crate::inbound::session::login::judge;
use crate::inbound::session::transport::Answer;
use crate::inbound::settings::testing;

/// What happened in a trial.
type Event = fn(&mut Sheet);

fn sheet() -> Sheet {
    let mut sheet = Sheet::new(&testing::site(), "1001", 1_000);
    sheet.ack = Some(true);
    sheet.looks = 1;
    sheet.before = Ok(vec!["device: Ready".to_owned()]);
    sheet.count("chat.message");
    sheet
}

fn look(facts: &[(&str, &str, &str)]) -> Look {
    Look { facts: Facts::of(facts), ..Look::default() }
}

fn verdict(change: impl FnOnce(&mut Sheet)) -> (Verdict, String) {
    let mut sheet = sheet();
    change(&mut sheet);
    let (verdict, reasons) = sheet.verdict();
    (verdict, reasons.join("; "))
}

#[test]
fn a_trial_with_nothing_against_it_is_a_go() {
    assert_eq!(verdict(|_| {}), (Verdict::Go, String::new()));
}

#[test]
fn what_speaks_against_a_site_is_a_no_go() {
    let against: [(Event, &str); 6] = [
        (|sheet| sheet.login = Err("HTTP 401".to_owned()), "there was no login: HTTP 401"),
        (|sheet| sheet.ack = None, "there was no CometD session"),
        (
            |sheet| assert!(sheet.refused.insert("/v2/me/*".into(), "403".into()).is_none()),
            "the server refused every topic",
        ),
        (|sheet| sheet.logged_out_after = true, "the agent was logged out"),
        (|sheet| assert!(sheet.untold.insert("chat".into(), 1).is_none()), "REST showed changes"),
        (|sheet| sheet.multiple_clients = true, "took us and another client for one browser"),
    ];
    for (change, words) in against {
        let (verdict, reasons) = verdict(change);
        assert!(verdict == Verdict::NoGo && reasons.contains(words), "{reasons}");
    }
}

/// A trial tries once: what the service does by itself is not promised.
#[test]
fn a_refusal_promises_no_other_try() {
    let refused = [(401, ""), (403, r#"{"statusCode":20}"#), (200, r#"{"statusCode":8}"#)];
    for (status, body) in refused {
        let (status, headers) = (http::StatusCode::from_u16(status).unwrap(), http::HeaderMap::new());
        let failure = judge(&Answer { status, headers, body: body.into() }, "ann").unwrap_err();
        let said = super::reason(failure);
        assert!(said.contains(": then try again") && !said.contains("by itself"), "{said}");
    }
}

#[test]
fn what_was_not_seen_leaves_it_undecided_and_an_agent_that_was_out_before_proves_nothing() {
    assert_eq!(verdict(|sheet| sheet.notifications.clear()).0, Verdict::Undecided);
    assert_eq!(verdict(|sheet| sheet.polls_failed = 1).0, Verdict::Undecided);
    assert_eq!(verdict(|sheet| sheet.unread = Some("HTTP 500".to_owned())).0, Verdict::Undecided);
    assert_eq!(verdict(|sheet| sheet.looks = 0).0, Verdict::Undecided);
    let unknown = |sheet: &mut Sheet| {
        sheet.before = Err("HTTP 500".to_owned());
        sheet.logged_out_after = true;
    };
    assert_eq!(verdict(unknown).0, Verdict::Undecided);
    assert_eq!(verdict(|sheet| sheet.after = Err("HTTP 500".to_owned())).0, Verdict::Undecided);
    let out = |sheet: &mut Sheet| {
        sheet.before = Ok(vec!["device: LoggedOut".to_owned()]);
        sheet.logged_out_during = true;
    };
    assert_eq!(verdict(out).0, Verdict::Go);
}

#[test]
fn a_difference_counts_when_two_looks_in_a_row_show_it_and_only_once() {
    let mut watch = Watch::new(sheet(), Some(Facts::default()), None);
    let new = || Ok(look(&[("a", "chat", "Chatting")]));
    watch.looked(new());
    assert!(watch.sheet.untold.is_empty() && watch.doubts(), "its notification may be on its way");
    watch.looked(new());
    watch.looked(new());
    assert_eq!(watch.sheet.untold, [("chat".to_owned(), 1)].into());
    assert!(!watch.doubts());
    // What changes at every look is never proven, and something else that stands still is.
    let mut watch = Watch::new(sheet(), Some(Facts::default()), None);
    watch.looked(Ok(look(&[("a", "chat", "X"), ("b", "chat", "Chatting")])));
    watch.looked(Ok(look(&[("a", "chat", "Y"), ("b", "chat", "Chatting")])));
    assert_eq!(watch.sheet.untold, [("chat".to_owned(), 1)].into());
}

#[test]
fn what_stood_when_nobody_could_look_is_no_change_and_a_failed_look_is_none() {
    let mut watch = Watch::new(sheet(), None, None);
    watch.looked(Err("the list of chat: HTTP 500".to_owned()));
    assert_eq!((watch.sheet.looks, watch.sheet.unread.is_some()), (1, true));
    for _ in 0..3 {
        watch.looked(Ok(look(&[("a", "chat", "Chatting")])));
    }
    assert!(watch.sheet.untold.is_empty() && !watch.doubts());
    assert_eq!(watch.sheet.looks, 4);
}

#[test]
fn a_list_that_the_server_does_not_have_stands_on_the_sheet() {
    let mut watch = Watch::new(sheet(), Some(Facts::default()), None);
    watch.looked(Ok(Look { unlisted: ["smssession"].into(), ..Look::default() }));
    let text = watch.sheet.text();
    assert!(text.contains("| no list in REST | smssession |"), "{text}");
}

#[test]
fn the_sheet_holds_no_markup_of_the_servers() {
    let mut sheet = sheet();
    sheet.troubles.insert("connect: <b>|\n# GO".to_owned());
    let text = sheet.text();
    assert!(text.contains("| troubles | connect: (b)/ # GO |\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&sheet.json().unwrap()).unwrap();
    assert_eq!(
        (&json["verdict"], &json["login"], &json["longestPollMs"]),
        (&"go".into(), &serde_json::json!([]), &0.into())
    );
    sheet.after = Err("HTTP 500".to_owned());
    let json: serde_json::Value = serde_json::from_str(&sheet.json().unwrap()).unwrap();
    assert_eq!(json["after"]["error"], "HTTP 500");
}
