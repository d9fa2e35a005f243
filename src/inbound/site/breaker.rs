//! One host: whether it is there, and whether it asked for a pause.
//!
//! Pure: every function is told the time. Deliberately absent: which host a session is to use (see `gate`).

use crate::base::retry::Backoff;
use crate::inbound::session::protocol::FailureKind;
use crate::inbound::site::Heard;
use std::time::Duration;
use tokio::time::Instant;

/// So many failures without any answer in between, of exchanges that are not held.
const FAILURES: u32 = 5;
/// So many held polls failing within `TOGETHER`, and more of them than were answered.
const POLLS: u32 = 10;
const TOGETHER: Duration = Duration::from_secs(5);
/// So many times a proxy's refusal, and none of what was asked anew answered in between. Each more risks the account
/// that we have there, so the tries after it are few: the waits begin at the longest of other failures, and double.
const REFUSALS: u32 = 2;
/// The longest pause that a `Retry-After` can ask for.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub struct Host {
    state: State,
    backoff: Backoff,
    /// How long one try may take before another may leave.
    patience: Duration,
    failures: u32,
    polls: Polls,
    /// A proxy's refusals in a row.
    refusals: u32,
    paused: Option<Instant>,
    /// How the poll ended that asked last whether its session lives; not of a time before the host failed.
    asked: Option<Asked>,
}

/// How a poll ended that asked whether its session lives (see `asking`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was held, or brought news.
    Lives,
    /// It was answered at once, and for nothing.
    InVain,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open {
        until: Instant,
        attempt: u32,
    },
    /// One request is on its way; another may go at `deadline`.
    Trying {
        deadline: Instant,
        attempt: u32,
    },
}

/// Held polls, counted in stretches of `TOGETHER`.
#[derive(Debug, Default)]
struct Polls {
    since: Option<Instant>,
    failed: u32,
    answered: u32,
}

/// What an exchange changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Opened,
    Closed,
}

/// What an exchange says of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    There,
    Failed,
    /// It answers, and asks for less.
    Busy,
    /// A proxy before it lets us not through.
    Barred,
}

pub fn verdict(heard: &Heard) -> Verdict {
    match heard.result {
        Ok(407) | Err(FailureKind::ProxyRefused) => Verdict::Barred,
        Err(_) => Verdict::Failed,
        Ok(status) if status >= 500 => Verdict::Failed,
        Ok(429) => Verdict::Busy,
        Ok(_) => Verdict::There,
    }
}

impl Host {
    pub fn new(backoff: Backoff, patience: Duration) -> Host {
        Host {
            state: State::Closed,
            backoff,
            patience,
            failures: 0,
            polls: Polls::default(),
            refusals: 0,
            paused: None,
            asked: None,
        }
    }

    pub fn closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// When a request may leave for this host; what lies in the past means now.
    pub fn ready_at(&self, now: Instant) -> Instant {
        let breaker = match self.state {
            State::Closed => now,
            State::Open { until, .. } => until,
            State::Trying { deadline, .. } => deadline,
        };
        breaker.max(self.paused_until().unwrap_or(now))
    }

    /// Until when nothing is to be tried because a proxy refuses us.
    pub fn barred_until(&self) -> Option<Instant> {
        match self.state {
            State::Open { until, .. } | State::Trying { deadline: until, .. } => {
                (self.refusals >= REFUSALS).then_some(until)
            }
            State::Closed => None,
        }
    }

    pub fn paused_until(&self) -> Option<Instant> {
        self.paused
    }

    pub fn asked(&self) -> Option<Asked> {
        self.asked
    }

