//! The gaps that the bridge published: whole, true, as wide as they had to be, and told within each conversation.
//!
//! Deliberately absent: whether what was lost lies in one of them (see `judge`).

use super::oracle::Truth;
use super::received::{Event, Received, Said, millis};
use super::scenario::POLL;
use std::collections::{BTreeMap, HashMap};

/// How long after its last poll a session that the bridge left is swept, and its queue with it, in milliseconds.
const LEFT_BEHIND: i64 = 8_000;
/// Faults so near to a wide gap are shown with it, in milliseconds.
const AROUND: i64 = 10_000;

pub struct Gap {
    pub agent: String,
    pub id: String,
    pub from: i64,
    pub to: i64,
    pub cause: String,
    pub certainty: String,
    /// The sequence of the event that opened it.
    pub opened: String,
}

impl Gap {
    fn falsely(&self, user: &str) -> String {
        let Gap { cause, certainty, from, to, .. } = self;
        format!("false gap of {user}, cause {cause}, {certainty}, {from} to {to}: nothing was lost")
    }

    /// With what struck its agent, or the server, around it.
    fn widely(&self, user: &str, early: i64, late: i64, truth: &Truth) -> String {
        let Gap { cause, certainty, from, to, .. } = self;
        let around = from.saturating_sub(AROUND)..=to.saturating_add(AROUND);
        let struck =
            truth.faults.iter().filter(|(at, of, _)| (of == user || of.is_empty()) && around.contains(at));
        let struck: Vec<String> = struck.map(|(at, _, fault)| format!("{fault} at {at}")).collect();
        format!(
            "wide gap of {user}, cause {cause}, {certainty}, {from} to {to}: begins {early} ms early, ends {late} ms late; \
             struck: {struck:?}"
        )
    }

    pub fn holds(&self, from: i64, to: i64) -> bool {
        self.from <= from && to <= self.to
    }
}

/// Every gap by agent; one that is not closed has no end.
pub fn all(received: &Received) -> BTreeMap<String, Vec<Gap>> {
    let word = |event: &Event, name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
    let closed: HashMap<String, &Event> =
        received.of("gap_closed").map(|event| (word(event, "gapid"), event)).collect();
    let mut out: BTreeMap<String, Vec<Gap>> = BTreeMap::new();
    for event in received.of("gap_opened") {
        let id = word(event, "gapid");
        let end = closed.get(&id);
        let gap = Gap {
            from: millis(&event.data["from"]).unwrap_or(i64::MIN),
            to: end.and_then(|end| millis(&end.data["to"])).unwrap_or(i64::MAX),
            cause: word(event, "cause"),
            certainty: word(end.unwrap_or(&event), "certainty"),
            opened: event.sequence.clone(),
            agent: event.agent.clone(),
            id,
        };
        out.entry(gap.agent.clone()).or_default().push(gap);
    }
    out
}

/// Gaps of sessions and of conversations that were opened and not closed.
pub fn unclosed(received: &Received) -> Vec<String> {
    let mut open: BTreeMap<(String, &str), &Event> = BTreeMap::new();
    for event in received.events.iter() {
        let key = (event.data["gapid"].as_str().unwrap_or_default().to_owned(), event.interaction.as_str());
        match (event.kind.as_str(), event.data["phase"].as_str()) {
            ("gap_opened", _) | ("gap", Some("opened")) => drop(open.insert(key, event)),
            ("gap_closed", _) | ("gap", Some("closed")) => drop(open.remove(&key)),
            _ => {}
        }
    }
    let name = |((id, of), event): (&(String, &str), &&Event)| {
        format!("gap {id} of agent {} {of} stays open, cause {}", event.agent, event.data["cause"])
    };
    open.iter().map(name).collect()
}

/// What a consumer that reads one medium alone sees of the gaps of its conversations.
pub fn of_medium(received: &Received, gaps: &BTreeMap<String, Vec<Gap>>, medium: &str) -> Vec<String> {
    let mut told: HashMap<(&str, &str, &str), &Event> = HashMap::new();
    let mut seen: HashMap<(&str, &str), Vec<&Event>> = HashMap::new();
    for event in received.events.iter().filter(|event| event.medium == medium) {
        match event.kind.as_str() {
            "gap" => {
                let word = |name: &str| event.data[name].as_str().unwrap_or_default();
                told.insert((word("gapid"), &event.interaction, word("phase")), event);
            }
            "message" => seen.entry((&event.observed_by, &event.interaction)).or_default().push(event),
            _ => {}
        }
    }
    let mut out = Vec::new();
    for gap in gaps.values().flatten() {
        for ((agent, kind, id), said) in &received.states {
            if *agent != gap.agent || kind != medium {
                continue;
            }
            let before = said.iter().rfind(|said| received.events[said.place].sequence < gap.opened);
            let open = before.is_some_and(Said::is_open);
            if !open {
                continue;
            }
            let phase = |phase| told.get(&(gap.id.as_str(), id.as_str(), phase));
            let (Some(opened), Some(closed)) = (phase("opened"), phase("closed")) else {
                out.push(format!(
                    "{medium} {id} of agent {agent} is not told of gap {} ({})",
                    gap.id, gap.cause
                ));
                continue;
            };
            if opened.sequence >= closed.sequence {
                out.push(format!("{medium} {id}: gap {} closes before it opens", gap.id));
            }
            let last = opened.data["lastIndexBefore"].as_i64().unwrap_or_default();
            let heard = seen.get(&(agent.as_str(), id.as_str())).into_iter().flatten();
            let mut early = heard.filter(|event| event.sequence < opened.sequence);
            if let Some(event) = early.find(|event| event.index > Some(last)) {
                out.push(format!(
                    "{medium} {id}: item {:?} came before gap {}, which begins after {last}",
                    event.index, gap.id
                ));
            }
        }
    }
    out
}

