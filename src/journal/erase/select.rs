//! What is to be erased, and whether an event's body is meant.
//!
//! Pure. A body that can not be read (damaged, or of another release) is meant where the text is in it anywhere:
//! nobody is given it any more, and it must not be what keeps the text.

use crate::base::envelope::{event, medium};
use crate::journal::contexts::ContextValue;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is to be erased. It may hold personal data: nothing of it belongs in a log.
#[derive(Clone, PartialEq, Eq)]
pub enum Selector {
    /// By its id.
    Interaction(String),
    /// By its key in the roster: what is its own, and what it observed.
    Agent(String),
    /// By a value in the envelope, as text.
    Field { path: Vec<String>, value: String },
}

impl std::fmt::Debug for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

/// Whose an event is.
#[derive(Deserialize)]
struct Whose {
    medium: String,
    event: Option<String>,
    interaction: Option<String>,
    agent: Option<String>,
    observedby: Option<String>,
}

impl Whose {
    fn is_anybodys(&self) -> bool {
        let error = self.medium == medium::AGENT && self.event.as_deref() == Some(event::ERROR);
        error || self.medium == medium::UNKNOWN
    }
}

impl Selector {
    /// `path=value`: names with dots between, in quotes where a name has a dot, a quote or `=` in it.
    pub fn field(text: &str) -> Result<Selector, String> {
        let (path, value) = path(text)?;
        if value.is_empty() {
            return Err("no value after the =; an empty one is nobody's".to_owned());
        }
        Ok(Selector::Field { path, value: value.to_owned() })
    }

    /// A word for logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Selector::Interaction(_) => "interaction",
            Selector::Agent(_) => "agent",
            Selector::Field { .. } => "field",
        }
    }

    /// A file that holds any of these may hold what is meant; none for an agent, whose key no server knows.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Selector::Interaction(id) => vec![id.clone()],
            Selector::Agent(_) => Vec::new(),
            Selector::Field { .. } => self.traces(),
        }
    }

    /// What a body that nobody can read must hold to be meant: any of these.
    fn traces(&self) -> Vec<String> {
        match self {
            Selector::Interaction(id) => vec![quoted(id)],
            Selector::Agent(agent) => {
                ["agent", "observedby"].map(|name| format!("\"{name}\":{}", quoted(agent))).into()
            }
            Selector::Field { value, .. } => {
                let escaped = quoted(value);
                let inner = escaped.trim_start_matches('"').trim_end_matches('"').to_owned();
                vec![inner, value.clone()]
            }
        }
    }

    /// Whether what is kept for a transcript is meant, as far as its items do not say so themselves.
    pub(in crate::journal) fn fits_draft(&self, interaction: &str, body: &str) -> bool {
        match self {
            Selector::Interaction(id) => id == interaction,
            Selector::Agent(_) => self.traces().iter().any(|trace| holds(body.as_bytes(), trace.as_bytes())),
            Selector::Field { .. } => false,
        }
    }

    /// Whether a value that is kept of an interaction is meant.
    pub(in crate::journal) fn fits_context(&self, of: &ContextValue) -> bool {
        match self {
            Selector::Interaction(id) => *id == of.interaction,
            Selector::Agent(agent) => *agent == of.agent,
            Selector::Field { path, value } => {
                let json: Option<Value> =
                    of.value.as_deref().and_then(|json| serde_json::from_str(json).ok());
                let known = json!({ &of.path: { "value": json, "id": of.id } });
                let event = json!({ "interaction": of.interaction, "known": known });
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                found(&event, &stored(&path), value) || copied(&event, &path, value)
            }
        }
    }

    /// Whether an event with this body is meant.
    pub(in crate::journal) fn fits(&self, body: &[u8]) -> bool {
        self.read(body).unwrap_or_else(|| self.traces().iter().any(|trace| holds(body, trace.as_bytes())))
    }

    fn read(&self, body: &[u8]) -> Option<bool> {
        if let Selector::Field { path, value } = self {
            let event: Value = serde_json::from_slice(body).ok()?;
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            return Some(found(&event, &stored(&path), value) || copied(&event, &path, value));
        }
        let whose: Whose = serde_json::from_slice(body).ok()?;
        Some(match self {
            // What is not understood, and an error that names none, have no interaction of their own, but may be one's.
            Selector::Interaction(id) if whose.interaction.is_none() && whose.is_anybodys() => {
                holds(body, quoted(id).as_bytes())
            }
            Selector::Interaction(id) => whose.interaction.as_ref() == Some(id),
            // It belongs to the interaction, and names all its agents.
            Selector::Agent(_) if whose.event.as_deref() == Some(event::TRANSCRIPT) => {
                self.traces().iter().any(|trace| holds(body, trace.as_bytes()))
            }
            Selector::Agent(agent) => [whose.agent, whose.observedby].iter().flatten().any(|of| of == agent),
            Selector::Field { .. } => false,
        })
    }
}

