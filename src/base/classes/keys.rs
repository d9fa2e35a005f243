//! Keys of attached data that GWS is known to use, and of what class what lies under them is.
//!
//! A key that is not here is the business's own. Deliberately absent: what is done with a class (`left_out`, `outbound::mask`).

use super::Class;

/// Keys that hold more than facts of the business; a `*` at an end is anything there, case does not count, the first
/// that fits does.
const KEYS: &[(&str, Class)] = &[
    // A number stands in the key itself, and a person in the value.
    ("wwe_party_*", Class::Identity),
    ("firstname", Class::Identity),
    ("lastname", Class::Identity),
    ("username", Class::Identity),
    ("nickname", Class::Identity),
    ("employeeid", Class::Identity),
    ("logincode", Class::Identity),
    ("contactid", Class::Identity),
    ("path", Class::Identity),
    ("_facebooksourcexml", Class::Content),
    ("_facebookpminboxurl", Class::Contact),
    ("_facebook*", Class::Identity),
    ("phonenumber", Class::Contact),
    ("*phone*", Class::Contact),
    ("emailaddress", Class::Contact),
    ("email*", Class::Contact),
    ("header_*", Class::Contact),
    ("ani", Class::Contact),
    ("dnis", Class::Contact),
    ("originationdn", Class::Contact),
    ("iw_routingbasedtargetid", Class::Contact),
    // Of calling lists: numbers, and facts about the call to one.
    ("gsw_user*", Class::Identity),
    ("gsw_agent*", Class::Identity),
    ("gsw_*", Class::Contact),
    ("subject", Class::Content),
    ("body", Class::Content),
    ("bodyasplaintext", Class::Content),
    ("comment", Class::Content),
    ("chatserverhost", Class::Infrastructure),
    ("chatserverport", Class::Infrastructure),
    ("gsip_rec_fn", Class::Infrastructure),
];

/// The classes of what lies under a key of attached data; a number may stand in any key.
pub fn classes_of_key(key: &str) -> impl Iterator<Item = Class> {
    let class = KEYS.iter().find(|(known, _)| is(known, key)).map_or(Class::Business, |(_, class)| *class);
    let number = key.as_bytes().windows(3).any(|three| three.iter().all(u8::is_ascii_digit));
    std::iter::once(class).chain(number.then_some(Class::Contact))
}

/// Whether a key is known to the letter, so that it says nothing itself.
pub fn is_known_key(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| key.eq_ignore_ascii_case(known))
}

fn is(known: &str, key: &str) -> bool {
    let begins = |with: &str| key.get(..with.len()).is_some_and(|first| first.eq_ignore_ascii_case(with));
    match (known.strip_prefix('*'), known.strip_suffix('*')) {
        (None, None) => key.eq_ignore_ascii_case(known),
        (None, Some(start)) => begins(start),
        (Some(part), _) => {
            let part = part.strip_suffix('*').unwrap_or(part);
            key.as_bytes().windows(part.len()).any(|some| some.eq_ignore_ascii_case(part.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_class_of_what_it_holds() {
        for (key, classes, known) in [
            ("FirstName", &[Class::Identity][..], true),
            ("WWE_PARTY_1003", &[Class::Identity, Class::Contact], false),
            ("wwe_party_*", &[Class::Identity], true),
            ("_facebookSourceXML", &[Class::Content], true),
            ("_facebookSex", &[Class::Identity], false),
            ("PhoneNumber", &[Class::Contact], true),
            ("Phone2", &[Class::Contact], false),
            ("Customer_phone", &[Class::Contact], false),
            ("MobilePhoneNo", &[Class::Contact], false),
            ("GSW_PHONE", &[Class::Contact], false),
            ("GSW_CALLING_LIST", &[Class::Contact], false),
            ("gsw_USERNAME", &[Class::Identity], false),
            ("GSW_AGENT_ID", &[Class::Identity], false),
            ("GSW_CALL_100", &[Class::Contact, Class::Contact], false),
            ("ChatServerHost", &[Class::Infrastructure], true),
            ("Order2026", &[Class::Business, Class::Contact], false),
            ("é", &[Class::Business], false),
            ("", &[Class::Business], false),
        ] {
            let of: Vec<Class> = classes_of_key(key).collect();
            assert_eq!((of.as_slice(), is_known_key(key)), (classes, known), "{key}");
        }
    }
}