/// How many gaps were true, and how far their boundaries are from the truth.
#[derive(Default)]
pub struct Measured {
    pub certain: usize,
    pub possible: usize,
    pub false_certain: Vec<String>,
    pub false_possible: Vec<String>,
    /// Times without a session, after the first one, that no gap holds whole.
    pub untold: Vec<String>,
    /// Milliseconds that a gap begins before the first fault, or the first moment without a session, that lies in
    /// it, and that it ends after the last such moment.
    pub early: Vec<i64>,
    pub late: Vec<i64>,
    /// Those that are further from it than one poll, to look at.
    pub wide: Vec<String>,
    pub causes: BTreeMap<String, usize>,
}

pub fn measure(truth: &Truth, gaps: &BTreeMap<String, Vec<Gap>>) -> Measured {
    let mut out = Measured::default();
    for (user, agent) in &truth.agents {
        let uncovered: Vec<(i64, i64)> = truth
            .uncovered
            .iter()
            .filter(|(of, _, _)| of == user)
            .map(|(_, from, to)| (*from, *to))
            .collect();
        // Before the first session there was nothing to lose.
        for (from, to) in uncovered.iter().skip(1) {
            let of = gaps.get(agent).map(Vec::as_slice).unwrap_or_default();
            if !of.iter().any(|gap| gap.holds(*from, *to)) {
                out.untold
                    .push(format!("{user} had no session from {from} to {to}, and no gap holds all of it"));
            }
        }
        for gap in gaps.get(agent).into_iter().flatten() {
            *out.causes.entry(format!("{}/{}", gap.cause, gap.certainty)).or_default() += 1;
            // A session can be lost again before it is heard: one gap about several such times.
            let within = || uncovered.iter().filter(|(from, to)| *from <= gap.to && *to >= gap.from);
            let losses = || truth.losses.iter().filter(|loss| loss.user == *user && loss.at >= gap.from);
            // Without ack it lasts until a reply arrives.
            let lost = losses().map(|loss| loss.at).filter(|at| *at <= gap.to).max().unwrap_or(i64::MIN);
            let (first, last) =
                (within().map(|blind| blind.0).min(), within().map(|blind| blind.1.max(lost)).max());
            let blind = first.zip(last);
            let destroyed = losses().any(|loss| loss.at <= gap.to.saturating_add(LEFT_BEHIND));
            let certain = gap.certainty == "certain";
            *if certain { &mut out.certain } else { &mut out.possible } += 1;
            match (blind, destroyed, certain) {
                (None, false, true) => out.false_certain.push(gap.falsely(user)),
                (None, false, false) => out.false_possible.push(gap.falsely(user)),
                _ => {}
            }
            if let Some((from, to)) = blind {
                let trouble = truth
                    .faults
                    .iter()
                    .filter(|(at, of, _)| (of == user || of.is_empty()) && (gap.from..=from).contains(at));
                let begun = trouble.map(|(at, _, _)| *at).min().unwrap_or(from);
                let (early, late) = (begun.saturating_sub(gap.from), gap.to.saturating_sub(to));
                if early.max(late) > POLL {
                    out.wide.push(gap.widely(user, early, late, truth));
                }
                out.early.push(early);
                out.late.push(late);
            }
        }
    }
    out.early.sort_unstable();
    out.late.sort_unstable();
    out
}

/// Of fewer gaps a single one would decide about ninety-nine in a hundred: their edges are printed, not judged.
const ENOUGH: usize = 100;

/// With ack a reply that is lost comes again, so that nothing else leaves a doubt: that nobody answers for longer than
/// a server keeps a session, which may be there all the same.
const MAY_BE_POSSIBLE: [&str; 1] = ["unreachable/possible"];

impl Measured {
    /// The widest of ninety-nine in a hundred, and the widest.
    pub fn edge(sorted: &[i64]) -> (i64, i64) {
        let at =
            |share: usize| sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().unwrap_or(0);
        (at(99), at(100))
    }

    /// With ack: without it a reply that is lost and an empty one look alike.
    pub fn complaints(&self) -> Vec<String> {
        let mut out = Vec::new();
        let all = self.certain + self.possible;
        let untrue = || self.false_certain.iter().chain(&self.false_possible).cloned();
        if untrue().count() * 100 > all.max(ENOUGH) {
            out.push(format!("{} of {all} gaps are false", untrue().count()));
            out.extend(untrue());
        }
        for cause in self.causes.keys().filter(|cause| cause.ends_with("/possible")) {
            if !MAY_BE_POSSIBLE.contains(&cause.as_str()) {
                out.push(format!("a gap of cause {cause}, with ack"));
            }
        }
        if all < ENOUGH {
            return out;
        }
        for (what, (most, _)) in
            [("early", Measured::edge(&self.early)), ("late", Measured::edge(&self.late))]
        {
            if most > POLL {
                out.push(format!("gaps are {most} ms too {what}: want one poll, {POLL} ms"));
            }
        }
        out
    }
}
