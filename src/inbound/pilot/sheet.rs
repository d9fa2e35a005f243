//! The go/no-go sheet: what the trial saw, in words for whoever decides, without personal data.
//!
//! Deliberately absent: how it was seen.

use super::node;
use crate::base::link::host;
use crate::base::time::{Millis, rfc3339};
use crate::inbound::session::bayeux::{Hold, Meta, Request};
use crate::inbound::session::protocol::{Failure, FailureKind};
use crate::inbound::session::transport::Transport;
use crate::inbound::settings::SiteConfig;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Cookies named; a session keeps no more at once.
const MAX_NAMES: usize = 50;

/// Everything a trial writes down.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sheet {
    pub site: String,
    /// The roster's key.
    pub agent: String,
    pub server: String,
    #[serde(serialize_with = "stamp")]
    pub began: Millis,
    #[serde(serialize_with = "stamp")]
    pub ended: Millis,
    pub version: Option<String>,
    /// How the login went: the names of the cookies given then and later, or why there is none.
    #[serde(serialize_with = "told")]
    pub login: Result<Vec<String>, String>,
    pub csrf: bool,
    pub relogins: u32,
    pub handshakes: u32,
    pub ack: Option<bool>,
    /// What the server last advised, ms.
    pub advised_timeout: Option<i64>,
    pub advised_interval: Option<i64>,
    pub window_asked: u64,
    pub subscribed: Vec<String>,
    pub refused: BTreeMap<String, String>,
    pub node: Option<String>,
    pub nodes: BTreeSet<String>,
    pub polls: u32,
    pub polls_failed: u32,
    #[serde(rename = "longestPollMs", serialize_with = "milliseconds")]
    pub longest_poll: Duration,
    pub lost: BTreeMap<String, u32>,
    pub multiple_clients: bool,
    pub troubles: BTreeSet<String>,
    pub notifications: BTreeMap<String, u64>,
    #[serde(serialize_with = "told")]
    pub before: Result<Vec<String>, String>,
    pub during: Vec<String>,
    #[serde(serialize_with = "told")]
    pub after: Result<Vec<String>, String>,
    pub logged_out_during: bool,
    pub logged_out_after: bool,
    /// How often REST was read, and why it could not be at last.
    pub looks: u32,
    pub unread: Option<String>,
    /// Media of which the server has no list: whether the session is deaf to them can not be seen.
    pub unlisted: BTreeSet<&'static str>,
    /// What REST showed that no notification told, by kind.
    pub untold: BTreeMap<String, usize>,
}

/// What the sheet comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Go,
    /// Nothing is wrong, and something needed for a go was not seen.
    Undecided,
    NoGo,
}

fn stamp<S: serde::Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

fn milliseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// A list, or an object that says why there is none.
fn told<S: serde::Serializer>(told: &Result<Vec<String>, String>, serializer: S) -> Result<S::Ok, S::Error> {
    match told {
        Ok(list) => list.serialize(serializer),
        Err(reason) => BTreeMap::from([("error", reason)]).serialize(serializer),
    }
}

impl Sheet {
    pub fn new(site: &SiteConfig, agent: &str, now: Millis) -> Sheet {
        Sheet {
            site: site.name.clone(),
            agent: agent.to_owned(),
            server: site.base_urls.first().map(host).unwrap_or_default(),
            began: now,
            ended: now,
            version: None,
            login: Ok(Vec::new()),
            csrf: false,
            relogins: 0,
            handshakes: 0,
            ack: None,
            advised_timeout: None,
            advised_interval: None,
            window_asked: u64::try_from(site.ask_window.as_millis()).unwrap_or(u64::MAX),
            subscribed: site.channels.clone(),
            refused: BTreeMap::new(),
            node: None,
            nodes: BTreeSet::new(),
            polls: 0,
            polls_failed: 0,
            longest_poll: Duration::ZERO,
            lost: BTreeMap::new(),
            multiple_clients: false,
            troubles: BTreeSet::new(),
            notifications: BTreeMap::new(),
            before: Ok(Vec::new()),
            during: Vec::new(),
            after: Ok(Vec::new()),
            logged_out_during: false,
            logged_out_after: false,
            looks: 0,
            unread: None,
            unlisted: BTreeSet::new(),
            untold: BTreeMap::new(),
        }
    }