    pub fn note_asked(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    /// A request leaves. While the host counts as gone it is the one that tries.
    pub fn sent(&mut self, now: Instant) {
        if let State::Open { attempt, .. } | State::Trying { attempt, .. } = self.state {
            self.state = State::Trying { deadline: now + self.patience, attempt };
        }
    }

    /// `random` is in `0.0..1.0`.
    pub fn heard(&mut self, heard: &Heard, now: Instant, random: f64) -> Option<Change> {
        let asked = matches!(heard.result, Ok(429 | 503));
        if let Some(wait) = heard.retry_after.filter(|wait| asked && !wait.is_zero()) {
            let until = now + wait.min(LONGEST_PAUSE).mul_f64(1.0 + random / 10.0);
            self.paused = Some(self.paused.map_or(until, |before| before.max(until)));
        }
        match verdict(heard) {
            Verdict::Failed => self.failed(heard.held, now, random),
            Verdict::Barred => self.barred(now, random),
            Verdict::There | Verdict::Busy => self.there(heard.held, now),
        }
    }

    fn there(&mut self, held: bool, now: Instant) -> Option<Change> {
        self.failures = 0;
        if held {
            self.polls.at(now).answered += 1;
            // It came on a connection that the proxy let through long ago.
            if self.barred_until().is_some() {
                return None;
            }
        } else {
            self.refusals = 0;
        }
        if self.closed() {
            return None;
        }
        self.state = State::Closed;
        self.polls = Polls::default();
        Some(Change::Closed)
    }

    fn failed(&mut self, held: bool, now: Instant, random: f64) -> Option<Change> {
        match self.state {
            State::Closed => {
                let gone = if held {
                    let polls = self.polls.at(now);
                    polls.failed += 1;
                    polls.failed >= POLLS && polls.failed > polls.answered
                } else {
                    self.failures += 1;
                    self.failures >= FAILURES
                };
                if !gone {
                    return None;
                }
                self.open(1, now, random);
                Some(Change::Opened)
            }
            State::Trying { attempt, .. } if !held => {
                self.open(attempt.saturating_add(1), now, random);
                None
            }
            State::Trying { .. } | State::Open { .. } => None,
        }
    }

    fn barred(&mut self, now: Instant, random: f64) -> Option<Change> {
        let closed = self.closed();
        if matches!(self.state, State::Open { .. }) {
            // It had left before.
            return None;
        }
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals < REFUSALS {
            return None;
        }
        let slow = Backoff { initial: self.backoff.max, max: self.backoff.max.max(LONGEST_PAUSE) };
        let wait = slow.jitter_upward(self.refusals - REFUSALS + 1, random);
        self.state = State::Open { until: now + wait, attempt: 1 };
        self.failures = 0;
        closed.then_some(Change::Opened)
    }

    fn open(&mut self, attempt: u32, now: Instant, random: f64) {
        self.state = State::Open { until: now + self.backoff.jitter_upward(attempt, random), attempt };
        self.failures = 0;
        self.asked = None;
    }
}

impl Polls {
    fn at(&mut self, now: Instant) -> &mut Polls {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) > TOGETHER) {
            *self = Polls { since: Some(now), failed: 0, answered: 0 };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn host() -> Host {
        Host::new(Backoff { initial: SECOND, max: 8 * SECOND }, 30 * SECOND)
    }

    fn heard(result: Result<u16, FailureKind>, held: bool) -> Heard {
        Heard { result, took: None, retry_after: None, held }
    }

    const GONE: Result<u16, FailureKind> = Err(FailureKind::Network);

    #[tokio::test]
    async fn five_failures_in_a_row_open_it_and_one_answer_closes_it() {
        let (mut host, now) = (host(), Instant::now());
        for _ in 0..4 {
            assert_eq!(host.heard(&heard(Ok(502), false), now, 0.0), None);
        }
        host.heard(&heard(Ok(404), false), now, 0.0);
        for _ in 0..4 {
            assert_eq!(host.heard(&heard(GONE, false), now, 0.0), None);
        }
        assert_eq!(host.heard(&heard(GONE, false), now, 0.0), Some(Change::Opened));
        assert_eq!(host.ready_at(now), now + SECOND);
        assert_eq!(host.heard(&heard(Ok(200), false), now, 0.0), Some(Change::Closed));
        assert_eq!(host.ready_at(now), now);
    }

    #[tokio::test]
    async fn one_try_at_a_time_at_growing_intervals() {
        let (mut host, mut now) = (host(), Instant::now());
        for _ in 0..5 {
            host.heard(&heard(GONE, false), now, 0.0);
        }
        for expected in [1, 2, 4, 8, 8] {
            let at = host.ready_at(now);
            assert_eq!(at, now + expected * SECOND);
            host.sent(at);
            // Nobody else until it is judged, or lost.
            assert_eq!(host.ready_at(at), at + 30 * SECOND);
            host.heard(&heard(GONE, false), at, 0.0);
            now = at;
        }
    }

    #[tokio::test]
    async fn many_polls_that_fail_together_are_a_restart_and_some_are_none() {
        let (mut host, now) = (host(), Instant::now());
        for _ in 0..30 {
            host.heard(&heard(Ok(200), true), now, 0.0);
        }
        for _ in 0..29 {
            assert_eq!(host.heard(&heard(GONE, true), now, 0.0), None);
        }
        let later = now + 10 * SECOND;
        let opened: Vec<_> = (0..10).map(|_| host.heard(&heard(GONE, true), later, 0.0)).collect();
        assert_eq!(opened.last(), Some(&Some(Change::Opened)));
    }

    #[tokio::test]
    async fn a_wait_that_was_asked_for_is_kept_and_bounded() {
        let (mut host, now) = (host(), Instant::now());
        let busy =
            |seconds| Heard { retry_after: Some(Duration::from_secs(seconds)), ..heard(Ok(429), true) };
        host.heard(&busy(20), now, 0.5);
        assert_eq!(host.ready_at(now), now + 21 * SECOND);
        host.heard(&busy(1), now, 0.0);
        assert_eq!(host.ready_at(now), now + 21 * SECOND);
        host.heard(&busy(1_000_000), now, 0.0);
        assert_eq!(host.ready_at(now), now + LONGEST_PAUSE);
        assert!(host.closed());
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_us_is_asked_seldom_and_polls_on_old_connections_do_not_change_that() {
        for refused in [Ok(407), Err(FailureKind::ProxyRefused)] {
            let (mut host, mut now) = (host(), Instant::now());
            assert_eq!(host.heard(&heard(refused, false), now, 0.0), None, "one may be a mishap");
            assert_eq!(host.heard(&heard(refused, true), now, 0.0), Some(Change::Opened));
            assert_eq!(host.heard(&heard(refused, false), now, 0.0), None, "it was on its way");
            for expected in [8, 16, 32, 64, 128, 256, 512, 600, 600] {
                assert_eq!(host.heard(&heard(Ok(200), true), now, 0.0), None);
                let at = host.ready_at(now);
                assert_eq!((at, host.barred_until()), (now + expected * SECOND, Some(at)));
                host.sent(at);
                assert_eq!(host.heard(&heard(refused, false), at, 0.0), None);
                now = at;
            }
            host.sent(host.ready_at(now));
            assert_eq!(host.heard(&heard(Ok(200), false), now, 0.0), Some(Change::Closed));
            assert_eq!((host.ready_at(now), host.barred_until()), (now, None));
            assert_eq!(host.heard(&heard(refused, false), now, 0.0), None, "from the beginning");
        }
    }
}
