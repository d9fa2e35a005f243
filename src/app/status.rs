//! What the admin server and systemd are told of the service as a whole.

use crate::admin::{self, JournalStatus, Question, Refusal, SinkStatus, SiteStatus, Status as Page};
use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::config::Settings;
use crate::inbound::fleet::{Fleet, SiteNumbers};
use crate::journal::{Journal, State};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything the answers are made of.
#[derive(Clone)]
pub struct StatusSource {
    started: String,
    /// Name and kind of each sink.
    sinks: Vec<(String, &'static str)>,
    journal: Journal,
    fleet: Fleet,
    clock: Clock,
    metrics: Metrics,
    health: Health,
}

impl StatusSource {
    pub fn new(
        settings: &Settings,
        journal: &Journal,
        fleet: &Fleet,
        clock: &Clock,
        metrics: &Metrics,
        health: &Health,
    ) -> StatusSource {
        StatusSource {
            started: crate::base::time::rfc3339(clock.now()),
            sinks: settings.sinks.iter().map(|sink| (sink.name.clone(), sink.target.kind())).collect(),
            journal: journal.clone(),
            fleet: fleet.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            health: health.clone(),
        }
    }

    /// What the admin server is given.
    pub fn into_state(self) -> admin::State {
        let (metrics, health, journal) = (self.metrics.clone(), self.health.clone(), self.journal.clone());
        admin::State {
            metrics,
            health,
            answer: Arc::new(move |question| {
                let journal = journal.clone();
                Box::pin(async move { answer(&journal, question).await })
            }),
            status: Arc::new(move || self.page()),
        }
    }

    fn page(&self) -> Page {
        let sites = self.fleet.numbers(self.clock.now());
        Page {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started.clone(),
            sites: sites.iter().map(|(name, numbers)| site(name, numbers)).collect(),
            sinks: self.sinks.iter().map(|(name, kind)| self.sink(name, kind)).collect(),
            journal: JournalStatus {
                state: match &*self.journal.state().borrow() {
                    State::Ok => "ok".to_owned(),
                    State::Stalled { reason, .. } => format!("storage stalled: {reason}"),
                    State::Failed(reason) => format!("failed: {reason}"),
                },
                last_sequence: self.journal.head().borrow().last,
                events: unsigned(self.metrics.journal_events.get()),
                bytes: unsigned(self.metrics.journal_bytes.get()),
            },
        }
    }

    fn sink(&self, name: &str, kind: &str) -> SinkStatus {
        let up = self.metrics.sink_up.with_label_values(&[name]).get() == 1;
        let detail = match self.health.parts().get(&format!("sink {name}")) {
            Some(Status::Degraded(why) | Status::Down(why)) => why.clone(),
            _ => String::new(),
        };
        SinkStatus {
            name: name.to_owned(),
            kind: kind.to_owned(),
            state: if up { "up" } else { "down" }.to_owned(),
            lag_events: unsigned(self.metrics.sink_lag_events.with_label_values(&[name]).get()),
            lag_bytes: unsigned(self.metrics.sink_lag_bytes.with_label_values(&[name]).get()),
            lag_seconds: self.metrics.sink_lag_seconds.with_label_values(&[name]).get(),
            detail,
        }
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn site(name: &str, numbers: &SiteNumbers) -> SiteStatus {
    SiteStatus {
        name: name.to_owned(),
        sessions: numbers
            .by_phase
            .iter()
            .map(|(phase, count)| ((*phase).to_owned(), *count as u64))
            .collect(),
        agents: numbers.agents as u64,
        without_ack: numbers.without_ack as u64,
    }
}

async fn answer(journal: &Journal, question: Question) -> Result<serde_json::Value, Refusal> {
    match question {
        Question::DeadLetters { sink, limit } => {
            let unavailable = |error: String| Refusal::Unavailable(error);
            let letters = journal
                .dead_letters(sink.as_deref(), limit)
                .await
                .map_err(|error| unavailable(error.to_string()))?;
            serde_json::to_value(letters).map_err(|error| unavailable(error.to_string()))
        }
        _ => Err(Refusal::NotFound("this release does not answer that yet".to_owned())),
    }
}

/// A site's health from its sessions: down where nobody is connected, degraded where some are not.
pub fn of_site(numbers: &SiteNumbers) -> Status {
    let count = |state: &str| numbers.by_phase.get(state).copied().unwrap_or_default();
    let (connected, refused) = (count("connected"), count("refused"));
    let opening = count("starting") + count("login") + count("handshake") + count("subscribe");
    if numbers.agents == 0 || connected == numbers.agents {
        return Status::Ok;
    }
    if connected > 0 {
        return Status::Degraded(format!(
            "{connected} of {} agents connected, {refused} refused",
            numbers.agents
        ));
    }
    if opening > 0 {
        return Status::Starting;
    }
    Status::Down(format!("none of {} agents is connected, {refused} refused", numbers.agents))
}

/// One line for `systemctl status`.
pub fn line(sites: &BTreeMap<String, SiteNumbers>) -> String {
    let agents: usize = sites.values().map(|site| site.agents).sum();
    let connected: usize = sites.values().filter_map(|site| site.by_phase.get("connected")).sum();
    format!("{connected} of {agents} agents connected")
}
