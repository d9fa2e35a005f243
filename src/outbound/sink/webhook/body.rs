//! What one request carries: one event, or a list of them under one id.
//!
//! The same events give the same bytes and the same id, whenever and however often they are asked for. Deliberately
//! absent: signatures, whose timestamp is each attempt's own.

use super::super::{Delivery, Outcome, not_encodable};
use crate::base::digest::Digest;
use crate::base::encode;
use crate::outbound::settings::BatchLimits;
use http::header::HeaderValue;

const STRUCTURED: HeaderValue = HeaderValue::from_static("application/cloudevents+json");
const BATCH: HeaderValue = HeaderValue::from_static("application/cloudevents-batch+json");

pub struct Parcel {
    pub id: String,
    pub content_type: HeaderValue,
    pub bytes: Vec<u8>,
    pub events: usize,
}

pub fn single(delivery: &Delivery) -> Result<Parcel, Outcome> {
    let bytes = encode::structured(&delivery.event, &delivery.sequence_text)
        .map_err(|_| Outcome::Reject { cause: not_encodable() })?;
    Ok(Parcel { id: delivery.event.id.clone(), content_type: STRUCTURED, bytes, events: 1 })
}

/// As many of the first events as fit, and what is to be said of the others; `None` for those within.
pub fn batch(deliveries: &[Delivery], limits: BatchLimits) -> (Option<Parcel>, Vec<Option<Outcome>>) {
    let (mut bytes, mut ids) = (vec![b'['], Vec::new());
    let mut outcomes = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let before = bytes.len();
        if !ids.is_empty() {
            bytes.push(b',');
        }
        if encode::put_structured(&delivery.event, &delivery.sequence_text, &mut bytes).is_err() {
            bytes.truncate(before);
            outcomes.push(Some(Outcome::Reject { cause: not_encodable() }));
            continue;
        }
        // With the bracket at the end.
        let size = u64::try_from(bytes.len() + 1).unwrap_or(u64::MAX);
        if !ids.is_empty() && (ids.len() >= limits.events || size > limits.bytes) {
            bytes.truncate(before);
            break;
        }
        ids.push(delivery.event.id.as_str());
        outcomes.push(None);
    }
    outcomes.resize(deliveries.len(), Some(Outcome::Held));
    bytes.push(b']');
    let id = format!("batch-{}", Digest::of(ids.join("\n").as_bytes()).hex());
    let parcel = Parcel { id, content_type: BATCH, bytes, events: ids.len() };
    ((parcel.events > 0).then_some(parcel), outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::delivery;

    #[test]
    fn a_batch_takes_the_first_that_fit_and_holds_the_rest() {
        let deliveries: Vec<_> = (1..=5).map(|number| delivery(number, "a")).collect();
        let one = single(&deliveries[0]).unwrap().bytes.len() as u64;
        let of = |events, bytes| batch(&deliveries, BatchLimits { events, bytes });
        for (limits, wanted) in
            [((3, u64::MAX), 3), ((9, one * 2 + 3), 2), ((9, one * 2 + 2), 1), ((9, 1), 1)]
        {
            let (parcel, outcomes) = of(limits.0, limits.1);
            let parcel = parcel.unwrap();
            let events: Vec<serde_json::Value> = serde_json::from_slice(&parcel.bytes).unwrap();
            assert_eq!((parcel.events, events.len()), (wanted, wanted));
            assert!(outcomes[..wanted].iter().all(Option::is_none));
            assert!(outcomes[wanted..].iter().all(|one| *one == Some(Outcome::Held)));
        }
        assert_eq!(of(3, 1 << 20).0.unwrap().id, of(3, 1 << 20).0.unwrap().id);
        assert_ne!(of(3, 1 << 20).0.unwrap().id, of(2, 1 << 20).0.unwrap().id);
        assert!(!of(3, 1 << 20).0.unwrap().id.contains('.'));
    }

    #[test]
    fn a_damaged_event_is_rejected_alone() {
        let mut deliveries: Vec<_> = (1..=3).map(|number| delivery(number, "a")).collect();
        let damaged = crate::base::envelope::Event {
            data: crate::outbound::testing::raw("7"),
            ..crate::outbound::testing::event("a", 2)
        };
        deliveries[1].event = std::sync::Arc::new(damaged);
        let (parcel, outcomes) = batch(&deliveries, BatchLimits { events: 9, bytes: 1 << 20 });
        assert_eq!(parcel.unwrap().events, 2);
        assert!(matches!(&outcomes[..], [None, Some(Outcome::Reject { .. }), None]), "{outcomes:?}");
        let (parcel, _) = batch(&deliveries[1..2], BatchLimits { events: 9, bytes: 1 << 20 });
        assert!(parcel.is_none());
    }
}
