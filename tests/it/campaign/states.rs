//! The end of the day: every state and every log as received against the simulator's truth.

use super::oracle::Truth;
use super::received::Received;
use serde_json::Value;
use std::collections::BTreeSet;

const CHANNELS: [&str; 3] = ["chat", "facebooksession", "smssession"];

/// Where what was received ends otherwise than the truth.
pub fn differences(truth: &Truth, received: &Received) -> Vec<String> {
    let mut out = Vec::new();
    for (user, shown) in truth.users() {
        let agent = &truth.agents[user];
        let last = |kind: &str, id: &str| {
            let of = received.states.get(&(agent.clone(), kind.to_owned(), id.to_owned()));
            of.and_then(|all| all.last()).map(|said| said.says.as_str())
        };
        let mut same = |what: &str, wanted: &str, is: Option<&str>| {
            if is != Some(wanted) {
                out.push(format!("{user}: {what} is {wanted:?}, received {is:?}"));
            }
        };
        let state = |one: &Value| one["userState"]["state"].as_str().unwrap_or_default().to_owned();
        same("the device", &state(&shown["devices"][0]), last("device", ""));
        for (place, channel) in CHANNELS.iter().enumerate() {
            same(channel, &state(&shown["channels"][place]), last("channel", channel));
        }
        let mut open = BTreeSet::new();
        for one in shown["open"].as_array().unwrap() {
            let (medium, id) = (one["medium"].as_str().unwrap(), one["id"].as_str().unwrap());
            open.insert(id.to_owned());
            let says = last(medium, id).map(|says| {
                let words: Vec<&str> = says.split(' ').collect();
                format!("{} {}", words[0], words.get(1).unwrap_or(&""))
            });
            let wanted = format!("{} {}", one["state"].as_str().unwrap(), one["changes"]);
            same(&format!("{medium} {id}"), &wanted, says.as_deref());
            out_items(&mut same, received, (medium, id), &one["log"]);
        }
        out.extend(left_open(agent, user, &open, received));
    }
    out
}

fn out_items(
    same: &mut impl FnMut(&str, &str, Option<&str>),
    received: &Received,
    (medium, id): (&str, &str),
    log: &Value,
) {
    for item in log.as_array().unwrap() {
        let index = item["index"].as_i64().unwrap();
        let key = (medium.to_owned(), id.to_owned(), index);
        let last = received.messages.get(&key).and_then(|places| places.last());
        let wanted = content(item, "type");
        let is = last.map(|place| content(&received.events[*place].data["message"], "kind"));
        if is.as_deref() != Some(&wanted) {
            same(&format!("item {index} of {medium} {id}"), &wanted, is.as_deref());
        }
    }
}

/// An item of a log in either form, by what both show; `kind` is the member that names its kind. What was typed and
/// not sent must not come.
pub fn content(item: &Value, kind: &str) -> String {
    let text = if item["type"] == "TypingStarted" { &Value::Null } else { &item["text"] };
    format!("{} {text} {} {} {}", item[kind], item["noticeText"], item["url"], item["visibility"])
}

/// Conversations that are over for the agent, and whose end did not come in any form.
fn left_open(agent: &str, user: &str, open: &BTreeSet<String>, received: &Received) -> Vec<String> {
    let mut out = Vec::new();
    for ((of, kind, id), said) in &received.states {
        if of != agent || kind == "device" || kind == "channel" || open.contains(id) || id.contains("ODD") {
            continue;
        }
        let last = said.last().map_or("", |said| said.says.as_str());
        if !["Completed", "Revoked", "ended"].iter().any(|end| last.starts_with(end)) {
            out.push(format!("{user}: {kind} {id} is over, received {last:?} last"));
        }
    }
    out
}
