//! Texts with placeholders of an event: a record's key and the operator's own headers.
//!
//! Deliberately absent: topics, which are made of less and must be listed beforehand (`topic`).

use crate::base::envelope::Event;
use std::borrow::Cow;

/// What may stand in braces.
pub const PLACEHOLDERS: [&str; 7] =
    ["{partitionkey}", "{interaction}", "{agent}", "{site}", "{medium}", "{event}", "{class}"];

/// A text, ready to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    PartitionKey,
    Interaction,
    Agent,
    Site,
    Medium,
    Event,
    Class,
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing stands in it.
    Empty,
    /// A brace that is not closed, or not opened.
    Brace,
    /// With its braces.
    Unknown(String),
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, Fault> {
        if text.is_empty() {
            return Err(Fault::Empty);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or(Fault::Brace)?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(field(name).ok_or_else(|| Fault::Unknown(format!("{{{name}}}")))?));
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err(Fault::Brace);
        }
        Ok(Template(parts))
    }

    /// The text for this event; none where the event has not all that it wants.
    pub fn fill<'a>(&self, event: &'a Event) -> Option<Cow<'a, str>> {
        if let [Part::Field(field)] = self.0.as_slice() {
            return field.of(event).map(Cow::Borrowed);
        }
        let mut text = String::new();
        for part in &self.0 {
            text.push_str(match part {
                Part::Text(text) => text,
                Part::Field(field) => field.of(event)?,
            });
        }
        Some(Cow::Owned(text))
    }

    /// Whether all events of one partition key have the same text.
    pub fn is_one_per_partition_key(&self) -> bool {
        let same = |part: &Part| {
            matches!(part, Part::Text(_) | Part::Field(Field::PartitionKey | Field::Interaction))
        };
        self.0.iter().all(same)
    }
}

fn field(name: &str) -> Option<Field> {
    Some(match name {
        "partitionkey" => Field::PartitionKey,
        "interaction" => Field::Interaction,
        "agent" => Field::Agent,
        "site" => Field::Site,
        "medium" => Field::Medium,
        "event" => Field::Event,
        "class" => Field::Class,
        _ => return None,
    })
}

impl Field {
    fn of(self, event: &Event) -> Option<&str> {
        let text = match self {
            Field::PartitionKey => event.partitionkey.as_str(),
            Field::Interaction => event.interaction.as_deref()?,
            Field::Agent => event.agent.as_deref()?,
            Field::Site => &event.site,
            Field::Medium => &event.medium,
            Field::Event => &event.event,
            Field::Class => event.class().as_str(),
        };
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::event;

    fn filled(text: &str) -> Option<String> {
        Template::parse(text).unwrap().fill(&event("main/k", 1)).map(Cow::into_owned)
    }

    #[test]
    fn placeholders_are_filled_from_the_event_and_an_event_that_lacks_one_has_no_text() {
        assert_eq!(filled("{partitionkey}").as_deref(), Some("main/k"));
        assert_eq!(filled("{site}:{medium}:{event}:{class}").as_deref(), Some("main:chat:message:content"));
        assert_eq!(filled("crm").as_deref(), Some("crm"));
        assert_eq!(filled("x-{agent}"), None, "a message of an interaction belongs to no agent");
    }

    #[test]
    fn every_placeholder_that_is_named_is_known() {
        for placeholder in PLACEHOLDERS {
            assert!(Template::parse(placeholder).is_ok(), "{placeholder}");
        }
        assert_eq!(Template::parse("a{agnt}"), Err(Fault::Unknown("{agnt}".to_owned())));
        assert_eq!(Template::parse("a{agent"), Err(Fault::Brace));
        assert_eq!(Template::parse("agent}"), Err(Fault::Brace));
        assert_eq!(Template::parse(""), Err(Fault::Empty));
    }

    #[test]
    fn keys_that_can_split_an_interaction_are_known() {
        for (text, one) in [("{partitionkey}", true), ("gws/{interaction}", true), ("all", true)] {
            assert_eq!(Template::parse(text).unwrap().is_one_per_partition_key(), one, "{text}");
        }
        for text in ["{agent}", "{medium}/{partitionkey}", "{site}"] {
            assert!(!Template::parse(text).unwrap().is_one_per_partition_key(), "{text}");
        }
    }
}
