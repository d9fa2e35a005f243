//! Rules for messages count for those in transcripts, too.

use super::*;

fn of(rules: &[(&str, Action)]) -> Value {
    let message = json!({"index": 5, "text": "a long text", "from": {"kind": "Customer", "nickname": "Ann"}});
    let transcript = with(
        "chat",
        "transcript",
        &json!({"interactionId": "i", "participants": [{"kind": "Customer", "nickname": "Ann"}],
            "items": [{"eventId": "main/chat/i/messages/5", "message": message}]}),
    );
    let rules = rules.iter().map(|(path, action)| Rule { of: Of::Path((*path).to_owned()), action: *action });
    left(&transcript, &Policy { rules: rules.collect(), ..Policy::preset(Preset::Full) })
}

#[test]
fn what_is_said_of_a_field_of_messages_is_said_of_it_in_transcripts() {
    let left = of(&[("message.text", Action::Truncate(6)), ("message.from.nickname", Action::Drop)]);
    assert_eq!(
        left["items"][0]["message"],
        json!({"index": 5, "text": "a long", "from": {"kind": "Customer"}})
    );
    assert_eq!(left["participants"], json!([{"kind": "Customer"}]));
    let left = of(&[("message", Action::Drop)]);
    assert_eq!((&left["items"][0]["message"], &left["participants"]), (&json!({"from": {}}), &json!([{}])));
    let left = of(&[("message", Action::Drop), ("message.from.kind", Action::Keep)]);
    assert_eq!(left["participants"], json!([{"kind": "Customer"}]));
}

#[test]
fn a_rule_of_the_transcripts_own_goes_before_it() {
    let text = |rules: &[(&str, Action)]| of(rules)["items"][0]["message"]["text"].clone();
    let (all, own) = (("message.text", Action::Drop), ("items.message.text", Action::Truncate(6)));
    assert_eq!(text(&[all, own]), "a long");
    assert_eq!(text(&[own, all]), "a long");
    assert_eq!(text(&[all, ("items", Action::Keep)]), Value::Null, "what is nearer hides it");
    let (kept, cut) = (("message.text", Action::Keep), ("items.message", Action::Drop));
    assert_eq!(text(&[kept, cut]), Value::Null, "and is no way around what hides it here");
}
