//! Events of unknown meaning, counted by the `messageType` they came with: which new notification an upgrade of GWS brought.
//!
//! The word is the sender's, so it is a label only where it looks like a name of GWS's own types, and only so many of
//! them are. Deliberately absent: the family itself, which stands in the list with the others.

use super::Metrics;
use crate::base::words::is_type_name;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Different words that become a label, in all sites together.
const MAX_WORDS: usize = 32;
/// A word that is none of the names, or one too many.
const OTHER: &str = "other";
/// There was no `messageType`, or it is not collected.
const NONE: &str = "none";
/// The words that are labels.
#[derive(Default)]
pub(super) struct Words(Mutex<BTreeSet<String>>);

impl Words {
    fn label<'w>(&self, word: Option<&'w str>) -> &'w str {
        let Some(word) = word else { return NONE };
        if !is_type_name(word) {
            return OTHER;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(word) {
            return word;
        }
        if known.len() >= MAX_WORDS {
            return OTHER;
        }
        known.insert(word.to_owned());
        word
    }
}

impl Metrics {
    /// Counts an event of unknown meaning that was written to the journal.
    pub fn unknown_event(&self, site: &str, message_type: Option<&str>) {
        let word = self.unknown_words.label(message_type);
        self.unknown_events_total.with_label_values(&[site, word]).inc();
    }

    pub(super) fn zero_unknown(&self, site: &str) {
        for word in [OTHER, NONE] {
            self.unknown_events_total.with_label_values(&[site, word]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::words::MAX_LENGTH;
    use rstest::rstest;

    #[rstest]
    #[case("WidgetStateChangeMessage")]
    #[case("ChannelStateChangeMessageV2")]
    #[case("MessageLogUpdated")]
    #[case("TweetOperationResponse")]
    #[case("EventUserEvent")]
    #[case("Chat2Message")]
    fn a_name_of_a_type_is_counted_by_itself(#[case] word: &str) {
        assert_eq!(Words::default().label(Some(word)), word);
    }

    #[rstest]
    #[case("Jane Doe Message")]
    #[case("jane.doe@example.com")]
    #[case("+4930123456")]
    #[case("JaneDoe")]
    #[case("widgetStateChangeMessage")]
    #[case("WidgetMessageV")]
    #[case("WidgetMessage2")]
    #[case("WidgetUpdatedV2")]
    #[case("Widget_Message")]
    #[case("ÄnderungMessage")]
    #[case("WidgetStateChangemessage")]
    #[case("")]
    fn what_has_another_shape_is_not_named(#[case] word: &str) {
        assert_eq!(Words::default().label(Some(word)), OTHER);
    }

    #[test]
    fn words_are_bounded_in_length_and_in_number_and_those_known_stay() {
        let words = Words::default();
        assert_eq!(words.label(None), NONE);
        let longest = format!("{}Message", "X".repeat(MAX_LENGTH - "Message".len()));
        assert_eq!(words.label(Some(&longest)), longest);
        assert_eq!(words.label(Some(&format!("X{longest}"))), OTHER);
        for nth in 1..MAX_WORDS {
            let word = format!("Widget{nth}Message");
            assert_eq!(words.label(Some(&word)), word);
        }
        assert_eq!(words.label(Some("OneTooManyMessage")), OTHER);
        assert_eq!(words.label(Some("Widget1Message")), "Widget1Message");
    }
}
