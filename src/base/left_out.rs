//! Personal data that a site does not collect: taken out of an event's `data` before anything is written down.
//!
//! By class or by path, as in `classes`; what lies under a key of attached data that GWS is known to use has the class of
//! that key. The rest stays byte for byte. Repeats are found by digests of everything: here is the key for them, or they would
//! tell what was left out to whoever tries.
//! Deliberately absent: the sender's own JSON, which the caller leaves out as a whole.

use super::classes::{Class, Shape, TABLE, classes_of_key, fits};
use super::context;
use super::digest::{Digest, key_for};
use super::encode::Members;
use super::envelope::{event, gws_type, medium};
use aws_lc_rs::hmac;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::OnceLock;

/// Deeper than this nothing is looked at: it goes, too.
const MAX_DEPTH: usize = 32;

/// What is left out, ready for events.
#[derive(Debug)]
pub struct LeftOut {
    classes: Vec<Class>,
    /// Below `data`, without that word.
    paths: Vec<String>,
    shapes: Vec<(&'static str, usize)>,
    families: Vec<Shape>,
    /// Of digests of what is left out, too; from the journal that they stand in.
    key: OnceLock<hmac::Key>,
}

impl LeftOut {
    /// None where nothing is left out.
    pub fn new(classes: Vec<Class>, paths: Vec<String>) -> Option<LeftOut> {
        let types = TABLE.iter().enumerate();
        let shapes = types.flat_map(|(nth, family)| family.types.iter().map(move |kind| (*kind, nth)));
        let left_out = LeftOut {
            shapes: shapes.collect(),
            families: TABLE.iter().map(super::classes::Family::shape).collect(),
            key: OnceLock::new(),
            classes,
            paths,
        };
        (!left_out.classes.is_empty() || !left_out.paths.is_empty()).then_some(left_out)
    }

    /// From here on digests are made with a secret that nobody who gets events has. The first one counts.
    pub fn key_digests(&self, secret: &[u8; 32]) {
        let _ = self.key.set(key_for("digests of what is left out", secret));
    }

    /// The digest that may be written down in the place of this one. Where nothing is written down there is no key.
    pub fn digest(&self, plain: Digest) -> Digest {
        self.key.get().map_or(plain, |key| plain.keyed(key))
    }

    /// The same for a longer one.
    pub fn long_digest(&self, plain: &[u8]) -> Vec<u8> {
        self.key.get().map_or_else(|| plain.to_vec(), |key| hmac::sign(key, plain).as_ref().to_vec())
    }

    /// Classes and paths, as they are configured.
    pub fn words(&self) -> Vec<String> {
        let classes = self.classes.iter().map(|class| class.as_str().to_owned());
        classes.chain(self.paths.iter().map(|path| format!("data.{path}"))).collect()
    }

