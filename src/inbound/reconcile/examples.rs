//! The examples of what the bridge tells of sessions: gaps, ends that nobody saw, silence, what was rejected.
//!
//! Made by what makes them in the daemon, from fixed inputs. Deliberately absent: when each is due.

use super::events::{Touched, ended_unseen, interaction_gap, silent};
use super::*;
use crate::base::data::Recovered;
use crate::base::examples::{ASSIGNED, BIRTH, NOW, hold};
use crate::base::health::Health;
use crate::base::media::with_gaps;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::inbound::batch::rejection;
use crate::inbound::normalise::{Identity, event_id};
use crate::inbound::settings::testing::site;
use crate::journal::{Append, Config, Known, settled};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const AGENT: &str = "1001";
const INTERACTION: &str = "0003C";

/// A journal that was born long ago.
fn journal(folder: &std::path::Path) -> Journal {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).unwrap();
    let hour = Duration::from_secs(3600);
    let config = Config {
        state_dir: folder.into(),
        keep_delivered: hour,
        dedup_window: hour,
        reserve_bytes: 1 << 16,
        keep_gaps: hour,
        keep_drafts: hour,
        keep_dead_letters: hour,
        max_dead_letters: 10,
        accept_shortened: false,
    };
    let (clock, metrics) = (Clock::manual(BIRTH * 1000), Metrics::new().unwrap());
    Journal::open(config, clock, metrics, Health::default()).unwrap().0
}

/// So many events come in.
async fn filled(journal: &Journal, count: usize) {
    let bare = || Event::bare(RawValue::from_string("{}".to_owned()).unwrap());
    let events = std::iter::repeat_with(bare).take(count).collect();
    settled(journal.append(Append { events, ..Append::default() })).await.unwrap();
}

/// As the journal stores it at first.
fn stored(candidate: Candidate) -> Event {
    let id = match &candidate.identity {
        Identity::Assigned => ASSIGNED.to_owned(),
        other => event_id(other, 1),
    };
    Event { id, ..candidate.event }
}

fn open_gap(journal: &Journal) -> Gap {
    Gap {
        id: "019ab000-0000-7000-8000-00000000000a".to_owned(),
        session: format!("main/{AGENT}"),
        from: Some(NOW - 40_000),
        opened: NOW - 10_000,
        to: None,
        cause: "session-unknown".to_owned(),
        certainty: "certain".to_owned(),
        first: journal.head().borrow().last,
    }
}

fn known(medium: &'static str) -> Known {
    let conversation = medium::CONVERSATIONS.contains(&medium);
    Known {
        session: format!("main/{AGENT}"),
        kind: medium.into(),
        id: INTERACTION.to_owned(),
        open: true,
        last_index: conversation.then_some(5),
        shadow: r#"{"state":"Chatting"}"#.to_owned(),
        at: NOW - 60_000,
    }
}

#[tokio::test]
async fn gaps_have_an_example_in_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, site) = (journal(folder.path()), site());
    filled(&journal, 36).await;
    let open = open_gap(&journal);
    let media: Vec<&'static str> = medium::ALL.iter().copied().filter_map(with_gaps).collect();
    let rows: Vec<Known> = media.iter().map(|medium| known(medium)).collect();
    let mut first = opened(&site, AGENT, NOW - 10_000, &open, &rows, &journal).into_iter().map(stored);
    hold("session-gap-opened.json", "a session is lost", &[first.next().unwrap()]);
    filled(&journal, 5).await;
    let ended = Gap { to: Some(NOW), ..open };
    let closed = closed(&site, AGENT, NOW, &ended, &journal).into_iter().map(stored);
    hold("session-gap-closed.json", "the session that follows listens", &closed.collect::<Vec<_>>());
    for (medium, opened) in media.into_iter().zip(first) {
        assert_eq!(opened.medium, medium);
        let (last_before, first_after, recovered, name) = match medium::CONVERSATIONS.contains(&medium) {
            true => (Some(5), Some(6), Recovered::Yes, "all of it is read again"),
            false => (None, None, Recovered::No, "nothing of it can be read again"),
        };
        let touched = Touched { medium, id: INTERACTION, last_before, first_after };
        let closed = interaction_gap(&site, AGENT, NOW, &ended, &touched, Some(recovered));
        let name = &format!("in the order of an interaction: the gap opens, and {name}");
        hold(&format!("{medium}-gap.json"), name, &[opened, stored(closed)]);
    }
}

#[test]
fn ends_unseen_have_an_example_in_the_contract() {
    for medium in medium::CONVERSATIONS {
        let ended = ended_unseen(&site(), AGENT, NOW, &known(medium)).unwrap();
        let name = "a conversation that was open is no longer in the server's list";
        hold(&format!("{medium}-ended-unseen.json"), name, &[stored(ended)]);
    }
}

#[test]
fn a_silent_session_has_an_example_in_the_contract() {
    let differing = [("chat".to_owned(), 1), ("device".to_owned(), 1)].into();
    let silent = silent(&site(), AGENT, NOW, Some(NOW - 3_600_000), differing);
    hold("session-silent.json", "REST shows changes that the session was never told of", &[stored(silent)]);
}

#[test]
fn a_rejected_item_has_an_example_in_the_contract() {
    let site = SiteConfig { max_message_bytes: 16, ..site() };
    let data = RawValue::from_string(r#"{"messageType":"MessageLogUpdated"}"#.to_owned()).unwrap();
    let rejected = rejection(&site, AGENT, "/v2/me/chats".to_owned(), &data, NOW);
    let name = "a notification larger than max_message, which was 16 bytes here";
    hold("item-rejected.json", name, &[stored(rejected)]);
}
