//! What REST shows, decided between notifications: against plain rules, and against a model.

use super::*;
use crate::base::envelope::Origin;
use crate::inbound::normalise::{Says, Shadow, Sight};

const CHAT: &str = "chat";

fn shadow(text: &str) -> Shadow {
    Shadow::parse(text)
}

fn sight(says: Says) -> Option<Sight> {
    Some(Sight { kind: CHAT, id: "1".into(), says })
}

/// A notification of the chat's state: `more` differs where the shared fields do not.
fn notified(state: &str, more: &str) -> Candidate {
    let says = Says::State {
        open: Some(state != "Completed"),
        shadow: shadow(&format!(r#"{{"state":"{state}"}}"#)),
    };
    Candidate { sight: sight(says), ..super::state(&format!("{state}{more}")) }
}

fn listed(state: &str) -> Candidate {
    let mut candidate = notified(state, "");
    candidate.event.origin = Origin::Snapshot;
    candidate.content = Digest::of(format!("snapshot {state}").as_bytes());
    candidate.identity = Identity::Assigned;
    candidate
}

fn ended() -> Candidate {
    let mut candidate = listed("");
    candidate.event.origin = Origin::Bridge;
    Candidate { sight: sight(Says::Ended), dedup: Key::None, ..candidate }
}

/// A notified item: `more` is what a reading does not show.
fn said(index: i64, text: &str, more: &str) -> Candidate {
    let shared = Digest::of(format!("shared {index} {text}").as_bytes());
    Candidate { sight: sight(Says::Item { index, shared }), ..item(index, &format!("{text}{more}")) }
}

fn read(index: i64, text: &str) -> Candidate {
    let mut candidate = said(index, text, " read");
    candidate.event.origin = Origin::Snapshot;
    candidate
}

/// A bench that counts its decisions.
struct Counted(Bench, u64);

impl Counted {
    fn new() -> Counted {
        Counted(Bench::new(), 0)
    }

    fn step(&mut self, agent: &str, taken: Option<u64>, candidates: Vec<Candidate>) -> (Append, Outcome) {
        self.1 += 1;
        let batch =
            Batch { candidates, taken: taken.map(Taken), ..Batch::of(&"main".into(), agent, None, 1) };
        let (append, outcome) = self.0.dedup.decide(Taken(self.1), batch).unwrap();
        self.0.marks.commit(&append);
        (append, outcome)
    }

    fn tell(&mut self, candidates: Vec<Candidate>) -> Append {
        self.step("a", None, candidates).0
    }

    /// A reading that left just now.
    fn show(&mut self, candidates: Vec<Candidate>) -> Append {
        self.step("a", Some(self.1), candidates).0
    }

    fn known(&self) -> journal::Known {
        let key = ("main/a".to_owned(), CHAT.to_owned(), "1".to_owned());
        self.0.marks.0.borrow().known[&key].clone()
    }
}

#[test]
fn a_reading_goes_out_where_it_differs_or_where_nothing_was_known() {
    let mut bench = Counted::new();
    assert_eq!(bench.show(vec![listed("Chatting")]).events.len(), 1, "not known");
    assert!(bench.show(vec![listed("Chatting")]).events.is_empty());
    bench.0.restart();
    assert!(bench.show(vec![listed("chatting")]).events.is_empty(), "the case of a word is no news");
    assert_eq!(bench.tell(vec![notified("Invited", "")]).events.len(), 1);
    assert!(bench.show(vec![listed("Invited")]).events.is_empty());
    assert_eq!(bench.show(vec![listed("Chatting")]).events.len(), 1);
    assert_eq!(
        bench.tell(vec![notified("Invited", "")]).events.len(),
        1,
        "a return after a reading is no repeat"
    );
}

#[test]
fn a_field_that_one_form_lacks_is_no_difference() {
    let mut bench = Counted::new();
    bench.tell(vec![notified("Chatting", "")]);
    let mut with_comment = listed("Chatting");
    let both = r#"{"state":"Chatting","comment":"aa"}"#;
    with_comment.sight = sight(Says::State { open: Some(true), shadow: shadow(both) });
    assert!(bench.show(vec![with_comment.clone()]).events.is_empty());
    assert_eq!(shadow(&bench.known().shadow), shadow(both), "taken over silently");
    bench.tell(vec![notified("Chatting", " more")]);
    let other = shadow(r#"{"comment":"bb"}"#);
    with_comment.sight = sight(Says::State { open: None, shadow: other });
    assert_eq!(bench.show(vec![with_comment]).events.len(), 1, "left out is not taken back");
}

#[test]
fn a_reading_older_than_a_decision_about_its_resource_is_stale() {
    let mut bench = Counted::new();
    bench.tell(vec![notified("Invited", "")]);
    let left = bench.1;
    bench.tell(vec![notified("Chatting", "")]);
    let (append, outcome) = bench.step("a", Some(left), vec![listed("Invited")]);
    assert!(append.events.is_empty());
    assert_eq!(outcome.stale, [0]);
    let (append, outcome) = bench.step("b", Some(left), vec![listed("Invited")]);
    assert_eq!((append.events.len(), outcome.stale.len()), (1, 0), "another session's view");
    // A repeat says how things stand as well.
    bench.tell(vec![notified("Chatting", "")]);
    let left = bench.1;
    assert!(bench.tell(vec![notified("Chatting", "")]).events.is_empty());
    assert_eq!(bench.step("a", Some(left), vec![listed("Invited")]).1.stale, [0]);
}

#[test]
fn log_items_make_no_reading_of_a_state_stale_but_one_that_says_it_ended() {
    let mut bench = Counted::new();
    bench.tell(vec![notified("Chatting", "")]);
    let left = bench.1;
    bench.tell(vec![said(1, "x", "")]);
    assert!(bench.step("a", Some(left), vec![listed("Chatting")]).1.stale.is_empty());
    assert_eq!(bench.step("a", Some(left), vec![ended()]).1.stale, [0]);
}

#[test]
fn an_interaction_ends_unseen_once_and_a_return_is_news() {
    let mut bench = Counted::new();
    assert!(bench.show(vec![ended()]).events.is_empty(), "never known");
    bench.tell(vec![notified("Chatting", "")]);
    assert_eq!(bench.show(vec![ended()]).events.len(), 1);
    assert!(!bench.known().open);
    assert!(bench.show(vec![ended()]).events.is_empty());
    assert_eq!(bench.show(vec![listed("Chatting")]).events.len(), 1);
    assert!(bench.known().open);
}

#[test]
fn an_item_read_is_new_once_and_its_notification_a_repeat_unless_it_differs() {
    let mut bench = Counted::new();
    let first = bench.show(vec![read(1, "x"), read(1, "x")]);
    assert_eq!(first.events.len(), 1);
    assert_eq!(first.events[0].id, "main/chat/1/messages/1");
    bench.0.restart();
    assert!(bench.tell(vec![said(1, "x", " notified")]).events.is_empty());
    let changed = bench.tell(vec![said(1, "y", "")]);
    assert_eq!(changed.events[0].revision, Some(2));
    assert!(bench.show(vec![read(1, "z")]).events.is_empty(), "a reading makes no revision");
    assert!(bench.tell(vec![said(1, "x", " again")]).events.is_empty());
}

#[test]
fn one_row_for_each_resource_and_batch_and_only_where_it_changed() {
    let mut bench = Counted::new();
    let append = bench.tell(vec![
        notified("Invited", ""),
        notified("Chatting", ""),
        said(1, "x", ""),
        said(2, "y", ""),
    ]);
    assert_eq!(append.known.len(), 1);
    let row = &append.known[0];
    assert_eq!((row.session.as_str(), row.kind.as_ref(), row.id.as_str()), ("main/a", CHAT, "1"));
    assert_eq!((row.open, row.last_index), (true, Some(2)));
    assert!(bench.tell(vec![said(1, "x", ""), notified("Chatting", "")]).known.is_empty());
    bench.tell(vec![notified("Completed", "")]);
    assert!(!bench.known().open);
}

#[test]
fn a_copy_that_another_agent_showed_first_still_raises_this_sessions_index() {
    let mut bench = Counted::new();
    bench.step("b", None, vec![said(7, "x", "")]);
    let append = bench.tell(vec![said(7, "x", "")]);
    assert!(append.events.is_empty());
    assert_eq!(bench.known().last_index, Some(7));
}

#[test]
fn a_hole_is_said_once_and_only_for_what_nobody_saw() {
    let mut bench = Counted::new();
    let holes = |bench: &mut Counted, agent: &str, indices: &[i64]| {
        let items = indices.iter().map(|index| said(*index, "x", "")).collect();
        let spans = bench.step(agent, None, items).1.holes;
        spans.into_iter().map(|hole| (hole.from, hole.to)).collect::<Vec<_>>()
    };
    assert!(holes(&mut bench, "a", &[5]).is_empty(), "a log may begin anywhere");
    assert!(holes(&mut bench, "a", &[6]).is_empty());
    assert_eq!(holes(&mut bench, "a", &[9]), [(7, 8)]);
    assert!(holes(&mut bench, "a", &[1, 2, 6, 9, 10]).is_empty(), "a log sent again");
    assert!(holes(&mut bench, "b", &[6, 9]).is_empty(), "said before");
    assert!(holes(&mut bench, "a", &[13, 12, 11]).is_empty(), "out of order within one batch");
    assert_eq!(holes(&mut bench, "a", &[15, 17]), [(14, 16)], "one transcript read for a batch");
    let shown = vec![read(25, "x"), read(29, "x")];
    assert!(bench.step("a", Some(bench.1), shown).1.holes.is_empty(), "readings have no holes");
    assert_eq!(holes(&mut bench, "a", &[i64::MAX]), [(30, i64::MAX - 1)]);
}

#[test]
fn of_a_session_that_was_forgotten_nothing_is_known_any_more() {
    let mut bench = Counted::new();
    bench.tell(vec![notified("Chatting", "")]);
    bench.step("b", None, vec![notified("Chatting", "")]);
    let checkpoint = Some(journal::Checkpoint { session: "main/a".into(), body: String::new() });
    bench.1 += 1;
    let batch = Batch { checkpoint, ..Batch::of(&"main".into(), "a", None, 1) };
    bench.0.dedup.decide(Taken(bench.1), batch).unwrap();
    bench.0.marks.0.borrow_mut().known.retain(|(session, ..), _| session != "main/a");
    let back = bench.show(vec![listed("Chatting")]);
    assert_eq!((back.events.len(), back.known.len()), (1, 1), "it comes back, and stands in the next gap");
    assert!(bench.step("b", Some(bench.1), vec![listed("Chatting")]).0.events.is_empty(), "the others stay");
}

#[test]
fn a_hole_is_noted_in_one_step_with_the_batch_that_passed_it_over() {
    let mut bench = Counted::new();
    let point = |body: &str| journal::Checkpoint { session: "main/a".into(), body: body.into() };
    let mut tell = |indices: [i64; 2]| {
        let candidates = indices.iter().map(|index| said(*index, "x", "")).collect();
        let checkpoint = Some(point(r#"{"at":7}"#));
        bench.1 += 1;
        let batch = Batch { candidates, checkpoint, ..Batch::of(&"main".into(), "a", None, 1) };
        bench.0.dedup.decide(Taken(bench.1), batch).unwrap().0.checkpoint.unwrap()
    };
    assert_eq!(tell([1, 2]), point(r#"{"at":7}"#), "as it came");
    let past = crate::inbound::checkpoint::read(&tell([3, 6]), None);
    let (medium, interaction) = (CHAT.to_owned(), "1".to_owned());
    assert_eq!(past.holes, [super::super::Hole { medium, interaction, from: 4, to: 5 }]);
    assert_eq!(past.before.covered, Some(7));
}

/// One step of the model's world.
#[derive(Clone, Debug)]
enum Act {
    Notify(u8, u8),
    List(u8, bool),
    Say(i64, u8),
    Read(i64, u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u8..3, 0u8..2).prop_map(|(state, more)| Act::Notify(state, more)),
        3 => (0u8..3, any::<bool>()).prop_map(|(state, old)| Act::List(state, old)),
        4 => (0i64..4, 0u8..3).prop_map(|(index, text)| Act::Say(index, text)),
        4 => (0i64..4, 0u8..3).prop_map(|(index, text)| Act::Read(index, text)),
        1 => Just(Act::Restart),
    ]
}

const STATES: [&str; 3] = ["Invited", "Chatting", "Held"];

proptest! {
    /// A consumer that takes every event over knows at any time what was shown last, and each text of each item.
    #[test]
    fn nothing_that_differs_is_lost_and_no_reading_goes_out_twice(acts in proptest::collection::vec(act(), 1..60)) {
        let mut bench = Counted::new();
        // What a consumer holds, and what was last said of the state.
        let mut last_notified: Option<(u8, u8)> = None;
        let mut shown: Option<u8> = None;
        let mut texts: HashMap<i64, std::collections::BTreeSet<u8>> = HashMap::new();
        for act in acts {
            match act {
                Act::Notify(state, more) => {
                    let events = bench.tell(vec![notified(STATES[state as usize], &more.to_string())]).events;
                    let differs = last_notified != Some((state, more)) || shown != Some(state);
                    prop_assert!(!differs || events.len() == 1, "a difference was lost");
                    (last_notified, shown) = (Some((state, more)), Some(state));
                }
                Act::List(state, old) => {
                    let left = if old { 0 } else { bench.1 };
                    let (append, outcome) = bench.step("a", Some(left), vec![listed(STATES[state as usize])]);
                    if outcome.stale.is_empty() {
                        prop_assert_eq!(append.events.len(), usize::from(shown != Some(state)));
                        shown = Some(state);
                    } else {
                        prop_assert!(old && shown.is_some() && append.events.is_empty());
                    }
                }
                Act::Say(index, text) => {
                    let events = bench.tell(vec![said(index, &text.to_string(), "")]).events;
                    prop_assert_eq!(events.len(), usize::from(texts.entry(index).or_default().insert(text)));
                }
                Act::Read(index, text) => {
                    let events = bench.show(vec![read(index, &text.to_string())]).events;
                    let known = texts.entry(index).or_default();
                    prop_assert_eq!(events.len(), usize::from(known.is_empty()));
                    prop_assert!(events.iter().all(|event| event.revision.is_none()));
                    if known.is_empty() {
                        known.insert(text);
                    }
                }
                Act::Restart => bench.0.restart(),
            }
        }
    }

    /// Whatever the order, a hole holds nothing that was seen, and no index is in two of them.
    #[test]
    fn holes_hold_only_what_nobody_saw_and_each_index_once(
        batches in proptest::collection::vec((any::<bool>(), proptest::collection::vec(0i64..40, 1..5)), 1..30)
    ) {
        let mut bench = Counted::new();
        let (mut seen, mut told) = (std::collections::HashSet::new(), std::collections::HashSet::new());
        for (other, indices) in batches {
            seen.extend(indices.iter().copied());
            let items = indices.iter().map(|index| said(*index, "x", "")).collect();
            let holes = bench.step(if other { "b" } else { "a" }, None, items).1.holes;
            for hole in holes {
                prop_assert!(hole.from <= hole.to);
                prop_assert!(!seen.contains(&hole.from) && !seen.contains(&hole.to));
                for index in hole.from..=hole.to {
                    prop_assert!(told.insert(index), "{index} twice");
                }
            }
        }
    }
}
