//! Since when agents' states stand: what each order of notifications, readings, gaps and restarts lets know.

use super::*;
use crate::base::data::AgentStateData;
use crate::base::left_out::LeftOut;
use crate::inbound::normalise::{Context, keys, normalise, snapshot};
use crate::inbound::settings::{SiteConfig, testing};
use crate::inbound::users::Users;
use rstest::rstest;
use serde_json::{Value, json};

const READY: &str = r#"{"id":"9","state":"Ready"}"#;
const LUNCH: &str = r#"{"id":"7","state":"NotReady","reason":"Lunch"}"#;

/// One agent, and the device `d` of it.
struct Desk {
    bench: Bench,
    site: SiteConfig,
    users: Users,
    now: u64,
}

impl Desk {
    fn new() -> Desk {
        Desk { bench: Bench::new(), site: testing::site(), users: Users::default(), now: 0 }
    }

    fn step(&mut self, taken: Option<u64>, candidates: Vec<Candidate>) -> Vec<Event> {
        let taken = taken.map(Taken);
        self.decide(Batch { candidates, taken, ..Batch::of(&"main".into(), "1001", None, 1) })
    }

    fn decide(&mut self, batch: Batch) -> Vec<Event> {
        self.now += 1;
        let (append, _) = self.bench.dedup.decide(Taken(self.now), batch).unwrap();
        self.bench.marks.commit(&append);
        append.events
    }

    /// A notification of the device; `more` is what is no part of the agent's state.
    fn notified(&mut self, second: i64, user: &str, dnd: &str, more: &str) -> Vec<Candidate> {
        let mut device = json!({"id": "d", "userState": serde_json::from_str::<Value>(user).unwrap(), "description": more});
        if !dnd.is_empty() {
            device["doNotDisturb"] = dnd.into();
        }
        let data = json!({"messageType": "DeviceStateChangeMessage", "devices": [device],
            "metrics": {"eventProcessing": {"serverGenerationTimestamp": second * 1_000}}});
        let data = RawValue::from_string(data.to_string()).unwrap();
        normalise(&self.context(), "/v2/me/devices", &data)
    }

    fn context(&self) -> Context<'_> {
        Context { site: &self.site, agent: "1001", users: &self.users, received: 1 }
    }

    /// Since when the event of a notification says that its state stands, in seconds.
    fn tell(&mut self, second: i64, user: &str) -> Option<i64> {
        self.tell_more(second, user, "Off", &second.to_string())
    }

    fn tell_more(&mut self, second: i64, user: &str, dnd: &str, more: &str) -> Option<i64> {
        let candidates = self.notified(second, user, dnd, more);
        since(&self.step(None, candidates))
    }

    /// A reading that left at `taken`; whether its state went out.
    fn read(&mut self, taken: u64, user: &str) -> bool {
        let device = RawValue::from_string(format!(r#"{{"id":"d","userState":{user}}}"#)).unwrap();
        let candidate = snapshot::device(&self.context(), &device).unwrap();
        let events = self.step(Some(taken), vec![candidate]);
        assert!(events.iter().all(|event| !event.data.get().contains("since")), "{events:?}");
        !events.is_empty()
    }

    fn gap(&mut self, open: bool) {
        let gap = journal::Gap {
            id: "g".into(),
            session: "main/1001".into(),
            from: None,
            opened: 1,
            to: (!open).then_some(2),
            cause: "restart".into(),
            certainty: "certain".into(),
            first: 0,
        };
        let lapsed = if open { vec![(keys::DEVICE, "d".to_owned())] } else { Vec::new() };
        let batch = Batch { gaps: vec![gap], lapsed, ..Batch::of(&"main".into(), "1001", None, 1) };
        self.decide(batch);
    }

    fn restart(&mut self) {
        self.bench.restart();
        self.now = 0;
    }
}

/// Of the one event.
fn since(events: &[Event]) -> Option<i64> {
    assert_eq!(events.len(), 1, "{events:?}");
    let state: AgentStateData = serde_json::from_str(events[0].data.get()).unwrap();
    let stamp: jiff::Timestamp = state.since?.parse().unwrap();
    Some(stamp.as_second())
}

#[test]
fn a_change_that_was_told_stands_since_then_and_as_long_as_it_stays_the_same() {
    let mut desk = Desk::new();
    assert_eq!(desk.tell(10, READY), None, "it may be ready since long");
    assert_eq!(desk.tell(20, READY), None);
    assert_eq!(desk.tell(30, LUNCH), Some(30));
    assert_eq!(desk.tell(40, LUNCH), Some(30));
    desk.restart();
    assert_eq!(desk.tell(50, LUNCH), Some(30), "the journal remembers");
    assert_eq!(desk.tell(60, READY), Some(60));
    assert_eq!(desk.tell(70, LUNCH), Some(70), "a return is a change");
    assert!(desk.bench.marks.0.borrow().known.values().all(|row| !row.shadow.contains("Lunch")));
}

#[rstest]
#[case::state(r#"{"id":"7","state":"LoggedOut","reason":"Lunch","workMode":"x"}"#, "Off", true)]
#[case::id(r#"{"id":"8","state":"NotReady","reason":"Lunch","workMode":"x"}"#, "Off", true)]
#[case::reason(r#"{"id":"7","state":"NotReady","reason":"Coffee","workMode":"x"}"#, "Off", true)]
#[case::no_reason(r#"{"id":"7","state":"NotReady","workMode":"x"}"#, "Off", true)]
#[case::work_mode(r#"{"id":"7","state":"NotReady","reason":"Lunch","workMode":"y"}"#, "Off", true)]
#[case::do_not_disturb(r#"{"id":"7","state":"NotReady","reason":"Lunch","workMode":"x"}"#, "On", true)]
#[case::left_out(r#"{"state":"notready","reason":"Lunch","workMode":"x"}"#, "", false)]
#[case::display_name(
    r#"{"id":"7","state":"NotReady","reason":"Lunch","workMode":"x","displayName":"z"}"#,
    "Off",
    false
)]
fn each_part_of_the_state_counts_and_nothing_else(
    #[case] user: &str,
    #[case] dnd: &str,
    #[case] other: bool,
) {
    let mut desk = Desk::new();
    desk.tell(10, READY);
    let busy = r#"{"id":"7","state":"NotReady","reason":"Lunch","workMode":"x"}"#;
    assert_eq!(desk.tell(20, busy), Some(20));
    assert_eq!(desk.tell_more(30, user, dnd, "more"), Some(if other { 30 } else { 20 }));
    // What was left out is not taken for another one when it is back.
    assert_eq!(desk.tell(40, busy), Some(if other { 40 } else { 20 }));
}

