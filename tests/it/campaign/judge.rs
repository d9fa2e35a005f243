//! The verdict: what was acknowledged is there, what was lost lies in a gap, what was promised was kept.
//!
//! Deliberately absent: the states at the end (see `states`).

use super::gaps::{self, Gap, Measured};
use super::oracle::{Row, Truth};
use super::received::{Received, Said};
use super::recovered::{self, Recovered};
use super::scenario::BUDGET;
use super::{closing, ended};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How long after it was published a state may come, while faults keep it back, in milliseconds.
const PATIENCE: i64 = 20_000;
const CHANNELS: [&str; 3] = ["chat", "facebooksession", "smssession"];
/// Refusals in a row that an account may see: one for everybody, and the canary's while the directory is out.
const REFUSALS: u64 = 4;

pub struct Judge<'a> {
    truth: &'a Truth,
    received: &'a Received,
    ack: bool,
    gaps: BTreeMap<String, Vec<Gap>>,
    measured: Measured,
    /// Rows of which nothing came, and rows that can not have come as notifications.
    missing: HashSet<u64>,
    unheard: HashSet<u64>,
    recovered: Recovered,
}

impl<'a> Judge<'a> {
    pub fn new(truth: &'a Truth, received: &'a Received, ack: bool) -> Judge<'a> {
        let gaps = gaps::all(received);
        let measured = gaps::measure(truth, &gaps);
        let missing = truth.rows.iter().filter(|row| !came(truth, received, row)).map(|row| row.n);
        let (missing, unheard): (HashSet<u64>, _) = (missing.collect(), unheard(truth));
        let lost = missing.union(&unheard).copied().collect();
        let recovered = recovered::measure(truth, received, &lost);
        Judge { truth, received, ack, gaps, measured, missing, unheard, recovered }
    }

    pub fn verdict(&self) -> Vec<String> {
        let mut out = self.received.broken.clone();
        out.extend(self.acknowledged());
        out.extend(self.outside().map(|row| format!("lost outside of every gap: {}", told(row))));
        out.extend(self.measured.untold.iter().cloned());
        out.extend(closing::complaints(self.received));
        out.extend(self.recovered.untrue.iter().cloned());
        out.extend(ended::complaints(self.truth, self.received, &self.gaps));
        out.extend(
            ["chat", "facebooksession", "smssession"]
                .iter()
                .flat_map(|medium| gaps::of_medium(self.received, &self.gaps, medium)),
        );
        if self.ack {
            out.extend(self.measured.complaints());
        }
        out.extend(self.manners());
        out
    }

    /// What the server was told to be safe, and is not there.
    fn acknowledged(&self) -> impl Iterator<Item = String> {
        let lost = self.truth.rows.iter().filter(|row| row.acked > 0 && self.missing.contains(&row.n));
        lost.map(|row| format!("acknowledged and lost: {}", told(row)))
    }

    fn lost(&self) -> impl Iterator<Item = &Row> {
        let rows = self.truth.rows.iter();
        rows.filter(|row| self.missing.contains(&row.n) || self.unheard.contains(&row.n))
    }

    /// True losses outside of the gaps of their agent. Bridge and simulator read one clock, and a gap begins before the
    /// first moment that may be missing and ends after the last: nothing is excused at its ends.
    fn outside(&self) -> impl Iterator<Item = &Row> {
        self.lost().filter(move |row| {
            let gaps = self.gaps.get(&self.truth.agents[&row.user]).map(Vec::as_slice).unwrap_or_default();
            !gaps.iter().any(|gap| gap.holds(row.at, row.at))
        })
    }

    /// Nobody was hurt.
    fn manners(&self) -> Vec<String> {
        let stats = &self.truth.stats;
        let count = |name: &str| stats[name].as_u64().or(stats["maxima"][name].as_u64()).unwrap_or(u64::MAX);
        let mut out = Vec::new();
        for (name, most) in [
            ("maxRequestsPerSecond", BUDGET),
            ("maxLoginsPerSecond", BUDGET),
            ("lockedAccounts", 0),
            ("foreignPosts", 0),
            ("clientPublishes", 0),
        ] {
            if count(name) > most {
                out.push(format!("{name} is {}: want at most {most}: {stats}", count(name)));
            }
        }
        for (user, account) in self.truth.json["logins"]["users"].as_object().into_iter().flatten() {
            if account["maxRefusedInARow"].as_u64() > Some(REFUSALS) {
                out.push(format!("{user} was refused again and again: {account}"));
            }
        }
        out
    }

    /// Gaps and recoveries that were said too carefully, to look at.
    pub fn careful(&self) -> Vec<String> {
        self.recovered.careful.iter().chain(&self.measured.false_possible).cloned().collect()
    }

    /// Gaps whose boundaries are further from the truth than one poll.
    pub fn wide(&self) -> &[String] {
        &self.measured.wide
    }

    pub fn summary(&self) -> String {
        let kinds: HashSet<&String> = self.truth.faults.iter().map(|(_, _, fault)| fault).collect();
        let acked = self.truth.rows.iter().filter(|row| row.acked > 0).count();
        let (early, late) = (Measured::edge(&self.measured.early), Measured::edge(&self.measured.late));
        let (m, r) = (&self.measured, &self.recovered);
        format!(
            "  {} faults of {} kinds struck; {} notifications, {acked} acknowledged, {} events downstream\n  \
             acknowledged and lost {}; lost {} (of these not in any form {}), outside of gaps {}\n  \
             gaps: {} certain ({} false), {} possible ({} without a loss); begin {} ms early (99%; most {}), end {} ms late (99%; most {})\n  \
             recovered: {} yes ({} untrue), {} partly or no ({} without a loss)\n  \
             conversations that ended: {}; causes {:?}\n  requests in a second: {}",
            self.truth.struck,
            kinds.len(),
            self.truth.rows.len(),
            self.received.events.len(),
            self.acknowledged().count(),
            self.lost().count(),
            self.missing.len(),
            self.outside().count(),
            m.certain,
            m.false_certain.len(),
            m.possible,
            m.false_possible.len(),
            early.0,
            early.1,
            late.0,
            late.1,
            r.yes,
            r.untrue.len(),
            r.rest,
            r.careful.len(),
            self.truth.ended.len(),
            m.causes,
            self.truth.stats["maxima"]["maxRequestsPerSecond"]
                .as_u64()
                .or(self.truth.stats["maxRequestsPerSecond"].as_u64())
                .unwrap_or_default(),
        )
    }
}

