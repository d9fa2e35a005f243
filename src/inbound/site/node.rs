//! Which node serves a session, as far as its cookies tell: a short hash, which can be compared and not used.
//!
//! Deliberately absent: `AWSALB`, which the balancer encrypts anew with each answer: it would show a node for each
//! session.

use crate::base::digest::Digest;

/// Balancers' cookies whose value stands for a node.
const BALANCERS: [&str; 3] = ["AWSELB", "ROUTEID", "SERVERID"];
/// One for each pool; the pool's name follows.
const BIG_IP: &str = "BIGipServer";

/// From `JSESSIONID`'s suffix after the last dot (Jetty's worker name), else from a balancer's cookie. `None`
/// where nothing tells.
pub fn node_of<'a>(cookies: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let (_, name, part) = cookies.filter_map(|(name, value)| told(name, value)).min()?;
    let mut hash = Digest::of(format!("{name}={part}").as_bytes()).hex();
    hash.truncate(8);
    Some(hash)
}

/// Rank, name, and the part of the value that stands for the node.
fn told<'a>(name: &'a str, value: &'a str) -> Option<(u8, &'a str, &'a str)> {
    let value = value.trim_matches('"');
    let (rank, part) = if name.eq_ignore_ascii_case("JSESSIONID") {
        (0, value.rsplit_once('.')?.1)
    } else if BALANCERS.contains(&name) {
        // HAProxy appends the times of first and last use.
        (1, value.split('|').next()?)
    } else if name.starts_with(BIG_IP) {
        (2, value)
    } else {
        return None;
    };
    (!part.is_empty()).then_some((rank, name, part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(cookies: &[(&str, &str)]) -> Option<String> {
        node_of(cookies.iter().copied())
    }

    #[test]
    fn two_sessions_of_one_worker_stand_on_one_node() {
        let one = node(&[("JSESSIONID", "abc.def.node7")]);
        assert_eq!(one, node(&[("BAYEUX_BROWSER", "x"), ("JSESSIONID", "\"xyz.node7\"")]));
        assert_ne!(one, node(&[("JSESSIONID", "abc.node8")]));
        assert_eq!(one.unwrap().len(), 8);
    }

    #[test]
    fn the_worker_counts_before_a_balancer_whatever_the_order() {
        let cookies =
            [("SERVERID", "s1"), ("JSESSIONID", "a.n1"), ("BIGipServer~pool", "1677787402.36895.0000")];
        let mut back = cookies;
        back.reverse();
        assert_eq!(node(&cookies), node(&back));
        assert_eq!(node(&cookies), node(&[("JSESSIONID", "b.n1")]));
        assert_ne!(node(&[("BIGipServer~pool", "1.1.0000")]), node(&[("BIGipServer~pool", "2.1.0000")]));
    }

    #[test]
    fn the_times_that_haproxy_appends_do_not_count() {
        assert_eq!(node(&[("SERVERID", "s1|UaBcD|UaBcE")]), node(&[("SERVERID", "s1|Uxxxx|Uyyyy")]));
    }

    #[test]
    fn where_nothing_tells_nothing_is_said() {
        for cookies in [
            &[("JSESSIONID", "abc")][..],
            &[("JSESSIONID", "abc.")],
            &[("AWSALB", "Zm9v")],
            &[("SERVERID", "")],
            &[],
        ] {
            assert_eq!(node(cookies), None, "{cookies:?}");
        }
    }

    proptest! {
        #[test]
        fn any_cookie_is_taken(name in "(JSESSIONID|SERVERID|BIGipServer|\\PC*)", value in "\\PC*") {
            let hash = node(&[(&name, &value)]);
            prop_assert!(hash.is_none_or(|hash| hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit())));
        }
    }
}
