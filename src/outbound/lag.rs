//! How far a sink may fall behind: the limits, the shared pause of the intake, and the event that names a loss.
//!
//! Deliberately absent: moving the lane (the lane does) and pausing sessions (`inbound` looks at the flag).

use crate::base::data::SinkLostData;
use crate::base::envelope::{Event, Origin, event, medium, schema_urn};
use crate::base::time::{Millis, rfc3339};
use crate::journal::{Lag, Sequence, sequence_text};
use crate::outbound::settings::MaxLag;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Age of the oldest event that is not settled.
pub fn age(lag: &Lag, now: Millis) -> Duration {
    let millis = lag.oldest.map_or(0, |oldest| now.saturating_sub(oldest).max(0));
    Duration::from_millis(millis.unsigned_abs())
}

/// The limit that is exceeded, by its name in the configuration.
pub fn exceeded(limit: &MaxLag, lag: &Lag, now: Millis) -> Option<&'static str> {
    if lag.bytes > limit.bytes {
        Some("max_lag.bytes")
    } else if lag.events > 0 && age(lag, now) > limit.age {
        Some("max_lag.age")
    } else {
        None
    }
}

/// Whether a sink that paused the intake has caught up: well below both limits, so that it does not flap.
pub fn caught_up(limit: &MaxLag, lag: &Lag, now: Millis) -> bool {
    lag.bytes <= limit.bytes / 2 && age(lag, now) <= limit.age / 2
}

/// The sinks that hold the intake; the flag is true while there is one.
#[derive(Clone, Debug)]
pub struct Intake {
    holders: Arc<Mutex<BTreeSet<String>>>,
    flag: watch::Sender<bool>,
}

impl Intake {
    pub fn new() -> Intake {
        Intake { holders: Arc::default(), flag: watch::Sender::new(false) }
    }

    pub fn watch(&self) -> watch::Receiver<bool> {
        self.flag.subscribe()
    }

    /// Says whether this changed anything for the sink.
    pub fn set(&self, sink: &str, paused: bool) -> bool {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if paused { holders.insert(sink.to_owned()) } else { holders.remove(sink) };
        let now = !holders.is_empty();
        self.flag.send_if_modified(|flag| std::mem::replace(flag, now) != now);
        changed
    }
}

/// What a sink was moved past.
#[derive(Clone, Debug)]
pub struct Loss<'a> {
    pub sink: &'a str,
    pub first: Sequence,
    pub last: Sequence,
    pub count: u64,
    pub bytes: u64,
    pub limit: &'static str,
}

/// `cometbridge.sink.lost.v1`.
pub fn lost_event(loss: &Loss<'_>, birth: i64, now: Millis) -> Result<Event, serde_json::Error> {
    let data = SinkLostData {
        sink: loss.sink.to_owned(),
        first_sequence: sequence_text(birth, loss.first),
        last_sequence: sequence_text(birth, loss.last),
        count: loss.count,
        bytes: loss.bytes,
        limit: loss.limit.to_owned(),
    };
    Ok(Event {
        id: uuid::Uuid::now_v7().to_string(),
        source: "/bridge".to_owned(),
        kind: "cometbridge.sink.lost.v1".into(),
        subject: format!("sink/{}", loss.sink),
        time: rfc3339(now),
        dataschema: schema_urn("sink.lost").into(),
        site: "bridge".to_owned(),
        medium: medium::BRIDGE.into(),
        event: event::SINK_LOST.into(),
        partitionkey: format!("bridge/{}", loss.sink),
        origin: Origin::Bridge,
        ..Event::bare(serde_json::value::to_raw_value(&data)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::settings::OnLimit;

    fn limit() -> MaxLag {
        MaxLag { bytes: 1000, age: Duration::from_secs(60), on_limit: OnLimit::Release }
    }

    fn lag(events: u64, bytes: u64, oldest: Option<Millis>) -> Lag {
        Lag { position: 0, last: events, events, bytes, oldest }
    }

    #[test]
    fn either_limit_counts_and_catching_up_needs_both_halves() {
        assert_eq!(exceeded(&limit(), &lag(1, 1001, Some(0)), 0), Some("max_lag.bytes"));
        assert_eq!(exceeded(&limit(), &lag(1, 10, Some(0)), 60_001), Some("max_lag.age"));
        assert_eq!(exceeded(&limit(), &lag(1, 1000, Some(0)), 60_000), None);
        assert!(!caught_up(&limit(), &lag(1, 501, Some(0)), 0));
        assert!(!caught_up(&limit(), &lag(1, 1, Some(0)), 30_001));
        assert!(caught_up(&limit(), &lag(0, 0, None), 99_999));
    }

    #[test]
    fn a_loss_has_an_example_in_the_contract() {
        use crate::base::examples::{ASSIGNED, BIRTH, NOW, hold};
        let (first, last, limit) = (7, 42, "max_lag.age");
        let loss = Loss { sink: "crm", first, last, count: 36, bytes: 36_000, limit };
        let event = lost_event(&loss, BIRTH, NOW).unwrap();
        let event = Event { id: ASSIGNED.to_owned(), ..event };
        hold("sink-lost.json", "a sink that lagged too far was moved on", &[event]);
    }

    #[test]
    fn the_intake_is_paused_while_any_sink_holds_it() {
        let intake = Intake::new();
        let flag = intake.watch();
        assert!(intake.set("a", true) && intake.set("b", true) && !intake.set("a", true));
        assert!(*flag.borrow());
        intake.set("a", false);
        assert!(*flag.borrow());
        intake.set("b", false);
        assert!(!*flag.borrow());
    }
}
