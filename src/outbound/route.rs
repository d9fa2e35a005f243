//! Which events a sink wants.
//!
//! Deliberately absent: matching by agent or group, which no sink setting offers.

use crate::base::envelope::Event;
use crate::outbound::settings::Match;

/// Whether the event is for this sink. Each list that is not empty must name the event's word.
pub fn wants(matching: &Match, event: &Event) -> bool {
    names(&matching.medium, &event.medium) && names(&matching.event, &event.event)
}

fn names(list: &[String], word: &str) -> bool {
    list.is_empty() || list.iter().any(|wanted| wanted == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::event;

    fn matching(medium: &[&str], event: &[&str]) -> Match {
        let own = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        Match { medium: own(medium), event: own(event) }
    }

    #[test]
    fn empty_lists_want_everything() {
        assert!(wants(&Match::default(), &event("k", 1)));
    }

    #[test]
    fn both_lists_must_name_the_event() {
        assert!(wants(&matching(&["sms", "chat"], &["message"]), &event("k", 1)));
        assert!(!wants(&matching(&["chat"], &["status_change"]), &event("k", 1)));
        assert!(!wants(&matching(&["facebooksession"], &["message"]), &event("k", 1)));
    }
}
