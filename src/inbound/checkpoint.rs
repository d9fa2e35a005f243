//! Where one session stands, as the journal keeps it: enough for the next process to go on with it.
//!
//! Client id, cookies and CSRF token are sealed where a `state_key` is configured, else they stand readable in the
//! private state directory. Deliberately absent: when a checkpoint is written, and what is done with it.

use crate::base::data::Certainty;
use crate::base::envelope::medium;
use crate::base::seal::Sealer;
use crate::base::time::Millis;
use crate::inbound::dedup::Hole;
use crate::inbound::normalise::Kinds;
use crate::inbound::session::machine::Machine;
use crate::inbound::session::pending::Pending;
use crate::inbound::session::protocol::{Before, OpenGap, Saved, cause_word};
use crate::inbound::session::transport::{SavedJar, Transport};
use crate::journal::{Checkpoint, Gap, Known};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The name of a session in the journal.
pub fn session_name(site: &str, agent: &str) -> String {
    format!("{site}/{agent}")
}

/// What an earlier process left of one session.
#[derive(Clone, Default)]
pub struct Past {
    /// The agent's group then: what is told of it after its line is gone is still that group's.
    pub group: Option<String>,
    pub before: Before,
    pub jar: SavedJar,
    /// The id of the agent's user.
    pub user: Option<String>,
    pub pending: Pending,
    /// The gap that was open, as the journal has it.
    pub gap: Option<Gap>,
    /// Gaps that were closed, and what they touched was not read again yet; each with what was known when it opened.
    pub unread: Vec<(Gap, Vec<Known>)>,
    /// Holes in logs that were noticed, and not read yet.
    pub holes: Vec<Hole>,
    /// The agent's state was not read since its session began.
    pub unseen: bool,
    /// When the agent was connected first.
    pub connected: Option<Millis>,
    /// What its session was found silent about.
    pub silent: Kinds,
    /// The keys of a session are there, and can not be opened.
    pub locked: bool,
}

/// Unread gaps of a session, which a checkpoint keeps with what they touched; those beyond are told as lost.
pub const MAX_UNREAD: usize = 16;
/// Open conversations that each of them keeps; the log of one beyond them is read from its beginning.
const MAX_BEFORE: usize = 64;

/// A closed gap, as far as reading again needs it.
#[derive(Serialize, Deserialize)]
struct Unread {
    id: String,
    from: Option<Millis>,
    opened: Millis,
    to: Option<Millis>,
    cause: String,
    certainty: String,
    first: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<Touched>,
}

/// A conversation that was open when a gap opened.
#[derive(Serialize, Deserialize)]
struct Touched {
    medium: String,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<i64>,
}

impl Unread {
    fn of(gap: &Gap, before: &[Known]) -> Unread {
        let Gap { id, from, opened, to, cause, certainty, first, .. } = gap.clone();
        let open = before.iter().filter(|row| row.open && medium::CONVERSATIONS.contains(&&*row.kind));
        let touched = |row: &Known| {
            let (medium, id) = (row.kind.to_string(), row.id.clone());
            Touched { medium, id, last: row.last_index }
        };
        let before = open.take(MAX_BEFORE).map(touched).collect();
        Unread { id, from, opened, to, cause, certainty, first, before }
    }

    fn gap(self, session: &str) -> (Gap, Vec<Known>) {
        let Unread { id, from, opened, to, cause, certainty, first, before } = self;
        let known = |Touched { medium, id, last }| Known {
            session: session.to_owned(),
            kind: medium.into(),
            id,
            open: true,
            last_index: last,
            shadow: String::new(),
            at: opened,
        };
        let before = before.into_iter().map(known).collect();
        (Gap { id, session: session.to_owned(), from, opened, to, cause, certainty, first }, before)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    /// Everything published until then is stored.
    at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default)]
    answered: Option<Millis>,
    #[serde(default)]
    ack: Option<i64>,
    #[serde(default)]
    timeout: u64,
    #[serde(default)]
    granted: bool,
    #[serde(default)]
    ids: u64,
    /// What it has subscribed to.
    #[serde(default)]
    subscribed: Vec<String>,
    #[serde(default)]
    pending: Vec<String>,
    #[serde(default)]
    access: Option<Access>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unread: Vec<Unread>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holes: Vec<Hole>,
    #[serde(default)]
    unseen: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connected: Option<Millis>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    silent: Vec<String>,
}

