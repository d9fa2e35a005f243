//! A Kafka sink with `delivery = "exactly-once"`: who reads committed records sees each event once, over kills of the
//! daemon and stops of the broker; and what it refuses when topic and journal disagree.

mod disagreement;
mod kills;
mod redrive;

use crate::harness::kafka::Kafka;
use crate::harness::sinks::{NOT_BRIDGE, kafka};

pub const CONTROL: &str = "positions";

/// The sink, and the topics it needs.
pub async fn sink(broker: &Kafka, topic: &str) -> String {
    broker.prepare(&[topic, CONTROL], &[]).await;
    let exact = format!("{NOT_BRIDGE}delivery = \"exactly-once\"\ncontrol_topic = \"{CONTROL}\"\n");
    kafka("events", &broker.brokers(), topic, &exact)
}
