//! The sink contract: what a lane asks of a destination. Sinks never retry; the lane does.

use crate::base::envelope::Event;
use std::time::Duration;

/// One event on its way to one sink, masked already.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub sequence: crate::journal::Sequence,
    /// The `sequence` attribute.
    pub sequence_text: String,
    pub event: std::sync::Arc<Event>,
    /// 1 at the first try.
    pub attempt: u32,
}

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// May succeed later; `after` is what the receiver asked for.
    Retry {
        cause: Cause,
        after: Option<Duration>,
    },
    /// Not tried, as an earlier one of the same key did not get through: counts as no attempt.
    Held,
    /// Will never succeed: a dead letter at once.
    Reject {
        cause: Cause,
    },
    /// The connection to the destination must be built anew, then tried again.
    Reconnect {
        cause: Cause,
    },
    /// The destination wants no more; the lane stops and says so.
    Disable {
        cause: Cause,
    },
}

/// Why a delivery failed: a word of a closed set for metrics, and a sentence for people, free of personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub reason: &'static str,
    pub detail: String,
}
