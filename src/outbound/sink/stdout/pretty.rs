//! One event as a line that a person reads: when, about what, what happened.
//!
//! Nothing of the other side's may steer the terminal: control characters and marks that turn the direction of
//! writing are shown as codes. Deliberately absent: what stands beside the typed data (`raw`, `notification`,
//! `context`), ids, and a promise that the form stays.

use crate::base::envelope::{Event, event, medium};
use serde_json::Value;

/// Characters of one event's data; who wants all of it reads `mode = "lines"`.
const MAX: usize = 2_000;

pub fn line(event: &Event) -> Vec<u8> {
    // Of an agent's own events the subject says whose they are.
    let agent = event.agent.as_deref().filter(|_| event.medium != medium::AGENT);
    let who = agent.map(|agent| format!(" ({agent})")).unwrap_or_default();
    let late = if event.late { " late" } else { "" };
    let data = serde_json::from_str::<Value>(event.data.get());
    let told = match (event.event.as_ref(), data) {
        // A number that no machine has, say.
        (_, Err(_)) => event.data.get().to_owned(),
        (event::MESSAGE, Ok(data)) => message(&data),
        (_, Ok(data)) => {
            let mut words = Vec::new();
            fields("", &data, &mut words);
            words.join(" ")
        }
    };
    // The medium stands in the subject, but for events of the bridge.
    let bridge = if event.medium == medium::BRIDGE { "bridge " } else { "" };
    let head = format!("{} {bridge}{}{who} {}{late}", event.time, event.subject, event.event);
    let mut out = String::new();
    plain(&head, &mut out);
    out.push_str(if told.is_empty() { "" } else { "  " });
    let mut letters = told.char_indices();
    match letters.nth(MAX) {
        Some((cut, _)) => {
            plain(told.get(..cut).unwrap_or_default(), &mut out);
            out.push_str(&format!(" … and {} characters more", letters.count().saturating_add(1)));
        }
        None => plain(&told, &mut out),
    }
    out.into_bytes()
}

/// `5 Customer PersonP: Hello World`; what is not said to everybody says to whom.
fn message(data: &Value) -> String {
    let at = |path: &str| data.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let index = data.pointer("/message/index").and_then(Value::as_i64).map(|index| index.to_string());
    let kind = at("/message/kind").filter(|kind| *kind != "Text").map(|kind| format!("[{kind}]"));
    let visibility = at("/message/visibility").filter(|to| *to != "All").map(|to| format!("to {to}"));
    let from =
        [at("/message/from/kind"), at("/message/from/nickname")].into_iter().flatten().map(str::to_owned);
    let said = [at("/message/text"), at("/message/noticeText"), at("/message/url")].into_iter().flatten();
    let head: Vec<String> = index.into_iter().chain(kind).chain(from).chain(visibility).collect();
    let said: Vec<&str> = said.collect();
    if said.is_empty() { head.join(" ") } else { format!("{}: {}", head.join(" "), said.join(" ")) }
}

/// `state=Chatting userState.state=Ready`: every value that is no table, under its path.
fn fields(path: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                // The interaction stands in the subject.
                if key == "interactionId" && path.is_empty() {
                    continue;
                }
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                fields(&path, value, out);
            }
        }
        Value::String(text) => out.push(format!("{path}={text}")),
        other => out.push(format!("{path}={other}")),
    }
}

/// Line breaks as a mark, anything else that a terminal could obey as its code.
fn plain(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\n' => out.push('⏎'),
            '\r' => {}
            '\t' => out.push(' '),
            turn if turn.is_control() || is_turn(turn) => out.extend(turn.escape_unicode()),
            other => out.push(other),
        }
    }
}

fn is_turn(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::{event as sample, raw};

    fn shown(medium: &'static str, word: &'static str, subject: &str, data: &str) -> String {
        let mut event = sample("k", 1);
        (event.medium, event.event, event.data) = (medium.into(), word.into(), raw(data));
        event.subject = subject.to_owned();
        event.raw = Some(raw(r#"{"secret":1}"#));
        String::from_utf8(line(&event)).unwrap()
    }

    #[test]
    fn a_message_says_who_said_what() {
        let data = r#"{"interactionId":"i","message":{"index":5,"kind":"Text","text":"Hello World","visibility":"All",
            "from":{"kind":"Customer","nickname":"PersonP","participantId":"p"}}}"#;
        assert_eq!(
            shown("chat", "message", "chat/i", data),
            "2014-01-02T22:23:20.126Z chat/i message  5 Customer PersonP: Hello World"
        );
        let notice = r#"{"message":{"kind":"Notice","noticeText":"gone","visibility":"Agents"}}"#;
        assert_eq!(
            shown("chat", "message", "chat/i", notice),
            "2014-01-02T22:23:20.126Z chat/i message  [Notice] to Agents: gone"
        );
        let masked = r#"{"interactionId":"i","message":{"index":5,"kind":"Text"}}"#;
        assert!(shown("chat", "message", "chat/i", masked).ends_with("message  5"));
    }

    #[test]
    fn other_events_show_their_fields() {
        let data = r#"{"deviceId":"d","userState":{"state":"NotReady"},"capabilities":["ready"],"on":true}"#;
        let line = shown("agent", "state_change", "agent/1001/d", data);
        assert!(line.starts_with("2014-01-02T22:23:20.126Z agent/1001/d state_change  "), "{line}");
        for word in ["deviceId=d", "userState.state=NotReady", "capabilities=[\"ready\"]", "on=true"] {
            assert!(line.split(' ').any(|found| found == word), "{line}");
        }
        let ended = shown("chat", "status_change", "chat/i", r#"{"interactionId":"i","state":"Completed"}"#);
        assert!(ended.ends_with("chat/i status_change  state=Completed"), "{ended}");
        assert!(
            shown("bridge", "gap_opened", "agent/1", r#"{"cause":"x"}"#)
                .contains(" bridge agent/1 gap_opened  cause=x")
        );
    }

    #[test]
    fn nothing_of_a_customers_steers_the_terminal() {
        let data = r#"{"message":{"text":"a\u001b[2Jb\nc\r\u009bd\u202ee","from":{"nickname":"\u0007n"}}}"#;
        let line = shown("chat", "message", "chat/\u{1b}]0;x\u{7}", data);
        assert!(!line.chars().any(|letter| letter.is_control() || is_turn(letter)), "{line:?}");
        assert!(line.ends_with("\\u{7}n: a\\u{1b}[2Jb⏎c\\u{9b}d\\u{202e}e"), "{line}");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let data = format!(r#"{{"message":{{"text":"{}"}}}}"#, "ä".repeat(3_000));
        let line = shown("chat", "message", "chat/i", &data);
        assert!(line.ends_with("ä … and 1002 characters more"), "{line}");
    }

    #[test]
    fn what_can_not_be_read_is_shown_as_it_is() {
        assert!(
            shown("chat", "message", "chat/i", r#"{"a":1e999}"#).ends_with(r#"chat/i message  {"a":1e999}"#)
        );
    }
}