    /// The cookies that are there, those of a load balancer among them, the node, and whether there is a CSRF token.
    pub fn seen(&mut self, transport: &Transport) {
        self.nodes.extend(node(transport));
        self.csrf |= transport.has_csrf();
        let Ok(known) = &mut self.login else { return };
        for (name, _) in transport.cookies() {
            if !known.contains(&name) && known.len() < MAX_NAMES {
                known.push(name);
            }
        }
    }

    pub fn polled(&mut self, request: &Request, failure: Option<&Failure>, took: Duration) {
        let Request::Connect { hold, .. } = request else { return };
        self.polls += 1;
        match failure {
            Some(failure) if failure.kind != FailureKind::Unauthorized => self.polls_failed += 1,
            Some(_) => {}
            None if *hold != Hold::None => self.longest_poll = self.longest_poll.max(took),
            None => {}
        }
    }

    pub fn advised(&mut self, meta: &Meta) {
        if let Some(advice) = &meta.advice {
            self.advised_timeout = advice.timeout.or(self.advised_timeout);
            self.advised_interval = advice.interval.or(self.advised_interval);
        }
    }

    /// Counts one event; the kinds are a closed set.
    pub fn count(&mut self, kind: &str) {
        *self.notifications.entry(kind.to_owned()).or_default() += 1;
    }

    /// The verdict with its reasons.
    pub fn verdict(&self) -> (Verdict, Vec<String>) {
        let mut against = Vec::new();
        let mut open = Vec::new();
        if let Err(reason) = &self.login {
            against.push(format!("there was no login: {reason}"));
        } else if self.ack.is_none() {
            against.push("there was no CometD session".to_owned());
        }
        let all_refused =
            !self.subscribed.is_empty() && self.subscribed.iter().all(|c| self.refused.contains_key(c));
        if all_refused {
            against.push("the server refused every topic".to_owned());
        }
        let in_before = self.before.as_ref().is_ok_and(|states| !logged_out(states));
        if in_before && (self.logged_out_during || self.logged_out_after) {
            against.push("the agent was logged out while, or just after, our session was there".to_owned());
        }
        if !self.untold.is_empty() {
            against.push(
                "REST showed changes that no notification told: this session may be deaf (another node?)"
                    .to_owned(),
            );
        }
        if self.multiple_clients {
            against.push(
                "the server took us and another client for one browser: something mixes cookies".to_owned(),
            );
        }
        if let Some(reason) = &self.unread {
            open.push(format!("the agent's state could not always be read over REST: {reason}"));
        } else if self.looks == 0 {
            open.push(
                "the agent's state was not read over REST, so a deaf session would not show".to_owned(),
            );
        }
        for (when, states) in [("before", &self.before), ("after", &self.after)] {
            if let Err(reason) = states {
                open.push(format!("how the agent stood {when} our session is not known: {reason}"));
            }
        }
        if self.notifications.is_empty() {
            open.push(
                "no notification came: let the agent change state and take an interaction during the trial"
                    .to_owned(),
            );
        }
        if !self.lost.is_empty() || self.polls_failed > 0 {
            open.push("the session was not steady, see below".to_owned());
        }
        if !against.is_empty() {
            against.extend(open);
            return (Verdict::NoGo, against);
        }
        if open.is_empty() { (Verdict::Go, open) } else { (Verdict::Undecided, open) }
    }

