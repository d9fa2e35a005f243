//! What the admin server and systemd are told of the service as a whole.

use crate::admin::{self, JournalStatus, SinkStatus, SiteStatus, Status as Page};
use crate::app::answers::Answers;
use crate::app::rosters::Rosters;
use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::config::Settings;
use crate::inbound::accounts::SiteGate;
use crate::inbound::fleet::{Fleet, SiteNumbers};
use crate::inbound::roster;
use crate::journal::{Journal, State};
use crate::outbound::settings::SinkConfig;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Everything the answers are made of.
#[derive(Clone)]
pub struct StatusSource {
    started: String,

    sinks: Arc<[SinkConfig]>,
    keep_gaps: Duration,
    journal: Journal,
    fleet: Fleet,
    rosters: Rosters,
    state_dir: Arc<Path>,
    clock: Clock,
    metrics: Metrics,
    health: Health,
}

impl StatusSource {
    pub fn new(
        settings: &Settings,
        journal: &Journal,
        fleet: &Fleet,
        rosters: Rosters,
        clock: &Clock,
        metrics: &Metrics,
        health: &Health,
    ) -> StatusSource {
        StatusSource {
            started: crate::base::time::rfc3339(clock.now()),
            sinks: settings.sinks.clone().into(),
            keep_gaps: settings.journal.keep_gaps,
            journal: journal.clone(),
            fleet: fleet.clone(),
            rosters,
            state_dir: settings.journal.state_dir.clone().into(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            health: health.clone(),
        }
    }

    /// What the admin server is given.
    pub fn into_state(self) -> admin::State {
        let (metrics, health) = (self.metrics.clone(), self.health.clone());
        let answers = Answers {
            journal: self.journal.clone(),
            fleet: self.fleet.clone(),
            rosters: self.rosters.clone(),
            sinks: Arc::clone(&self.sinks),
            keep_gaps: self.keep_gaps,
            state_dir: Arc::clone(&self.state_dir),
        };
        admin::State {
            metrics,
            health,
            answer: Arc::new(move |question| {
                let answers = answers.clone();
                Box::pin(async move { answers.answer(question).await })
            }),
            status: Arc::new(move || self.page()),
        }
    }

    fn page(&self) -> Page {
        let sites = self.fleet.numbers(self.clock.now());
        Page {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started.clone(),
            sites: sites.iter().map(|(name, numbers)| self.site(name, numbers)).collect(),
            sinks: self.sinks.iter().map(|sink| self.sink(&sink.name, sink.target.kind())).collect(),
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

    fn site(&self, name: &str, numbers: &SiteNumbers) -> SiteStatus {
        let door = self.fleet.door(name);
        SiteStatus {
            name: name.to_owned(),
            sessions: states(&numbers.by_phase),
            standings: states(&numbers.by_standing),
            agents: numbers.agents as u64,
            without_ack: numbers.without_ack as u64,
            nodes: numbers.nodes as u64,
            busiest_node: numbers.busiest_node as u64,
            base_url: door.map(|door| door.site.base().to_string()).unwrap_or_default(),
            paused: door.map(|door| door.accounts.state().why()).unwrap_or_default(),
            roster: self.rosters.status(name).map(|status| of_roster(&status)).unwrap_or_default(),
        }
    }

    fn sink(&self, name: &str, kind: &str) -> SinkStatus {
        let up = self.metrics.sink_up.with_label_values(&[name]).get() == 1;
        let detail = match self.health.parts().get(&format!("sink {name}")) {
            Some(Status::Degraded(why) | Status::Down(why)) => why.clone(),
            _ => String::new(),
        };
        let number = |gauge: &prometheus::IntGaugeVec| unsigned(gauge.with_label_values(&[name]).get());
        let state = match (up, number(&self.metrics.sink_circuit_open)) {
            (_, 1) => "circuit open",
            (true, _) => "up",
            (false, _) => "down",
        };
        SinkStatus {
            name: name.to_owned(),
            kind: kind.to_owned(),
            state: state.to_owned(),
            parked_keys: number(&self.metrics.sink_parked_keys),
            parked_events: number(&self.metrics.sink_parked_events),
            parked_bytes: number(&self.metrics.sink_parked_bytes),
            lag_events: number(&self.metrics.sink_lag_events),
            lag_bytes: number(&self.metrics.sink_lag_bytes),
            lag_seconds: self.metrics.sink_lag_seconds.with_label_values(&[name]).get(),
            detail,
        }
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn states(counts: &BTreeMap<&'static str, usize>) -> admin::States {
    counts.iter().map(|(state, count)| ((*state).to_owned(), *count as u64)).collect()
}

/// What is to be known of a roster; empty where all is well.
pub fn of_roster(status: &roster::Status) -> String {
    if let Some(held) = &status.held {
        let command = held.change.command(&status.site);
        return format!("a change waits since {}: {}; to let it through: {command}", held.since, held.change);
    }
    match status.faults.first() {
        Some(first) => {
            format!("the file has faults, the roster from {} holds: {first}", status.since)
        }
        None => status
            .unkept
            .as_ref()
            .map_or_else(String::new, |error| format!("not kept for a restart: {error}")),
    }
}

/// A site's health from its sessions: down where nobody is connected, degraded where some are not.
pub fn of_site(numbers: &SiteNumbers, gate: &SiteGate) -> Status {
    let why = match gate.why() {
        reason if reason.is_empty() => String::new(),
        reason => format!("; logins are paused {reason}"),
    };
    let count = |state: &str| numbers.by_phase.get(state).copied().unwrap_or_default();
    // A stall of storage is the journal's to report.
    let (connected, refused) = (count("connected") + count("stalled"), count("refused"));
    let opening =
        count("starting") + count("resume") + count("login") + count("handshake") + count("subscribe");
    if numbers.agents == 0 || connected == numbers.agents {
        return if why.is_empty() { Status::Ok } else { Status::Degraded(format!("all connected{why}")) };
    }
    if connected > 0 {
        return Status::Degraded(format!(
            "{connected} of {} agents connected, {refused} refused{why}",
            numbers.agents
        ));
    }
    let trouble = match numbers.trouble.as_str() {
        "" => String::new(),
        trouble => format!(": {trouble}"),
    };
    if opening > 0 && why.is_empty() && trouble.is_empty() {
        return Status::Starting;
    }
    Status::Down(format!("none of {} agents is connected, {refused} refused{why}{trouble}", numbers.agents))
}

/// One line for `systemctl status`.
pub fn line(sites: &BTreeMap<String, SiteNumbers>) -> String {
    let agents: usize = sites.values().map(|site| site.agents).sum();
    let connected: usize = sites.values().filter_map(|site| site.by_phase.get("connected")).sum();
    format!("{connected} of {agents} agents connected")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::accounts::By;

    fn numbers(phases: &[(&'static str, usize)]) -> SiteNumbers {
        let agents = phases.iter().map(|(_, count)| count).sum();
        SiteNumbers { agents, by_phase: phases.iter().copied().collect(), ..SiteNumbers::default() }
    }

    #[test]
    fn a_sites_health_follows_its_sessions_and_says_that_it_is_paused() {
        let fine = SiteGate {
            paused: None,
            directory_fault: false,
            fault_since: None,
            refused: 0,
            canary: None,
            waiting: 0,
        };
        let paused = SiteGate { paused: Some((By::Operator, "by hand".to_owned(), 0)), ..fine.clone() };
        assert_eq!(of_site(&numbers(&[("connected", 2)]), &fine), Status::Ok);
        assert_eq!(of_site(&numbers(&[("login", 2)]), &fine), Status::Starting);
        let text = |status| match status {
            Status::Degraded(text) | Status::Down(text) => text,
            other => format!("{other:?}"),
        };
        let some = numbers(&[("connected", 1), ("refused", 1)]);
        assert_eq!(text(of_site(&some, &fine)), "1 of 2 agents connected, 1 refused");
        assert!(
            text(of_site(&numbers(&[("connected", 2)]), &paused)).contains("paused by an operator: by hand")
        );
        assert!(matches!(of_site(&numbers(&[("login", 2)]), &paused), Status::Down(_)));
        let tried = SiteNumbers { trouble: "login failed: HTTP 503".into(), ..numbers(&[("login", 2)]) };
        let said = "none of 2 agents is connected, 0 refused: login failed: HTTP 503";
        assert_eq!(text(of_site(&tried, &fine)), said, "who fails again and again is not starting");
    }

    #[test]
    fn a_held_roster_says_how_it_is_let_through() {
        let change = roster::Change { removed: vec!["1".into()], ..roster::Change::default() };
        let held = Some(roster::Held { since: "T".into(), change });
        let status = roster::Status { site: "main".into(), held, ..roster::Status::default() };
        let text = of_roster(&status);
        assert!(text.contains("1 removed") && text.contains("roster accept --site main --change "), "{text}");
        assert_eq!(of_roster(&roster::Status::default()), "");
    }
}
