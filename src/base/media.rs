//! Which events each medium has: what topics, metrics and schemas are listed from.
//!
//! Deliberately absent: what the words mean (the README says) and how they are made (`normalise`).

use super::envelope::{event, medium};

/// The events of a medium; none of a word that is no medium.
pub fn events_of(medium: &str) -> &'static [&'static str] {
    match medium {
        medium::FACEBOOKSESSION | medium::CHAT | medium::SMSSESSION => &[
            event::MESSAGE,
            event::STATUS_CHANGE,
            event::PARTICIPANTS_UPDATED,
            event::PROPERTIES_UPDATED,
            event::ERROR,
            event::GAP,
            event::ENDED_UNSEEN,
            event::TRANSCRIPT,
        ],
        medium::CALL => &[
            event::STATUS_CHANGE,
            event::PARTICIPANTS_UPDATED,
            event::ATTACHED_DATA_CHANGED,
            event::RECORDING_STATE_CHANGE,
            event::GAP,
        ],
        medium::EMAIL => &[
            event::STATUS_CHANGE,
            event::PROPERTIES_UPDATED,
            event::SAVED,
            event::ATTACHMENT_ADDED,
            event::ATTACHMENT_REMOVED,
            event::ERROR,
            event::GAP,
        ],
        medium::FACEBOOK => {
            &[event::STATUS_CHANGE, event::PROPERTIES_UPDATED, event::SAVED, event::ERROR, event::GAP]
        }
        medium::TWEET => &[
            event::STATUS_CHANGE,
            event::PROPERTIES_UPDATED,
            event::SAVED,
            event::ERROR,
            event::OPERATION_RESPONSE,
            event::GAP,
        ],
        medium::WORKITEM | medium::OPENMEDIA => {
            &[event::STATUS_CHANGE, event::PROPERTIES_UPDATED, event::ERROR, event::GAP]
        }
        medium::IMSESSION => &[event::STATUS_CHANGE, event::ATTACHED_DATA_CHANGED, event::LOG_UPDATE],
        medium::WORKBIN => &[event::SUBSCRIPTION_CHANGE, event::ACTION],
        medium::OUTBOUND => &[event::RECORD],
        medium::USER => &[event::PASSWORD_CHANGED, event::PASSWORD_ERROR],
        medium::SERVICE => &[event::STATE_CHANGE],
        medium::AGENT => &[event::STATE_CHANGE, event::USER_EVENT, event::ERROR],
        medium::UNKNOWN => &[event::UNKNOWN],
        medium::BRIDGE => {
            &[event::GAP_OPENED, event::GAP_CLOSED, event::SILENT, event::SINK_LOST, event::ITEM_REJECTED]
        }
        _ => &[],
    }
}

/// The word of a medium whose interactions have gaps of their own.
pub fn with_gaps(word: &str) -> Option<&'static str> {
    let has_gaps = |medium: &&str| events_of(medium).contains(&event::GAP);
    medium::ALL.iter().copied().find(|medium| *medium == word).filter(has_gaps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_medium_has_events_and_every_event_a_medium() {
        let all: Vec<&str> = medium::ALL.iter().flat_map(|medium| events_of(medium)).copied().collect();
        assert!(medium::ALL.iter().all(|medium| !events_of(medium).is_empty()));
        assert_eq!(BTreeSet::from_iter(all), event::ALL.iter().copied().collect());
        assert!(events_of("fax").is_empty());
    }
}
