//! The tables of sinks → their settings.
//!
//! Deliberately absent: what a sink takes (see `route`), Kafka's and webhooks' own parts (see `kafka`, `webhook`), and whether a destination answers (`check --live`).

use super::common::Common;
use super::route::Door;
use super::{Check, HOUR, MILLI, YEAR};
use crate::base::retry::Backoff;
use crate::config::raw;
use crate::config::tree::Path;
use crate::outbound::settings::{
    MaxLag, OnLimit, Park, RetryPolicy, SinkConfig, Start, StdoutConfig, StdoutMode, Target,
};
use std::collections::BTreeMap;

impl Check<'_> {
    pub(super) fn sinks(&mut self, at: &Path, raw: raw::Sinks, doors: &[Door]) -> Vec<SinkConfig> {
        if raw.kafka.is_empty() && raw.webhook.is_empty() && raw.stdout.is_empty() {
            self.missing(
                at,
                "there is no sink: add a table [sink.kafka.NAME], [sink.webhook.NAME] or [sink.stdout.NAME]",
            );
        }
        let mut sinks = Vec::new();
        let mut names = BTreeMap::new();
        for (name, raw) in raw.kafka {
            let at = self.unique(&mut names, at, "kafka", &name);
            let target = self.kafka(&at, &raw).map(Target::Kafka);
            sinks.extend(self.sink(&at, name, target, &Common::from(&raw), doors));
        }
        for (name, raw) in raw.stdout {
            let at = self.unique(&mut names, at, "stdout", &name);
            let target = Some(Target::Stdout(stdout(raw.mode)));
            sinks.extend(self.sink(&at, name, target, &Common::from(&raw), doors));
        }
        for (name, raw) in raw.webhook {
            let at = self.unique(&mut names, at, "webhook", &name);
            let target = self.webhook(&at, &raw).map(Target::Webhook);
            sinks.extend(self.sink(&at, name, target, &Common::from(&raw), doors));
        }
        sinks
    }

    /// A sink's name stands alone in metrics, positions and dead letters, so the kind does not tell two apart.
    fn unique(
        &mut self,
        names: &mut BTreeMap<String, &'static str>,
        at: &Path,
        kind: &'static str,
        name: &str,
    ) -> Path {
        let at = at.key(kind).key(name);
        if let Some(other) = names.insert(name.to_owned(), kind) {
            self.fault(
                &at,
                format!("the name {name} is taken by sink.{other}.{name}: a sink's name is used once"),
            );
        }
        at
    }

    fn sink(
        &mut self,
        at: &Path,
        name: String,
        target: Option<Target>,
        common: &Common<'_>,
        doors: &[Door],
    ) -> Option<SinkConfig> {
        let (matching, except) = self.route(at, common.matching, common.except, doors);
        let max_lag = self.max_lag(&at.key("max_lag"), common.max_lag);
        let retry = self.retry(&at.key("retry"), common.retry);
        let park = self.park(&at.key("park"), common.park);
        let start = self.start(&at.key("start"), common.start);
        let privacy = self.policy(at, common.privacy, common.rules, common.userdata);
        let context = self.context(&at.key("context"), common.context);
        let Common { raw, transcripts, .. } = *common;
        self.takes_transcripts(at, transcripts, &matching, &except);
        let (target, privacy, start) = (target?, privacy?, start?);
        Some(SinkConfig {
            name,
            target,
            matching,
            except,
            privacy,
            raw,
            context,
            transcripts,
            start,
            max_lag,
            retry,
            park,
        })
    }

    fn start(&mut self, at: &Path, text: &str) -> Option<Start> {
        let words = ["latest", "earliest"];
        match (text, text.parse::<jiff::Timestamp>()) {
            ("latest", _) => Some(Start::Latest),
            ("earliest", _) => Some(Start::Earliest),
            (_, Ok(time)) if time <= jiff::Timestamp::now() => Some(Start::Time(time.as_millisecond())),
            (_, Ok(_)) => {
                let what = "is yet to come: a sink begins with what was recorded already, or with \"latest\"";
                self.fault(at, format!("{text:?} {what}"));
                None
            }
            (_, Err(_)) => {
                let finding = self.fault(at, format!("{text:?} is no place to begin at"));
                finding.one_of(text, words);
                let time = "or a time with its offset such as \"2026-11-22T07:00:00Z\"";
                finding.allowed(words.into_iter().chain([time]));
                None
            }
        }
    }

    fn max_lag(&mut self, at: &Path, raw: &raw::MaxLag) -> MaxLag {
        MaxLag {
            bytes: self.size(&at.key("bytes"), raw.bytes, 1 << 10, 1 << 50),
            age: self.span(&at.key("age"), raw.age, MILLI, YEAR),
            on_limit: match raw.on_limit {
                raw::OnLimit::Release => OnLimit::Release,
                raw::OnLimit::StopIntake => OnLimit::StopIntake,
            },
        }
    }

    fn retry(&mut self, at: &Path, raw: &raw::Retry) -> RetryPolicy {
        let faults = self.found.list.len();
        let initial = self.span(&at.key("initial"), raw.initial, MILLI, HOUR);
        let max = self.span(&at.key("max"), raw.max, MILLI, 24 * HOUR);
        if self.found.list.len() == faults && initial > max {
            let key = if self.given(&at.key("initial")) { "initial" } else { "max" };
            self.fault(&at.key(key), format!("initial ({}) is more than max ({})", raw.initial, raw.max));
        }
        let max_attempts = self.number(&at.key("max_attempts"), raw.max_attempts, 1, 1_000_000);
        let max_age = self.span(&at.key("max_age"), raw.max_age, MILLI, YEAR);
        RetryPolicy { backoff: Backoff { initial, max }, max_attempts, max_age }
    }

    fn park(&mut self, at: &Path, raw: &raw::Park) -> Park {
        let keys = self.number(&at.key("keys"), raw.keys, 0, 1_000_000);
        Park {
            keys: usize::try_from(keys).unwrap_or(usize::MAX),
            bytes: self.size(&at.key("bytes"), raw.bytes, 0, 1 << 50),
        }
    }
}

fn stdout(mode: raw::StdoutMode) -> StdoutConfig {
    let mode = match mode {
        raw::StdoutMode::Lines => StdoutMode::Lines,
        raw::StdoutMode::Pretty => StdoutMode::Pretty,
        raw::StdoutMode::Auto => StdoutMode::Auto,
    };
    StdoutConfig { mode }
}