    /// The data of an event of this type without it; of a type that is not in the table nothing is left.
    pub fn apply(&self, kind: &str, data: &RawValue) -> Box<RawValue> {
        let family = self.shapes.iter().find(|(pattern, _)| fits(pattern, kind));
        let mut out = String::with_capacity(data.get().len());
        let wrote = family
            .and_then(|(_, nth)| self.families.get(*nth))
            .is_some_and(|shape| self.put(shape, "", data.get(), 0, &mut out));
        let text = if wrote { out } else { "{}".to_owned() };
        RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// Whether this value would stay under this name.
    pub fn keeps(&self, kind: &str, name: &str, json: &str) -> bool {
        let one = RawValue::from_string(format!(r#"{{"{name}":{json}}}"#));
        one.is_ok_and(|one| self.apply(kind, &one).get() == one.get())
    }

    /// Whether a value under this path of an interaction's state (`context`) is kept at all.
    pub fn keeps_of_interaction(&self, path: &str) -> bool {
        let alone = match context::split(path) {
            (field, None) => json!({ field: 1 }),
            (map, Some(key)) => json!({ map: { key: 1 } }),
        };
        let Ok(alone) = RawValue::from_string(alone.to_string()) else { return false };
        let kinds = [medium::CALL, medium::CHAT].map(|medium| gws_type(medium, event::STATUS_CHANGE));
        kinds.iter().any(|kind| self.apply(kind, &alone).get() == alone.get())
    }

    /// Writes what stays of a value; false where nothing does.
    fn put(&self, shape: &Shape, path: &str, json: &str, depth: usize, out: &mut String) -> bool {
        if depth > MAX_DEPTH || self.paths.iter().any(|of| of == path) {
            return false;
        }
        match (json.as_bytes().first(), shape) {
            (_, Shape::Value(class) | Shape::Map(class) | Shape::Keys(class))
                if self.classes.contains(class) =>
            {
                false
            }
            (Some(b'['), Shape::Map(_) | Shape::Keys(_) | Shape::Table(_)) => {
                let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else { return false };
                out.push('[');
                for item in items {
                    between('[', out, |out| self.put(shape, path, item.get(), depth + 1, out));
                }
                out.push(']');
                true
            }
            (Some(b'{'), Shape::Map(_) | Shape::Keys(_) | Shape::Table(_)) => {
                let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(json) else { return false };
                out.push('{');
                for (name, value) in members {
                    between('{', out, |out| self.member(shape, path, &name, value.get(), depth + 1, out));
                }
                out.push('}');
                true
            }
            // A field that has fields was sent as something else.
            (_, Shape::Table(_)) => false,
            _ => {
                out.push_str(json);
                true
            }
        }
    }

    fn member(
        &self,
        shape: &Shape,
        path: &str,
        name: &str,
        json: &str,
        depth: usize,
        out: &mut String,
    ) -> bool {
        let below = match shape {
            Shape::Table(fields) => fields.get(name),
            Shape::Map(Class::Business) | Shape::Keys(Class::Business) if self.goes(name) => None,
            shape => Some(shape),
        };
        let (Some(shape), Ok(quoted)) = (below, serde_json::to_string(name)) else { return false };
        out.push_str(&quoted);
        out.push(':');
        let dot = if path.is_empty() { "" } else { "." };
        self.put(shape, &format!("{path}{dot}{name}"), json, depth, out)
    }

    /// Whether a key of attached data is of a class that is left out.
    fn goes(&self, name: &str) -> bool {
        classes_of_key(name).any(|class| self.classes.contains(&class))
    }
}

/// Puts a comma before all but the first, and takes away what came to nothing.
fn between(open: char, out: &mut String, put: impl FnOnce(&mut String) -> bool) {
    let place = out.len();
    if !out.ends_with(open) {
        out.push(',');
    }
    if !put(out) {
        out.truncate(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const STATUS: &str = "genesys.gws.chat.status_change.v1";
    const MESSAGE: &str = "genesys.gws.chat.message.v1";

    fn left(classes: &[Class], paths: &[&str], kind: &str, data: &Value) -> Value {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let left_out = LeftOut::new(classes.to_vec(), paths).unwrap();
        let data = RawValue::from_string(data.to_string()).unwrap();
        serde_json::from_str(left_out.apply(kind, &data).get()).unwrap()
    }

    fn state() -> Value {
        json!({"interactionId": "i", "state": "Chatting", "comment": "c", "capabilities": ["a", "b"],
            "participants": [{"kind": "Customer", "nickname": "Ann"}, {"kind": "Agent"}],
            "userData": {"Account": "a", "FirstName": "Ann", "WWE_PARTY_1003": "b", "K1003": "x",
                "Deep": {"PhoneNumber": "1", "Account": ["a", {"LastName": "y", "z": 1.50}]}}})
    }

    #[test]
    fn nothing_configured_is_nothing_to_do() {
        assert!(LeftOut::new(Vec::new(), Vec::new()).is_none());
    }

    #[test]
    fn classes_go_in_fields_and_under_the_keys_that_are_known() {
        assert_eq!(
            left(&[Class::Identity, Class::Contact, Class::Content], &[], STATUS, &state()),
            json!({"interactionId": "i", "state": "Chatting", "capabilities": ["a", "b"],
                "participants": [{"kind": "Customer"}, {"kind": "Agent"}],
                "userData": {"Account": "a", "Deep": {"Account": ["a", {"z": 1.50}]}}})
        );
        let mut whole = state();
        whole.as_object_mut().unwrap().remove("userData");
        assert_eq!(left(&[Class::Business], &[], STATUS, &state()), whole);
        let item =
            json!({"interactionId": "i", "message": {"text": "t", "index": 5, "from": {"nickname": "Ann"}}});
        assert_eq!(
            left(&[Class::Content], &[], MESSAGE, &item),
            json!({"interactionId": "i", "message": {"index": 5, "from": {"nickname": "Ann"}}})
        );
    }

    #[test]
    fn paths_go_with_what_is_below_and_the_rest_stays_byte_for_byte() {
        let of = |path: &str| left(&[], &[path], STATUS, &state());
        assert!(of("userData").get("userData").is_none());
        assert!(of("userData.Account")["userData"].get("Account").is_none());
        assert_eq!(of("userData.Deep.Account")["userData"]["Deep"], json!({"PhoneNumber": "1"}));
        assert_eq!(of("participants.nickname")["participants"][0], json!({"kind": "Customer"}));
        let text =
            r#"{"interactionId":"i","userData":{"n":1.000,"b":12345678901234567890123,"é\"":"\u0041"}}"#;
        let data = RawValue::from_string(text.to_owned()).unwrap();
        let left_out = LeftOut::new(vec![Class::Content], Vec::new()).unwrap();
        assert_eq!(left_out.apply(STATUS, &data).get(), text);
    }

    #[test]
    fn what_is_not_in_the_table_or_of_another_shape_does_not_stay() {
        assert_eq!(left(&[Class::Content], &[], "genesys.gws.chat.message.v2", &state()), json!({}));
        let odd = json!({"interactionId": "i", "participants": "Ann", "unheard": "Ann"});
        assert_eq!(left(&[Class::Content], &[], STATUS, &odd), json!({"interactionId": "i"}));
        let mut deep = json!("Ann");
        for _ in 0..60 {
            deep = json!({ "a": deep });
        }
        let kept = left(&[Class::Content], &[], STATUS, &json!({"userData": deep}));
        assert!(!kept.to_string().contains("Ann"));
    }

    #[test]
    fn a_single_field_can_be_asked_for() {
        let kind = "genesys.gws.agent.state_change.v1";
        let of = |path: &str| LeftOut::new(vec![Class::Content], vec![path.to_owned()]).unwrap();
        let keeps = |path: &str, name: &str| of(path).keeps(kind, name, "\"\"");
        assert!(keeps("deviceId", "since") && !keeps("since", "since"));
        assert!(!keeps("deviceId", "unheard"));
    }

    #[test]
    fn a_value_by_itself_is_kept_where_it_is_kept_in_its_event() {
        let classes = LeftOut::new(vec![Class::Identity, Class::Contact], Vec::new()).unwrap();
        let paths = LeftOut::new(Vec::new(), vec!["userData.Account".to_owned()]).unwrap();
        for (path, by_class, by_path) in [
            ("userData.Account", true, false),
            ("userData.Account.No", true, true),
            ("userData.ContactId", false, true),
            ("userData.K1003", false, true),
            ("ani", false, true),
            ("state", true, true),
        ] {
            assert_eq!(
                (classes.keeps_of_interaction(path), paths.keeps_of_interaction(path)),
                (by_class, by_path),
                "{path}"
            );
        }
    }

    #[test]
    fn the_words_are_those_of_the_configuration() {
        let left_out = LeftOut::new(vec![Class::Content], vec!["userData.a".to_owned()]).unwrap();
        assert_eq!(left_out.words(), ["content", "data.userData.a"]);
    }
}
