//! Which events a sink wants: `match` names what it takes, `except` what it does not.
//!
//! Everything it looks at stands in the event since it was recorded, the agent's group too: so each reading, retry and
//! restart decides the same, and a lane that lags loses nothing to a change of the roster. Deliberately absent: the
//! roster.

use crate::base::envelope::{Class, Event, event, medium};
use crate::outbound::settings::{Match, SinkConfig, Target};
use serde::Deserialize;
use std::borrow::Cow;

/// Words that the open attributes were seen with; others are allowed, and `check` notes them.
const VISIBILITIES: &[&str] = &["All", "Agents", "Supervisors"];
const AUTHORS: &[&str] = &["Customer", "Agent", "External"];
const STATES: &[&str] = &[
    "Invited",
    "Chatting",
    "Completed",
    "Revoked",
    "Processing",
    "Composing",
    "InWorkbin",
    "Ringing",
    "Dialing",
    "Established",
    "Held",
    "Released",
    "Talking",
    "ReadyToCall",
    "Ready",
    "NotReady",
    "LoggedIn",
    "LoggedOut",
];

/// What every event has, as far as it can be told without one.
pub struct Kind<'a> {
    pub site: &'a str,
    pub medium: &'a str,
    pub event: &'a str,
    pub class: &'a str,
}

/// Whether the event is for this sink.
pub fn wants(sink: &SinkConfig, event: &Event) -> bool {
    let class = event.class().as_str();
    let kind = Kind { site: &event.site, medium: &event.medium, event: &event.event, class };
    let (matching, except) = (&sink.matching, &sink.except);
    (sink.transcripts || event.event != event::TRANSCRIPT)
        && fits(matching, &kind)
        && visible(&matching.visibility, event)
        && closer(matching, event)
        && !(*except != Match::default()
            && fits(except, &kind)
            && names(&except.visibility, event.visibility.as_deref())
            && closer(except, event))
}

/// Whether an event of this kind can be for this sink.
pub fn takes(matching: &Match, except: &Match, kind: &Kind<'_>) -> bool {
    let Match { visibility, authorkind, state, agent, group, .. } = except;
    let whole = [visibility, authorkind, state, agent, group].into_iter().all(Vec::is_empty);
    fits(matching, kind) && !(*except != Match::default() && whole && fits(except, kind))
}

fn fits(list: &Match, kind: &Kind<'_>) -> bool {
    names(&list.medium, Some(kind.medium))
        && names(&list.event, Some(kind.event))
        && names(&list.class, Some(kind.class))
        && names(&list.site, Some(kind.site))
}

/// Only log items have a visibility: the list is about who of a conversation may see them, and about nothing else.
fn visible(list: &[String], event: &Event) -> bool {
    event.visibility.is_none() || names(list, event.visibility.as_deref())
}

fn closer(list: &Match, event: &Event) -> bool {
    names(&list.authorkind, event.authorkind.as_deref())
        && names(&list.agent, event.agent.as_deref())
        && names(&list.group, event.group.as_deref())
        && (list.state.is_empty() || names(&list.state, state(event).as_deref()))
}

/// An empty list wants everything, any other one a word that it names.
fn names(list: &[String], word: Option<&str>) -> bool {
    list.is_empty() || word.is_some_and(|word| list.iter().any(|wanted| wanted == word))
}

/// An interaction's state, or the agent's on a device or channel. Only looked for where somebody asks.
fn state(event: &Event) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        #[serde(borrow)]
        state: Option<Cow<'a, str>>,
        #[serde(borrow)]
        user_state: Option<User<'a>>,
    }
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow)]
        state: Option<Cow<'a, str>>,
    }
    let data: Data<'_> = serde_json::from_str(event.data.get()).ok()?;
    data.state.or(data.user_state.and_then(|user| user.state))
}

/// What a webhook leaves out unless it is told otherwise, and words of open lists that no description of GWS has (`check`).
pub fn notes(sink: &SinkConfig) -> Vec<String> {
    let mut notes = Vec::new();
    let public = matches!(sink.target, Target::Webhook(_)) && sink.matching.visibility == ["All"];
    if public && takes_items(sink) {
        notes.push("match.visibility: log items that only agents or supervisors may see do not leave; with visibility = [] all do".to_owned());
    }
    for (table, list) in [("match", &sink.matching), ("except", &sink.except)] {
        let open = [
            ("visibility", &list.visibility, VISIBILITIES),
            ("authorkind", &list.authorkind, AUTHORS),
            ("state", &list.state, STATES),
        ];
        for (key, words, known) in open {
            for word in words.iter().filter(|word| !known.contains(&word.as_str())) {
                notes.push(format!(
                    "{table}.{key}: {word:?} is none of the words known ({}); upper and lower case count",
                    known.join(", ")
                ));
            }
        }
    }
    notes
}

fn takes_items(sink: &SinkConfig) -> bool {
    let (matching, except) = (&sink.matching, &sink.except);
    let site = matching.site.first().map_or("", String::as_str);
    let class = Class::Content.as_str();
    medium::CONVERSATIONS
        .iter()
        .any(|&medium| takes(matching, except, &Kind { site, medium, event: event::MESSAGE, class }))
}

#[cfg(test)]
mod tests;