/// What opens the session to whoever has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Access {
    Open(Keys),
    Sealed(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    client_id: String,
    jar: SavedJar,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// What a checkpoint is made of beside the machine.
pub struct Sources<'a> {
    pub name: &'a str,
    pub group: Option<&'a str>,
    pub pending: &'a Pending,
    pub transport: &'a Transport,
    pub sealer: Option<&'a Sealer>,
    pub unread: Vec<(&'a Gap, &'a [Known])>,
    pub holes: Vec<Hole>,
    pub unseen: bool,
    pub connected: Option<Millis>,
    pub silent: Kinds,
    pub user: Option<&'a str>,
    /// It is written in one step with the batch in hand.
    pub with_batch: bool,
}

/// Where the session stands.
pub fn write(machine: &Machine, sources: &Sources<'_>) -> Checkpoint {
    let Sources {
        name,
        group,
        pending,
        transport,
        sealer,
        unread,
        holes,
        unseen,
        connected,
        silent,
        user,
        with_batch,
    } = sources;
    let saved = machine.saved(*with_batch);
    let access = saved.as_ref().and_then(|saved| {
        let user = user.map(str::to_owned);
        let keys = Keys { client_id: saved.client_id.clone(), jar: transport.save(), user };
        match sealer {
            None => Some(Access::Open(keys)),
            Some(sealer) => Some(Access::Sealed(sealer.seal(&serde_json::to_string(&keys).ok()?, name)?)),
        }
    });
    let body = Body {
        at: machine.covered(*with_batch),
        group: group.map(str::to_owned),
        answered: saved.as_ref().map(|saved| saved.answered),
        ack: saved.as_ref().and_then(|saved| saved.ack),
        timeout: saved.as_ref().map_or(0, |saved| u64::try_from(saved.timeout.as_millis()).unwrap_or(0)),
        granted: saved.as_ref().is_some_and(|saved| saved.granted),
        ids: saved.as_ref().map_or(0, |saved| saved.ids),
        subscribed: saved.map(|saved| saved.channels).unwrap_or_default(),
        pending: pending.hex(),
        access,
        unread: in_order(unread.clone()),
        holes: holes.clone(),
        unseen: *unseen,
        connected: *connected,
        silent: silent.words().into_iter().map(str::to_owned).collect(),
    };
    Checkpoint { session: (*name).to_owned(), body: serde_json::to_string(&body).unwrap_or_default() }
}

/// The same with more holes, as only the decision about its batch shows them. One that can not be read stays.
pub fn with_holes(checkpoint: Checkpoint, holes: &[Hole]) -> Checkpoint {
    let Ok(mut body) = serde_json::from_str::<Body>(&checkpoint.body) else { return checkpoint };
    body.holes.extend_from_slice(holes);
    match serde_json::to_string(&body) {
        Ok(body) => Checkpoint { body, ..checkpoint },
        Err(_) => checkpoint,
    }
}

/// The gaps, oldest first. The session's upkeep lets go of those beyond the limit, and tells so.
fn in_order(mut unread: Vec<(&Gap, &[Known])>) -> Vec<Unread> {
    unread.sort_by_key(|(gap, _)| gap.opened);
    unread.iter().map(|(gap, before)| Unread::of(gap, before)).collect()
}