fn told(row: &Row) -> String {
    format!(
        "row {} at {} to {}: {} {} {} {} {:?} {:?}, delivered to {}, sent {}, acknowledged {}",
        row.n,
        row.at,
        row.user,
        row.kind,
        row.change,
        row.medium,
        row.conversation,
        row.indices,
        row.says,
        row.delivered,
        row.sent,
        row.acked
    )
}

/// Rows that no reply can have brought: they went into no queue, or left none of those that they went into.
fn unheard(truth: &Truth) -> HashSet<u64> {
    let mut left: HashMap<u64, u64> = HashMap::new();
    for number in truth.losses.iter().flat_map(|loss| &loss.unheard) {
        *left.entry(*number).or_default() += 1;
    }
    let rows = truth.rows.iter().filter(|row| row.acked == 0 && row.sent == 0);
    rows.filter(|row| row.delivered <= left.get(&row.n).copied().unwrap_or(0)).map(|row| row.n).collect()
}

/// Whether what a row told is downstream.
fn came(truth: &Truth, received: &Received, row: &Row) -> bool {
    let agent = &truth.agents[&row.user];
    let mut of = received.events.iter().filter(|event| event.agent == *agent || event.observed_by == *agent);
    match (row.kind.as_str(), row.indices) {
        (_, Some((first, last))) => {
            (first..=last).all(|index| received.has_item(row.medium, &row.conversation, index))
        }
        ("Huge", _) => of.any(|event| event.kind == "item_rejected"),
        ("odd", _) => of.any(|event| event.kind == "unknown" || event.interaction.contains("ODD")),
        ("DeviceStateChangeMessage", _) => held(received, agent, "device", "", row, &row.says),
        ("ChannelStateChangeMessageV2", _) => {
            let mut each = CHANNELS.iter().zip(row.says.split(','));
            each.all(|(channel, says)| held(received, agent, "channel", channel, row, says))
        }
        _ => held(received, agent, row.medium, &row.conversation, row, &row.says),
    }
}

/// Whether a resource stood so at some time from when the row was published on.
fn held(received: &Received, agent: &str, kind: &str, id: &str, row: &Row, says: &str) -> bool {
    let all: &[Said] = received
        .states
        .get(&(agent.to_owned(), kind.to_owned(), id.to_owned()))
        .map(Vec::as_slice)
        .unwrap_or_default();
    all.iter().enumerate().any(|(place, said)| {
        let until = all.get(place + 1).map_or(i64::MAX, |next| next.at);
        said.says == says && said.at <= row.at + PATIENCE && until >= row.at
    })
}
