//! `cometbridge accept-position`: where a sink goes on whose destination keeps the position, when that one and the
//! journal disagree. Only while no daemon runs: the sink asks once, at its start.
//!
//! Deliberately absent: looking at the destination; what it says stands in the log of the start that was refused.

use crate::app::cli::{AcceptPosition, From};
use crate::app::run::settings;
use crate::app::{Fault, print};
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::journal::{self, Journal};
use crate::outbound::settings::Target;
use crate::outbound::{TOPIC, position_note};
use anyhow::anyhow;

pub async fn accept(arguments: AcceptPosition) -> Result<(), Fault> {
    let settings = settings(&arguments.configured)?;
    let name = &arguments.sink;
    let exact = |target: &Target| matches!(target, Target::Kafka(kafka) if kafka.control_topic.is_some());
    if !settings.sinks.iter().any(|sink| sink.name == *name && exact(&sink.target)) {
        return Err(anyhow!("--sink {name}: no such sink with delivery = \"exactly-once\"").into());
    }
    let metrics = Metrics::new()?;
    let opened = Journal::open(settings.journal.clone(), Clock::system(), metrics, Health::default());
    let (journal, recovery) = match opened {
        Err(journal::Error::Locked { path, pid }) => {
            return Err(anyhow!("a daemon (pid {pid}) runs on {path}: stop it first").into());
        }
        opened => opened?,
    };
    let (value, what) = match arguments.from {
        From::Topic => (TOPIC.to_owned(), "after what its control topic says".to_owned()),
        From::Journal => {
            let at = journal.position(name).await.unwrap_or(recovery.last);
            (at.to_string(), format!("after sequence {at}, the journal's own note"))
        }
        From::Latest => {
            (recovery.last.to_string(), format!("after sequence {}, the last one", recovery.last))
        }
        From::Earliest => ("0".to_owned(), "with the first event that the journal still holds".to_owned()),
    };
    let noted = journal.set_note(&position_note(name), Some(&value)).await;
    journal.close().await;
    noted?;
    print(&format!(
        "sink {name} goes on {what} at the next start; events can be missing or come twice there\n"
    ))
}
