//! One `[[fault]]` of a scenario: which fault, when, for whom, with values that may be left to chance.
//!
//! A value written `{ from = 0, to = 4000 }` is drawn from that range, one written as a list is chosen from it,
//! each time anew. Deliberately absent: the clock (see `day`).

use super::Span;
use crate::simulator::faults::Fault;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

/// Whom a fault strikes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Users {
    /// One, drawn each time.
    #[default]
    Any,
    /// So many, drawn each time.
    Count(usize),
    /// `"all"`, or one by name.
    Word(String),
    Named(Vec<String>),
}

#[derive(Deserialize)]
struct Raw {
    kind: String,
    at: Option<Span>,
    rate_per_minute: Option<f64>,
    from: Option<Span>,
    until: Option<Span>,
    #[serde(default)]
    users: Users,
    #[serde(flatten)]
    values: Map<String, Value>,
}

/// A checked entry. Times are of the clock, counted from the beginning of the day.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Plan {
    kind: String,
    pub at: Option<Duration>,
    /// On average; the moments are drawn.
    pub rate_per_minute: Option<f64>,
    pub from: Duration,
    pub until: Option<Duration>,
    users: Users,
    values: Map<String, Value>,
    /// It is for users, each by itself.
    personal: bool,
}

impl TryFrom<Raw> for Plan {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Plan, String> {
        match (raw.at, raw.rate_per_minute) {
            (Some(_), None) => {}
            (None, Some(rate)) if rate > 0.0 && rate <= 1e6 => {}
            (None, Some(_)) => return Err("rate_per_minute: want more than 0 and at most 1000000".to_owned()),
            _ => return Err(format!("fault {:?}: want one of at and rate_per_minute", raw.kind)),
        }
        let mut plan = Plan {
            kind: raw.kind,
            at: raw.at.map(|span| span.0),
            rate_per_minute: raw.rate_per_minute,
            from: raw.from.unwrap_or_default().0,
            until: raw.until.map(|span| span.0),
            users: raw.users,
            values: raw.values,
            personal: true,
        };
        // Drawn at both ends, so that no value of a range can be refused later.
        if let Err(error) = plan.both_ends(Some("agent-1")) {
            plan.personal = false;
            // Two tries, and the error of the one that came nearer: without its user a fault of a user says just that.
            let nearer = |other: String| if other.contains("missing field `user`") { error } else { other };
            plan.both_ends(None).map_err(nearer)?;
            if plan.users != Users::Any {
                return Err(format!("fault {:?} is for the whole server: it has no users", plan.kind));
            }
        }
        Ok(plan)
    }
}

/// Where a value that is left to chance comes from.
enum Source<'a> {
    Lowest,
    Highest,
    Random(&'a mut fastrand::Rng),
}

impl Source<'_> {
    fn draw(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) if members.len() == 2 => {
                let end = |name| members.get(name).and_then(Value::as_u64);
                match (end("from"), end("to")) {
                    (Some(from), Some(to)) if from <= to => self.between(from, to).into(),
                    _ => value.clone(),
                }
            }
            Value::Array(choices) if !choices.is_empty() => {
                let last = choices.len() as u64 - 1;
                let at = usize::try_from(self.between(0, last)).unwrap_or_default();
                choices.get(at).cloned().unwrap_or_default()
            }
            _ => value.clone(),
        }
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        match self {
            Source::Lowest => from,
            Source::Highest => to,
            Source::Random(rng) => rng.u64(from..=to),
        }
    }
}

impl Plan {
    /// The faults of one moment; `agents` users are there.
    pub fn strike(&self, agents: usize, rng: &mut fastrand::Rng) -> Vec<Fault> {
        if !self.personal {
            return self.fault(None, &mut Source::Random(rng)).into_iter().collect();
        }
        let name = |number: usize| format!("agent-{number}");
        let users: Vec<String> = match &self.users {
            Users::Any => vec![name(rng.usize(1..=agents.max(1)))],
            Users::Count(count) => (0..*count).map(|_| name(rng.usize(1..=agents.max(1)))).collect(),
            Users::Word(word) if word == "all" => (1..=agents).map(name).collect(),
            Users::Word(word) => vec![word.clone()],
            Users::Named(names) => names.clone(),
        };
        users.iter().filter_map(|user| self.fault(Some(user), &mut Source::Random(rng)).ok()).collect()
    }

    fn both_ends(&self, user: Option<&str>) -> Result<(), String> {
        [Source::Lowest, Source::Highest].iter_mut().try_for_each(|end| self.fault(user, end).map(|_| ()))
    }

    fn fault(&self, user: Option<&str>, source: &mut Source<'_>) -> Result<Fault, String> {
        let mut members: Map<String, Value> =
            self.values.iter().map(|(name, value)| (name.clone(), source.draw(value))).collect();
        members.insert("fault".to_owned(), self.kind.clone().into());
        if let Some(user) = user {
            members.insert("user".to_owned(), user.into());
        }
        let fault: Fault = serde_json::from_value(members.into())
            .map_err(|error| format!("fault {:?}: {error}", self.kind))?;
        fault.check().map_err(|error| format!("fault {:?}: {error}", self.kind))?;
        Ok(fault)
    }

    pub fn check(&self, agents: usize) -> Result<(), String> {
        let known = |name: &String| {
            let number = name.strip_prefix("agent-").and_then(|number| number.parse::<usize>().ok());
            number.is_some_and(|number| (1..=agents).contains(&number))
        };
        let names: &[String] = match &self.users {
            Users::Word(word) if word == "all" => &[],
            Users::Word(word) => std::slice::from_ref(word),
            Users::Named(names) => names,
            Users::Count(_) | Users::Any => &[],
        };
        match names.iter().find(|name| !known(name)) {
            Some(name) => Err(format!(
                "fault {:?}: no user {name:?}: want \"all\", a number, or names from agent-1 to agent-{agents}",
                self.kind
            )),
            None => Ok(()),
        }
    }
}
