//! Digests of content: SHA-256 cut to 128 bits, over text or over canonical JSON.
//!
//! Canonical means: members sorted by name, no white space, strings decoded and encoded again, numbers as the
//! sender wrote them (two spellings of a number count as different content: duplicates over loss).
//! Deliberately absent: which parts of a notification count as content; the caller says so by [`Skip`].

use crate::base::encode::Members;
use aws_lc_rs::hmac;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// 128 bits of SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        let full = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut cut = [0u8; 16];
        for (to, from) in cut.iter_mut().zip(full.as_ref()) {
            *to = *from;
        }
        Digest(cut)
    }

    /// What tells the same from other content, and can not be tried by whoever lacks the key.
    pub fn keyed(self, key: &hmac::Key) -> Digest {
        let tag = hmac::sign(key, &self.0);
        let mut cut = [0u8; 16];
        for (to, from) in cut.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Digest(cut)
    }

    pub fn hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// From what [`Digest::hex`] gives.
    pub fn from_hex(text: &str) -> Option<Digest> {
        let pairs = text.as_bytes().chunks_exact(2);
        let bytes: Option<Vec<u8>> =
            pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
        Digest::from_slice(&bytes?).filter(|digest| digest.hex() == text)
    }

    pub fn from_slice(bytes: &[u8]) -> Option<Digest> {
        bytes.try_into().ok().map(Digest)
    }
}

/// A key for one purpose, from a secret that has several: what is made with one says nothing about another.
pub fn key_for(purpose: &str, secret: &[u8; 32]) -> hmac::Key {
    let of_all = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&of_all, purpose.as_bytes()).as_ref())
}

/// Says whether a member is left out, by its name and its depth (0 is the outermost object), and whether to
/// look inside it for more (`Keep::Whole` takes everything below as content).
pub type Skip = fn(name: &str, depth: usize) -> Keep;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Out,
    Filtered,
    Whole,
}

/// Beyond this depth values are taken as they are written: bounded work whatever a sender nests.
const MAX_DEPTH: usize = 32;

/// The digest of a JSON text in canonical form without the members that `skip` names.
pub fn canonical(json: &RawValue, skip: Skip) -> Digest {
    let mut out = Vec::with_capacity(json.get().len());
    write(json, Some(skip), 0, &mut out);
    Digest::of(&out)
}

fn write(json: &RawValue, skip: Option<Skip>, depth: usize, out: &mut Vec<u8>) {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'{') if depth < MAX_DEPTH => match serde_json::from_str::<Members<'_>>(text) {
            Ok(members) => write_object(members, skip, depth, out),
            Err(_) => out.extend_from_slice(text.as_bytes()),
        },
        Some(b'[') if depth < MAX_DEPTH => match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => {
                out.push(b'[');
                for item in items {
                    write(item, skip, depth + 1, out);
                    out.push(b',');
                }
                out.push(b']');
            }
            Err(_) => out.extend_from_slice(text.as_bytes()),
        },
        Some(b'"') => match plain(text).map(Cow::Borrowed).or_else(|| serde_json::from_str(text).ok()) {
            Some(string) => write_string(&string, out),
            None => out.extend_from_slice(text.as_bytes()),
        },
        _ => out.extend_from_slice(text.as_bytes()),
    }
}

fn write_object(mut members: Members<'_>, skip: Option<Skip>, depth: usize, out: &mut Vec<u8>) {
    members.0.sort_by(|a, b| a.0.cmp(&b.0));
    out.push(b'{');
    for (name, value) in members.0 {
        let below = match skip.map_or(Keep::Whole, |skip| skip(&name, depth)) {
            Keep::Out => continue,
            Keep::Filtered => skip,
            Keep::Whole => None,
        };
        write_string(&name, out);
        out.push(b':');
        write(value, below, depth + 1, out);
        out.push(b',');
    }
    out.push(b'}');
}

/// What a JSON string says, where it holds no escape.
fn plain(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|inside| !inside.contains('\\'))
}

/// Length-prefixed, so that no text can look like structure.
fn write_string(text: &str, out: &mut Vec<u8>) {
    put_decimal(text.len(), out);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
}

/// A number in decimal: dozens of them go into the digests of a notification, and formatting would cost more than hashing.
pub fn put_decimal(number: usize, out: &mut Vec<u8>) {
    if number >= 10 {
        put_decimal(number / 10, out);
    }
    out.push(b'0' + (number % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn skip(name: &str, _: usize) -> Keep {
        match name {
            "uri" => Keep::Out,
            "userData" => Keep::Whole,
            _ => Keep::Filtered,
        }
    }

    #[test]
    fn order_blanks_and_escapes_do_not_count() {
        let a = canonical(&raw(r#"{"a":1,"b":["x","é"]}"#), skip);
        let b = canonical(&raw(" { \"b\" : [ \"x\" , \"\\u00e9\" ] , \"a\" : 1 } ".trim()), skip);
        assert_eq!(a, b);
    }

    #[test]
    fn skipped_members_do_not_count_but_those_in_a_whole_one_do() {
        assert_eq!(canonical(&raw(r#"{"a":{"uri":1}}"#), skip), canonical(&raw(r#"{"a":{"uri":2}}"#), skip));
        assert_ne!(
            canonical(&raw(r#"{"userData":{"uri":1}}"#), skip),
            canonical(&raw(r#"{"userData":{"uri":2}}"#), skip)
        );
    }

    #[test]
    fn large_numbers_that_differ_in_the_last_digit_differ() {
        let a = canonical(&raw("12345678901234567890123"), skip);
        let b = canonical(&raw("12345678901234567890124"), skip);
        assert_ne!(a, b);
    }

    #[test]
    fn a_number_is_written_as_everywhere() {
        for number in [0, 9, 10, 109, 65_536, usize::MAX] {
            let mut out = Vec::new();
            put_decimal(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn keys_of_one_secret_differ_by_purpose_and_so_do_digests_under_them() {
        let of = |purpose, secret: u8| Digest::of(b"x").keyed(&key_for(purpose, &[secret; 32]));
        assert_eq!(of("a", 1), of("a", 1));
        assert!(of("a", 1) != of("b", 1) && of("a", 1) != of("a", 2) && of("a", 1) != Digest::of(b"x"));
    }

    #[test]
    fn text_cannot_pass_for_structure() {
        assert_ne!(canonical(&raw(r#"["a,1\"b"]"#), skip), canonical(&raw(r#"["a","b"]"#), skip));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let boxed = serde_json::from_str::<Box<RawValue>>(&deep);
        if let Ok(boxed) = boxed {
            canonical(&boxed, skip);
        }
    }
}
