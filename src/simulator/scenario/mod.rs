//! A scenario file: the server, the agents, their day, and what goes wrong. `config/examples/scenario.toml` has
//! every key with a comment.
//!
//! Times are texts with a unit (`"250ms"`, `"12s"`, `"3m"`, `"1h"`). Unknown keys are refused; an error names line
//! and column. Deliberately absent: running it (see `day`).

mod plan;

pub use plan::Plan;

use super::options::{Options, numbered_users};
use super::world::Medium;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// All simulated agents have this password unless told otherwise; it guards nothing.
const PASSWORD: &str = "simulated";
const MAX_AGENTS: usize = 100_000;
const MAX_ROWS: usize = 2_000_000;

/// What can be wrong with a scenario file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the scenario {0} can not be read: {1}")]
    Read(String, std::io::Error),
    #[error("the scenario {0}: {1}")]
    Parse(String, String),
}

/// A scenario as its file says, with the defaults for what it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Decides everything that happens by chance.
    pub seed: u64,
    #[serde(deserialize_with = "agents")]
    pub agents: Agents,
    pub password: Option<String>,
    pub server: Server,
    pub day: Day,
    #[serde(rename = "fault")]
    pub faults: Vec<Plan>,
}

/// How many agents there are: keys `1`, `2`, …, user names `agent-1`, `agent-2`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agents(pub usize);

impl Default for Agents {
    fn default() -> Agents {
        Agents(10)
    }
}

/// As the fields of the same name in [`Options`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub listen: Option<SocketAddr>,
    pub ack: bool,
    pub timeout: Span,
    pub max_interval: Span,
    pub csrf: bool,
    pub max_queue: usize,
    pub denied_channels: Vec<String>,
    pub nodes: usize,
    pub sticky: bool,
    pub shared_logins: bool,
    pub sessions_in_me: bool,
    pub lock_after: Option<u32>,
    /// Rows kept for `/simulator/published`.
    pub published_limit: usize,
    /// Conversations that are over, kept for `/simulator/ended`.
    pub ended_limit: usize,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: None,
            ack: true,
            timeout: Span(Duration::from_secs(20)),
            max_interval: Span(Duration::from_secs(10)),
            csrf: false,
            max_queue: 50_000,
            denied_channels: Vec::new(),
            nodes: 1,
            sticky: true,
            shared_logins: false,
            sessions_in_me: true,
            lock_after: None,
            published_limit: 500_000,
            ended_limit: 100_000,
        }
    }
}

/// What the agents do. All rates and times here are of the day, which passes `speed` times as fast as the clock.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Day {
    pub speed: f64,
    /// No conversation begins later; without it the day has no end.
    pub length: Option<Span>,
    /// It begins when so many users have a subscribed session.
    pub wait_for_sessions: usize,
    /// For each agent.
    pub conversations_per_hour: f64,
    /// Changes of device or channel states, for each agent.
    pub states_per_hour: f64,
    /// The average between two turns of a conversation.
    pub pause: Span,
    /// The fewest and the most turns of a conversation.
    pub messages: (u32, u32),
    /// Conversations an agent has at most.
    pub max_open: usize,
    /// The chance of each turn to be a transfer, or a consult.
    pub transfer: f64,
    pub consult: f64,
    /// The chance that typing is told before a text.
    pub typing: f64,
    pub media: Media,
}

impl Default for Day {
    fn default() -> Day {
        Day {
            speed: 1.0,
            length: None,
            wait_for_sessions: 0,
            conversations_per_hour: 6.0,
            states_per_hour: 6.0,
            pause: Span(Duration::from_secs(20)),
            messages: (4, 20),
            max_open: 3,
            transfer: 0.03,
            consult: 0.03,
            typing: 0.3,
            media: Media::default(),
        }
    }
}

/// How often each medium is chosen, against the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    chat: u32,
    facebook: u32,
    sms: u32,
}

impl Default for Media {
    fn default() -> Media {
        Media { chat: 1, facebook: 2, sms: 1 }
    }
}