/// What a checkpoint tells; one that can not be read (an older release's, another key's) tells of coverage at most.
pub fn read(checkpoint: &Checkpoint, sealer: Option<&Sealer>) -> Past {
    let Ok(body) = serde_json::from_str::<Body>(&checkpoint.body) else { return Past::default() };
    let mut past = Past::default();
    past.before.covered = body.at;
    past.group = body.group;
    past.unseen = body.unseen;
    past.connected = body.connected;
    past.silent = Kinds::of(body.silent.iter().map(String::as_str));
    past.holes = body.holes;
    past.unread = body.unread.into_iter().map(|gap| gap.gap(&checkpoint.session)).collect();
    let sealed = matches!(body.access, Some(Access::Sealed(_)));
    let keys = match body.access {
        Some(Access::Open(keys)) => Some(keys),
        Some(Access::Sealed(sealed)) => sealer
            .and_then(|sealer| sealer.open(&sealed, &checkpoint.session))
            .and_then(|text| serde_json::from_str(&text).ok()),
        None => None,
    };
    past.locked = sealed && keys.is_none();
    if let (Some(Keys { client_id, jar, user }), Some(answered), false) =
        (keys, body.answered, body.subscribed.is_empty())
    {
        past.before.saved = Some(Saved {
            client_id,
            ack: body.ack,
            timeout: Duration::from_millis(body.timeout),
            granted: body.granted,
            answered,
            ids: body.ids,
            channels: body.subscribed,
        });
        (past.jar, past.user) = (jar, user);
        past.pending = Pending::from_hex(&body.pending);
    }
    past
}

/// A gap of the journal as the machine goes on with it.
pub fn open_gap(gap: &Gap) -> OpenGap {
    let certainty = if gap.certainty == "possible" { Certainty::Possible } else { Certainty::Certain };
    OpenGap { from: gap.from, cause: cause_word(&gap.cause), certainty }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(number: i64) -> Gap {
        Gap {
            id: format!("g{number}"),
            session: "main/1001".into(),
            from: Some(number),
            opened: number,
            to: Some(number + 1),
            cause: "restart".into(),
            certainty: "certain".into(),
            first: 7,
        }
    }

    fn row(kind: &'static str, id: &str, open: bool) -> Known {
        let (session, shadow) = ("main/1001".to_owned(), r#"{"state":"Chatting"}"#.to_owned());
        Known { session, kind: kind.into(), id: id.into(), open, last_index: Some(4), shadow, at: 3 }
    }

    #[test]
    fn gaps_are_kept_in_their_order_whichever_reading_runs() {
        let gaps: Vec<Gap> = [9, 3, 1, 5, 2, 4, 8, 6, 7, 10].into_iter().map(gap).collect();
        let kept = in_order(gaps.iter().map(|gap| (gap, &[][..])).collect());
        let ids: Vec<&str> = kept.iter().map(|unread| unread.id.as_str()).collect();
        assert_eq!(ids, ["g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9", "g10"]);
    }

    #[test]
    fn holes_are_added_to_what_stands_in_a_checkpoint_and_none_is_dropped_in_silence() {
        let hole = |from| Hole { medium: "chat".into(), interaction: "c1".into(), from, to: from };
        let body = r#"{"at":5,"ack":3,"access":{"sealed":"x"},"unseen":true,"silent":["chat","of a later release"]}"#;
        let mut point = Checkpoint { session: "main/1001".into(), body: body.into() };
        for from in 1..=70 {
            point = with_holes(point, &[hole(from)]);
        }
        let past = read(&point, None);
        assert_eq!((past.before.covered, past.unseen, past.locked), (Some(5), true, true));
        assert_eq!(past.holes, (1..=70).map(hole).collect::<Vec<_>>());
        assert_eq!(past.silent.words(), ["chat"]);
        let older = Checkpoint { session: "main/1001".into(), body: r#"{"at":5}"#.into() };
        assert!(read(&older, None).silent.is_empty());
        let torn = Checkpoint { session: "main/1001".into(), body: "{".into() };
        assert_eq!(with_holes(torn.clone(), &[hole(1)]), torn);
    }

    #[test]
    fn a_gap_comes_back_with_where_the_open_conversations_stood() {
        let rows = [row("chat", "c1", true), row("chat", "over", false), row("device", "d", true)];
        let text = serde_json::to_string(&Unread::of(&gap(5), &rows)).unwrap();
        let (back, before) = serde_json::from_str::<Unread>(&text).unwrap().gap("main/1001");
        assert_eq!(back, gap(5));
        let seen: Vec<_> = before.iter().map(|row| (&*row.kind, row.id.as_str(), row.last_index)).collect();
        assert_eq!(seen, [("chat", "c1", Some(4))]);
    }
}