/// A sink gets the sender's JSON and the context within `data`; in a stored event they stand beside it, the last two under
/// names of their own.
fn stored<'p>(path: &[&'p str]) -> Vec<&'p str> {
    let mut path = path.to_vec();
    if let ["data", "raw" | "notification" | "context", ..] = path.as_slice() {
        path.remove(0);
    }
    if let Some(first) = path.first_mut() {
        *first = match *first {
            "notification" => "context",
            "context" => "known",
            other => other,
        };
    }
    path
}

/// Whether the event has in its context what another one had under this path of `data`.
fn copied(event: &Value, path: &[&str], wanted: &str) -> bool {
    let (Some(known), ["data", below @ ..]) = (event.get("known"), path) else { return false };
    (1..=below.len()).any(|end| {
        let (name, rest) = below.split_at(end);
        let member = known.get(name.join(".")).and_then(|member| member.get("value"));
        member.is_some_and(|value| found(value, rest, wanted))
    })
}

/// The elements of a list are looked at each, without a name of their own.
fn found(at: &Value, path: &[&str], wanted: &str) -> bool {
    match (at, path.split_first()) {
        (Value::Array(items), _) => items.iter().any(|item| found(item, path, wanted)),
        (Value::Object(map), Some((name, rest))) => {
            map.get(*name).is_some_and(|inner| found(inner, rest, wanted))
        }
        (Value::String(text), None) => text == wanted,
        (Value::Number(number), None) => number.to_string() == wanted,
        (Value::Bool(flag), None) => flag.to_string() == wanted,
        _ => false,
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn holds(body: &[u8], what: &[u8]) -> bool {
    !what.is_empty() && body.windows(what.len()).any(|window| window == what)
}

/// The names of a path, and what stands behind the `=`.
fn path(text: &str) -> Result<(Vec<String>, &str), String> {
    let wrong = |what: &str| {
        Err(format!("{what}; write it as data.raw.userData.ContactId=1234, or data.raw.\"a.name\".x=1234"))
    };
    let (mut names, mut rest) = (Vec::new(), text);
    loop {
        let name;
        if let Some(inner) = rest.strip_prefix('"') {
            let Some((inside, after)) = inner.split_once('"') else { return wrong("a quote has no end") };
            (name, rest) = (inside, after);
        } else {
            let end = rest.find(['.', '=', '"']).unwrap_or(rest.len());
            (name, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        }
        if name.is_empty() {
            return wrong("a name of the path is empty");
        }
        names.push(name.to_owned());
        if let Some(value) = rest.strip_prefix('=') {
            return Ok((names, value));
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None if rest.is_empty() => return wrong("there is no = with a value"),
            None => return wrong("after a name comes a dot or ="),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"id":"x","medium":"chat","interaction":"i.1","observedby":"1001","data":{"userData":{"a.b":"7"}},
        "raw":{"n":12,"flag":true,"list":[{"name":"Ann"},{"name":"Bo"}]},"context":{"userData":{"ContactId":"c=1"}},
        "known":{"userData.Contact/Id":{"value":"c7","id":"x1"},"userData.Deep":{"value":{"a":[5]},"id":"x2"}}}"#;

    fn fits(field: &str) -> bool {
        Selector::field(field).unwrap().fits(BODY.as_bytes())
    }

    #[test]
    fn a_value_is_found_at_its_path_alone() {
        for field in [
            "interaction=i.1",
            "data.userData.\"a.b\"=7",
            "data.raw.n=12",
            "raw.n=12",
            "data.raw.flag=true",
            "data.raw.list.name=Bo",
            "data.notification.userData.ContactId=c=1",
            "data.context.\"userData.Contact/Id\".value=c7",
            "data.context.\"userData.Deep\".id=x2",
            "data.userData.Contact/Id=c7",
            "data.userData.Deep.a=5",
        ] {
            assert!(fits(field), "{field}");
        }
        for field in [
            "interaction=i",
            "data.userData.a.b=7",
            "data.n=12",
            "data.raw.list=Bo",
            "data.raw.n=1",
            "data.userData.ContactId=c=1",
            "data.userData.Contact/Id=x1",
            "data.context.userData.ContactId=c=1",
        ] {
            assert!(!fits(field), "{field}");
        }
    }

    #[test]
    fn a_path_that_is_none_is_refused_with_an_example() {
        for wrong in ["", "a", "a.=1", ".a=1", "\"a=1", "a\"b=1", "a..b=1", "a="] {
            let said = Selector::field(wrong).map(|_| ()).unwrap_err();
            assert!(said.contains("; "), "{wrong}: {said}");
        }
    }

    #[test]
    fn an_interaction_and_an_agent_are_meant_by_the_whole_name() {
        let fits = |selector: Selector, body: &str| selector.fits(body.as_bytes());
        let interaction = |id: &str| Selector::Interaction(id.to_owned());
        let agent = |key: &str| Selector::Agent(key.to_owned());
        assert!(fits(interaction("i.1"), BODY) && !fits(interaction("i"), BODY));
        assert!(fits(agent("1001"), BODY) && !fits(agent("100"), BODY) && !fits(agent("x"), BODY));
        let unknown = r#"{"medium":"unknown","agent":"7","raw":{"id":"i.1"}}"#;
        assert!(fits(interaction("i.1"), unknown) && !fits(interaction("i."), unknown));
        let error = r#"{"medium":"agent","event":"error","agent":"7","raw":{"id":"i.1"}}"#;
        assert!(
            fits(interaction("i.1"), error)
                && !fits(interaction("i.1"), &error.replace("error", "user_event"))
        );
        let broken = r#"{"medium":"chat","interaction":"i.1","observedby":"1001"#;
        assert!(fits(interaction("i.1"), broken) && !fits(agent("100"), broken));
        assert!(!fits(interaction("i.2"), "") && !fits(agent("x"), ""));
    }

    #[test]
    fn a_value_that_is_kept_is_meant_by_whom_it_is_of_and_by_what_it_is() {
        let kept = ContextValue {
            conversation: crate::base::digest::Digest::of(b"c"),
            path: "userData.Contact.Id".to_owned(),
            interaction: "i.1".to_owned(),
            agent: "1001".to_owned(),
            id: "x1".to_owned(),
            value: Some(r#"{"n":[7]}"#.to_owned()),
            at: 0,
        };
        let interaction = |id: &str| Selector::Interaction(id.to_owned()).fits_context(&kept);
        let agent = |key: &str| Selector::Agent(key.to_owned()).fits_context(&kept);
        let field = |text: &str| Selector::field(text).unwrap().fits_context(&kept);
        assert!(interaction("i.1") && !interaction("i") && agent("1001") && !agent("100"));
        assert!(field("interaction=i.1") && field("data.context.\"userData.Contact.Id\".id=x1"));
        assert!(field("data.userData.Contact.Id.n=7") && !field("data.userData.Contact.Id.n=8"));
        assert!(!field("data.userData.Contact=7") && !field("data.raw.userData.Contact.Id.n=7"));
    }

    #[test]
    fn what_is_erased_is_never_written_in_a_log() {
        let all = [Selector::Agent("Ann".to_owned()), Selector::field("a=Ann").unwrap()];
        assert!(!format!("{all:?}").contains("Ann"));
    }
}
