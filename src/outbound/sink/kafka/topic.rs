//! Topic names with `{site}`, `{medium}` and `{class}`.
//!
//! Deliberately absent: creating topics.

use crate::base::envelope::{Class, Event, medium};
use crate::base::media::events_of;
use crate::outbound::route::{self, Kind};
use crate::outbound::settings::Match;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Kafka's limit.
const MAX_LENGTH: usize = 249;

/// A topic's name, ready to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Site,
    Medium,
    Class,
}

impl Topic {
    /// The error says what is wrong and what is allowed.
    pub fn parse(template: &str) -> Result<Topic, String> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            parts.push(Part::Text(before.to_owned()));
            let Some((name, behind)) = after.split_once('}') else {
                return Err(format!("topic {template:?}: a brace is not closed"));
            };
            parts.push(match name {
                "site" => Part::Site,
                "medium" => Part::Medium,
                "class" => Part::Class,
                _ => {
                    return Err(format!(
                        "topic {template:?}: {{{name}}} is not known; there are {{site}}, {{medium}} and {{class}}"
                    ));
                }
            });
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        let legal = |part: &Part| !matches!(part, Part::Text(text) if !text.chars().all(is_legal));
        if parts.is_empty() || template == "." || template == ".." || !parts.iter().all(legal) {
            return Err(format!(
                "topic {template:?}: letters, digits, dot, dash and underscore make a topic's name"
            ));
        }
        if template.len() > MAX_LENGTH {
            return Err(format!("topic: longer than Kafka's {MAX_LENGTH} characters"));
        }
        Ok(Topic(parts))
    }

    /// The name, where it is the same for every event.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(name)] => Some(name),
            _ => None,
        }
    }

    /// The name for this event.
    pub fn of(&self, event: &Event) -> Cow<'_, str> {
        match self.fixed() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.fill(&event.site, &event.medium, event.class())),
        }
    }

    /// Every name it can give for what a sink takes of these sites, sorted (`cometbridge topics`).
    pub fn all(&self, sites: &[&str], matching: &Match, except: &Match) -> Vec<String> {
        let mut names = BTreeSet::new();
        for &medium in medium::ALL {
            // Events of the bridge that belong to no site have "bridge" in its place.
            let bridge = (medium == medium::BRIDGE).then_some(medium::BRIDGE);
            for site in sites.iter().copied().chain(bridge) {
                for class in Class::ALL {
                    let kind = |event| Kind { site, medium, event, class: class.as_str() };
                    let mut events =
                        events_of(medium).iter().filter(|event| Class::of(medium, event) == class);
                    if events.any(|event| route::takes(matching, except, &kind(event))) {
                        names.insert(self.fill(site, medium, class));
                    }
                }
            }
        }
        names.into_iter().collect()
    }

    fn fill(&self, site: &str, medium: &str, class: Class) -> String {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Site => name.push_str(site),
                Part::Medium => name.push_str(medium),
                Part::Class => name.push_str(class.as_str()),
            }
        }
        name.chars().map(|one| if is_legal(one) { one } else { '_' }).take(MAX_LENGTH).collect()
    }
}

fn is_legal(one: char) -> bool {
    one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::event as message;

    #[test]
    fn placeholders_are_filled_from_the_event() {
        let topic = Topic::parse("gws.{site}.{medium}.{class}").unwrap();
        assert_eq!(topic.of(&message("k", 1)), "gws.main.chat.content");
        assert_eq!(topic.fixed(), None);
        assert_eq!(Topic::parse("gws.events").unwrap().fixed(), Some("gws.events"));
    }

    #[test]
    fn a_name_that_kafka_would_refuse_is_refused_with_what_is_allowed() {
        assert!(Topic::parse("a.{agent}").unwrap_err().contains("{site}"));
        assert!(Topic::parse("a.{site").unwrap_err().contains("brace"));
        assert!(Topic::parse("").is_err() && Topic::parse("a b").is_err() && Topic::parse("..").is_err());
        assert!(Topic::parse(&"a".repeat(250)).is_err());
    }

    #[test]
    fn every_name_a_template_can_give_is_listed() {
        let topic = Topic::parse("{site}-{class}").unwrap();
        let none = Match::default();
        let names = topic.all(&["a"], &none, &none);
        assert_eq!(names, ["a-agent-state", "a-bridge", "a-content", "a-lifecycle", "bridge-bridge"]);
        let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let matching = Match { medium: own(&["chat", "agent"]), event: own(&["message"]), ..none.clone() };
        assert_eq!(topic.all(&["a"], &matching, &none), ["a-content"], "only what the sink takes");
        let except = Match { class: own(&["bridge", "lifecycle"]), ..none.clone() };
        assert_eq!(topic.all(&["a"], &none, &except), ["a-agent-state", "a-content"]);
        let narrow = Match { class: own(&["content"]), state: own(&["Ready"]), ..none.clone() };
        assert_eq!(topic.all(&["a"], &none, &narrow).len(), 5, "what takes away a part takes no topic away");
        let site = Match { site: own(&["b"]), ..none.clone() };
        assert_eq!(
            topic.all(&["a", "b"], &site, &none),
            ["b-agent-state", "b-bridge", "b-content", "b-lifecycle"]
        );
    }
}
