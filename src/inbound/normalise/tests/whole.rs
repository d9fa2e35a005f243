//! That nothing of a notification is missing: `raw` with `notification`, over all its events, is what came.
//!
//! Deliberately absent: where the JSON came from (`hostile` makes it, the corpus holds it).

use super::*;

/// The lists that become an event for each of their items.
const LISTS: &[&str] = &["messages", "devices", "channels", "services"];

/// The events hold all that may be kept of `data`, as JSON, in its own order.
pub(super) fn assert_whole(site: &SiteConfig, data: &RawValue, candidates: &[Candidate]) {
    let kept = kept(site, data);
    if site.typing_text || !data.get().to_ascii_lowercase().contains("typingstarted") {
        assert_eq!(kept.get(), data.get(), "something was left out that may be kept");
    }
    let kept: Value = serde_json::from_str(kept.get()).unwrap();
    let found = LISTS.iter().any(|list| is_of_items(&kept, list, candidates));
    assert!(found || is_of_one(&kept, candidates), "{kept} is not in {:?}", raws(candidates));
}

/// `null` is not written.
fn raws(candidates: &[Candidate]) -> Vec<Value> {
    candidates.iter().map(|one| value(&one.event.raw).unwrap_or_default()).collect()
}

fn value(json: &Option<Box<RawValue>>) -> Option<Value> {
    json.as_ref().map(|json| serde_json::from_str(json.get()).unwrap())
}

fn is_of_one(kept: &Value, candidates: &[Candidate]) -> bool {
    candidates.iter().all(|one| one.event.rest.is_none()) && raws(candidates) == [kept.clone()]
}

/// The items of `list` one by one, and the rest beside each of them, or once after them.
fn is_of_items(kept: &Value, list: &str, candidates: &[Candidate]) -> bool {
    let Value::Object(members) = kept else { return false };
    let (lists, rest): (Vec<_>, Vec<_>) =
        members.clone().into_iter().partition(|(name, _)| name.eq_ignore_ascii_case(list));
    let mut items: Vec<Value> = Vec::new();
    for (_, value) in lists {
        match value {
            Value::Array(more) => items.extend(more),
            Value::Null => {}
            other => items.push(other),
        }
    }
    let rest = Value::Object(rest.into_iter().collect());
    let beside = (rest != serde_json::json!({})).then_some(&rest);
    let repeated = |one: &Candidate| value(&one.event.rest).as_ref() == beside;
    if items.len() == candidates.len() {
        return raws(candidates) == items && candidates.iter().all(repeated);
    }
    items.push(rest);
    raws(candidates) == items && candidates.iter().all(|one| one.event.rest.is_none())
}

#[test]
fn a_missing_member_and_a_missing_item_are_seen() {
    let site = site(&Options::default());
    let data = json(
        r#"{"messageType":"MessageLogUpdated","chatUri":"/chats/c1","messages":[{"index":1},null,7],"x":[1.50]}"#,
    );
    let whole = run(&Options::default(), "/v2/me/chats", &data);
    assert_whole(&site, &data, &whole);
    let fails = |candidates: Vec<Candidate>| {
        std::panic::catch_unwind(|| assert_whole(&self::site(&Options::default()), &data, &candidates))
            .is_err()
    };
    assert!(fails(whole[..2].to_vec()) && fails(whole[1..].to_vec()), "an item");
    let mut without = whole.clone();
    without[2].event.rest = None;
    assert!(fails(without), "the rest");
    let mut other = whole;
    other[0].event.raw = Some(json(r#"{"index":2}"#));
    assert!(fails(other), "a value");
}

#[test]
fn the_corpus_is_whole_in_its_events() {
    for (_, fixture) in fixtures() {
        let options: Options = serde_json::from_str(fixture.site.get()).unwrap();
        assert_whole(&site(&options), &fixture.data, &run(&options, &fixture.channel, &fixture.data));
    }
}

#[test]
fn a_rest_too_large_to_repeat_stands_in_an_event_of_its_own() {
    let rest = "x".repeat(600_000);
    let items: Vec<String> = (0..100).map(|index| format!(r#"{{"index":{index}}}"#)).collect();
    let data = json(&format!(
        r#"{{"messageType":"MessageLogUpdated","chatUri":"/chats/1","rest":"{rest}","messages":[{}]}}"#,
        items.join(",")
    ));
    let candidates = run(&Options::default(), "/v2/me/chats", &data);
    assert_eq!(candidates.len(), 101);
    assert_whole(&site(&Options::default()), &data, &candidates);
}