#[test]
fn a_reading_vouches_for_the_state_before_a_change_and_never_for_since_when_it_stands() {
    let mut desk = Desk::new();
    assert!(desk.read(0, READY));
    assert_eq!(desk.tell(10, LUNCH), Some(10), "it was ready until then");
    assert!(!desk.read(desk.now, LUNCH));
    assert_eq!(desk.tell(20, LUNCH), Some(10), "a reading that agrees changes nothing");
    assert!(desk.read(desk.now, READY));
    assert_eq!(desk.tell(30, READY), None, "nobody was told when it became ready");
    // REST may leave out what the notification has.
    assert!(desk.read(desk.now, r#"{"state":"NotReady"}"#));
    assert_eq!(desk.tell(40, LUNCH), None);
    assert_eq!(desk.tell(50, r#"{"id":"7","state":"NotReady"}"#), Some(50));
}

#[test]
fn after_a_gap_nobody_knows_until_the_next_change() {
    let mut desk = Desk::new();
    desk.tell(10, READY);
    assert_eq!(desk.tell(20, LUNCH), Some(20));
    desk.gap(true);
    desk.gap(false);
    assert_eq!(desk.tell(30, LUNCH), None, "it may have been ready in between");
    assert_eq!(desk.tell(40, READY), Some(40));
    desk.gap(true);
    desk.restart();
    desk.gap(false);
    assert_eq!(desk.tell(50, LUNCH), None, "nobody saw the change");
    assert_eq!(desk.tell(60, LUNCH), None);
    desk.gap(true);
    desk.gap(false);
    assert!(!desk.read(desk.now, LUNCH));
    assert_eq!(desk.tell(70, LUNCH), None);
    assert_eq!(desk.tell(80, READY), Some(80));
}

#[test]
fn a_reading_that_left_before_the_gap_was_closed_vouches_for_nothing() {
    for open in [true, false] {
        let mut desk = Desk::new();
        desk.tell(10, READY);
        let left = desk.now;
        desk.gap(true);
        if !open {
            desk.gap(false);
        }
        assert!(desk.read(left, LUNCH));
        assert_eq!(desk.tell(20, READY), None, "open: {open}");
    }
}

#[test]
fn a_site_that_does_not_collect_it_does_not_get_it() {
    let mut desk = Desk::new();
    desk.site.left_out = LeftOut::new(Vec::new(), vec!["since".to_owned()]).map(Into::into);
    desk.tell(10, READY);
    assert_eq!(desk.tell(20, LUNCH), None);
    desk.site.left_out = LeftOut::new(Vec::new(), vec!["deviceId".to_owned()]).map(Into::into);
    assert_eq!(desk.tell(30, READY), Some(30));
}
