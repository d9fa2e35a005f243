//! A CometD server, a daemon with all its agents connected, and a workload to publish in parts.

use super::cometd::{Cometd, Kind, Publish};
use super::daemon::{Daemon, Home};
use super::workload::{self, Conversation, Expected};
use serde_json::Value;
use std::time::Duration;

/// How long anything may take; only ever waited for in full by a test that fails.
pub const LIMIT: Duration = Duration::from_secs(90);

pub struct Scene {
    pub server: Cometd,
    pub home: Home,
    pub daemon: Daemon,
    pub users: Vec<String>,
    pub talks: Vec<Conversation>,
    pub expected: Expected,
    pub rounds: std::vec::IntoIter<Vec<Publish>>,
}

impl Scene {
    /// Java, with `agents` connected and `rounds` rounds to publish; `sinks` ends the configuration.
    pub async fn start(agents: usize, rounds: usize, sinks: &str) -> Scene {
        let server = Cometd::start(Kind::Java, &[]);
        Scene::on(server, Home::new(), &workload::users(agents), rounds, sinks, &[]).await
    }

    /// On a server that runs already; `more` are arguments of `run`.
    pub async fn on(
        server: Cometd,
        home: Home,
        users: &[String],
        rounds: usize,
        sinks: &str,
        more: &[&str],
    ) -> Scene {
        if !home.path("agents.csv").exists() {
            home.write_roster(users);
        }
        home.write_config(&server.url, sinks);
        let mut daemon = home.start_with(more);
        daemon.connected(users.len()).await;
        Scene::around(server, home, daemon, users, rounds)
    }

    /// Around a daemon that is connected already.
    pub fn around(server: Cometd, home: Home, daemon: Daemon, users: &[String], rounds: usize) -> Scene {
        let talks = workload::conversations(users, "0000Na9B26");
        let (batches, expected) = workload::script(&talks, users, rounds);
        Scene { server, home, daemon, users: users.to_vec(), talks, expected, rounds: batches.into_iter() }
    }

    /// Publishes the next rounds; all of it reaches a live session.
    pub async fn publish(&mut self, rounds: usize) {
        for batch in self.rounds.by_ref().take(rounds) {
            let delivered = self.server.publish(&batch).await;
            assert!(delivered.iter().all(|n| *n == 1), "everything goes to a live session: {delivered:?}");
        }
    }

    /// Waits until a sink has delivered so many events in all.
    pub async fn delivered(&mut self, kind: &str, sink: &str, events: usize) {
        let wanted = events as f64;
        self.daemon.until(&delivered(kind, sink), LIMIT, |n| n >= wanted).await;
        if kind == "stdout" {
            self.home.printed(events).await;
        }
    }

    /// Waits until a metric satisfies.
    pub async fn until(&mut self, prefix: &str, satisfied: impl Fn(f64) -> bool) {
        self.daemon.until(prefix, LIMIT, satisfied).await;
    }

    /// Waits until a sink's position is at the journal's end, on disk: nothing it had by then comes again. The lag is
    /// no sign of that: it is looked at once a second, and counts from a position that the next commit stores.
    pub async fn settled(&self, sink: &str) {
        let last = "(SELECT ifnull(max(seq), 0) FROM event)";
        let question = format!("SELECT count(*) FROM position WHERE sink = '{sink}' AND seq >= {last}");
        self.home.stored("the sink's position", &question).await;
    }

    /// Waits until nothing of a sink is put aside any more, on disk.
    pub async fn nothing_is_parked(&self, sink: &str) {
        let question = format!("SELECT NOT EXISTS (SELECT 1 FROM parked WHERE sink = '{sink}')");
        self.home.stored("what was parked is gone", &question).await;
    }

    pub fn stdout_events(&self) -> Vec<Value> {
        self.home.stdout_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A receiver has all of the workload, each once and in order.
    pub fn complete(&self, receiver: &str, events: &[Value]) {
        workload::verify(receiver, events, &self.expected);
    }

    /// Stops the daemon, which ends well and has logged nothing it must not.
    pub async fn end(self) -> Home {
        let status = self.daemon.stop().await;
        let log = self.home.log();
        let last: Vec<&str> = log.lines().rev().take(12).collect();
        assert!(status.success(), "{status}; the log's end, last line first:\n{}", last.join("\n"));
        self.home.log_is_clean(&self.users);
        self.home
    }
}

fn delivered(kind: &str, sink: &str) -> String {
    format!("cometbridge_sink_delivered_total{{kind=\"{kind}\",sink=\"{sink}\"}}")
}