impl Media {
    pub fn pick(self, rng: &mut fastrand::Rng) -> Medium {
        let drawn = rng.u64(..self.total().max(1));
        match drawn {
            drawn if drawn < u64::from(self.chat) => Medium::Chat,
            drawn if drawn < u64::from(self.chat) + u64::from(self.facebook) => Medium::Facebook,
            _ => Medium::Sms,
        }
    }

    fn total(self) -> u64 {
        u64::from(self.chat) + u64::from(self.facebook) + u64::from(self.sms)
    }
}

/// A time with its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        span(&text).ok_or_else(|| {
            de::Error::custom(format!("{text:?} is no time: want a number with ms, s, m or h, as in \"12s\""))
        })
    }
}

fn span(text: &str) -> Option<Span> {
    let units = [("ms", 1.0), ("s", 1e3), ("m", 6e4), ("h", 3.6e6)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let millis = number.trim().parse::<f64>().ok().filter(|number| *number >= 0.0)? * factor;
    (millis < 1e11).then(|| Span(Duration::from_secs_f64(millis / 1e3)))
}

fn agents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Agents, D::Error> {
    let count = usize::deserialize(deserializer)?;
    match count {
        1..=MAX_AGENTS => Ok(Agents(count)),
        _ => Err(de::Error::custom(format!("agents = {count}: want 1 to {MAX_AGENTS}"))),
    }
}

impl Scenario {
    pub fn load(path: &Path) -> Result<Scenario, Error> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Error::Read(name.clone(), error))?;
        Scenario::parse(&name, &text)
    }

    /// `name` stands in the errors.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, Error> {
        let failed = |why: String| Error::Parse(name.to_owned(), why);
        let scenario: Scenario = toml::from_str(text).map_err(|error| failed(error.to_string()))?;
        scenario.check().map_err(failed)?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let (server, day) = (&self.server, &self.day);
        let chance = |value: f64| (0.0..=1.0).contains(&value);
        let rules = [
            (server.max_interval.0.is_zero(), "server.max_interval is zero: want more"),
            (!(1..=16).contains(&server.nodes), "server.nodes: want 1 to 16"),
            (server.published_limit > MAX_ROWS, "server.published_limit: want at most 2000000"),
            (server.lock_after == Some(0), "server.lock_after is zero: want 1 or more, or leave it out"),
            (!(0.001..=10_000.0).contains(&day.speed), "day.speed: want 0.001 to 10000"),
            (
                !(0.0..=10_000.0).contains(&day.conversations_per_hour),
                "day.conversations_per_hour: want 0 to 10000",
            ),
            (!(0.0..=10_000.0).contains(&day.states_per_hour), "day.states_per_hour: want 0 to 10000"),
            (day.messages.0 > day.messages.1, "day.messages: want [fewest, most]"),
            (!(chance(day.transfer) && chance(day.consult)), "day.transfer and day.consult: want 0 to 1"),
            (
                !chance(day.typing) || day.transfer + day.consult > 1.0,
                "day.typing, and transfer + consult: want 0 to 1",
            ),
            (day.media.total() == 0, "day.media: one of chat, facebook, sms has to be above zero"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(rule.to_owned()),
            None => self.faults.iter().try_for_each(|plan| plan.check(self.agents.0)),
        }
    }

    /// The options of a server that plays this scenario.
    pub fn options(self) -> Options {
        let server = self.server.clone();
        let password = SecretString::from(self.password.clone().unwrap_or_else(|| PASSWORD.to_owned()));
        let defaults = Options::default();
        Options {
            listen: server.listen.unwrap_or(defaults.listen),
            users: numbered_users(self.agents.0, &password),
            ack: server.ack,
            timeout: server.timeout.0,
            max_interval: server.max_interval.0,
            csrf: server.csrf,
            denied_channels: server.denied_channels,
            max_queue: server.max_queue,
            nodes: server.nodes,
            sticky: server.sticky,
            shared_logins: server.shared_logins,
            sessions_in_me: server.sessions_in_me,
            lock_after: server.lock_after,
            published_limit: server.published_limit,
            scenario: Some(Arc::new(self)),
            ..defaults
        }
    }
}

#[cfg(test)]
mod tests;
