//! The sessions one by one, as the API and the command line show them.
//!
//! By the roster's key, never a user name. Deliberately absent: who may ask.

use super::{Door, Fleet, Member, Standing};
use crate::base::time::rfc3339;
use crate::inbound::accounts::SiteGate;
use crate::inbound::checkpoint;
use crate::inbound::session::protocol::Phase;
use crate::journal::Gap;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Bound;

/// Which sessions, and how many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub site: Option<String>,
    pub standing: Option<Standing>,
    /// `<site>/<agent>`: those after it, in order of both.
    pub after: Option<String>,
    pub limit: usize,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    pub agent: String,
    pub site: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub phase: String,
    pub standing: String,
    /// Why it stands so; empty where there is nothing to explain.
    pub cause: String,
    /// RFC 3339: since when it stands so.
    pub since: String,
    /// The last good answer to a connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notification: Option<String>,
    /// Whether the server acknowledges; absent while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<bool>,
    /// A hash that tells nodes apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<OpenGap>,
}

/// A gap that is still open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGap {
    pub id: String,
    pub cause: String,
    pub certainty: String,
    /// RFC 3339: the last covered moment, else when the gap was noticed.
    pub since: String,
}

/// Open gaps by session; of several the oldest counts.
pub fn open_gaps(gaps: Vec<Gap>) -> HashMap<String, OpenGap> {
    let mut out: HashMap<String, (i64, OpenGap)> = HashMap::new();
    for gap in gaps.into_iter().filter(|gap| gap.to.is_none()) {
        let since = gap.from.unwrap_or(gap.opened);
        let open = OpenGap { id: gap.id, cause: gap.cause, certainty: gap.certainty, since: rfc3339(since) };
        match out.get(&gap.session) {
            Some((known, _)) if *known <= since => {}
            _ => drop(out.insert(gap.session, (since, open))),
        }
    }
    out.into_iter().map(|(session, (_, gap))| (session, gap)).collect()
}

impl Fleet {
    /// Some sessions, and what to give as `after` for the next ones, if there are more.
    pub fn agents(
        &self,
        asked: &Asked,
        gaps: &HashMap<String, OpenGap>,
    ) -> (Vec<AgentStatus>, Option<String>) {
        let after = asked.after.as_deref().map(|after| after.split_once('/').unwrap_or((after, "")));
        let mut out: Vec<AgentStatus> = Vec::new();
        for door in self.doors().iter() {
            let from = match after {
                Some((site, _)) if *door.name < *site => continue,
                Some((site, agent)) if *door.name == *site => Bound::Excluded(agent.to_owned()),
                _ => Bound::Unbounded,
            };
            if asked.site.as_ref().is_some_and(|site| **site != *door.name) {
                continue;
            }
            let gate = door.accounts.state();
            for (agent, member) in door.members().range((from, Bound::Unbounded)) {
                if asked.standing.is_some_and(|wanted| member.view.seen().standing != wanted) {
                    continue;
                }
                if out.len() >= asked.limit {
                    let next = out.last().map(|last| checkpoint::session_name(&last.site, &last.agent));
                    return (out, next);
                }
                out.push(status(door, &gate, agent, member, gaps));
            }
        }
        (out, None)
    }

    /// An agent of this key, at one site or at all (it can stand in several rosters).
    pub fn agent(&self, key: &str, site: Option<&str>, gaps: &HashMap<String, OpenGap>) -> Vec<AgentStatus> {
        let doors = self.doors().iter().filter(|door| site.is_none_or(|site| *door.name == *site));
        doors
            .filter_map(|door| {
                let member = door.members().get(key).cloned();
                member.map(|member| status(door, &door.accounts.state(), key, &member, gaps))
            })
            .collect()
    }
}

fn status(
    door: &Door,
    gate: &SiteGate,
    agent: &str,
    member: &Member,
    gaps: &HashMap<String, OpenGap>,
) -> AgentStatus {
    let seen = member.view.seen();
    // What went wrong before is not why it waits now.
    let waits = seen.phase == Phase::Login && gate.canary.as_deref() != Some(agent);
    let cause = match gate.why() {
        why if waits && !why.is_empty() => format!("logins are paused {why}"),
        _ => seen.cause,
    };
    AgentStatus {
        agent: agent.to_owned(),
        site: door.name.to_string(),
        group: member.group.as_deref().map(str::to_owned),
        phase: seen.phase.as_str().to_owned(),
        standing: seen.standing.as_str().to_owned(),
        cause,
        since: rfc3339(seen.since),
        last_good: seen.good.map(rfc3339),
        last_notification: seen.heard.map(rfc3339),
        ack: seen.ack,
        node: seen.node,
        gap: gaps.get(&checkpoint::session_name(&door.name, agent)).cloned(),
    }
}