    /// For programs: everything, with the verdict and its reasons.
    pub fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Judged<'a> {
            verdict: Verdict,
            reasons: Vec<String>,
            #[serde(flatten)]
            sheet: &'a Sheet,
        }
        let (verdict, reasons) = self.verdict();
        serde_json::to_string(&Judged { verdict, reasons, sheet: self })
    }

    /// For people, as Markdown.
    pub fn text(&self) -> String {
        let (verdict, reasons) = self.verdict();
        let word = match verdict {
            Verdict::Go => "GO",
            Verdict::Undecided => "UNDECIDED",
            Verdict::NoGo => "NO-GO",
        };
        let mut out = format!("# Pilot of site {}, agent {}: {word}\n\n", self.site, self.agent);
        for reason in &reasons {
            out.push_str(&format!("* {}\n", plain(reason)));
        }
        if !reasons.is_empty() {
            out.push('\n');
        }
        out.push_str("|  |  |\n| --- | --- |\n");
        for (name, value) in self.rows_of_session().into_iter().chain(self.rows_of_agent()) {
            out.push_str(&format!("| {name} | {} |\n", plain(&value)));
        }
        out
    }

    fn rows_of_session(&self) -> Vec<(&'static str, String)> {
        let accepted: Vec<String> =
            self.subscribed.iter().filter(|channel| !self.refused.contains_key(*channel)).cloned().collect();
        let refused: Vec<String> =
            self.refused.iter().map(|(channel, error)| format!("{channel} ({error})")).collect();
        vec![
            ("from, to", format!("{}, {}", rfc3339(self.began), rfc3339(self.ended))),
            ("server", format!("{}, version {}", self.server, self.version.as_deref().unwrap_or("not told"))),
            (
                "login",
                match &self.login {
                    Ok(cookies) => format!(
                        "GET /api/v2/me with Basic; cookies {}; CSRF token {}",
                        list(cookies),
                        yes(self.csrf)
                    ),
                    Err(reason) => reason.clone(),
                },
            ),
            ("logins after the first", self.relogins.to_string()),
            ("CometD sessions opened", self.handshakes.to_string()),
            (
                "acknowledgement",
                match self.ack {
                    Some(true) => "yes: a lost reply comes again".to_owned(),
                    Some(false) => "no: a reply lost on the way is a possible gap".to_owned(),
                    None => "not known".to_owned(),
                },
            ),
            (
                "advice",
                format!(
                    "timeout {} ms, interval {} ms (asked for {} ms)",
                    number(self.advised_timeout),
                    number(self.advised_interval),
                    self.window_asked
                ),
            ),
            ("topics accepted", if self.ack.is_some() { list(&accepted) } else { "none".to_owned() }),
            ("topics refused", list(&refused)),
        ]
    }

    fn rows_of_agent(&self) -> Vec<(&'static str, String)> {
        let troubles: Vec<String> = self.troubles.iter().take(10).cloned().collect();
        let unlisted: Vec<String> = self.unlisted.iter().map(|medium| (*medium).to_owned()).collect();
        let node = self.node.as_deref().unwrap_or("no cookie tells");
        let longest = self.longest_poll.as_secs();
        vec![
            ("node", format!("{node}; seen {}", self.nodes.len())),
            ("polls", format!("{}, failed {}, the longest {longest} s", self.polls, self.polls_failed)),
            ("sessions lost", counts(&self.lost)),
            ("troubles", list(&troubles)),
            ("notifications", counts(&self.notifications)),
            ("agent before", states(&self.before)),
            ("agent during", list(&self.during)),
            ("agent after", states(&self.after)),
            ("REST read", format!("{} times", self.looks)),
            ("no list in REST", list(&unlisted)),
            ("in REST only", counts(&self.untold)),
        ]
    }
}

fn logged_out(states: &[String]) -> bool {
    states.is_empty() || states.iter().all(|state| state.contains("LoggedOut"))
}

/// On one line, and no mark of a table or of HTML: a server's words stand in it.
fn plain(text: &str) -> String {
    let mark = |c: char| match c {
        '|' => '/',
        '<' => '(',
        '>' => ')',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(mark).take(1_000).collect()
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "not told".to_owned(), |value| value.to_string())
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join("; ") }
}

fn states(states: &Result<Vec<String>, String>) -> String {
    states.as_ref().map_or_else(|reason| format!("not read: {reason}"), |states| list(states))
}

fn counts<T: std::fmt::Display>(counts: &BTreeMap<String, T>) -> String {
    list(&counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>())
}
