//! Who may send next: one budget, queues by errand, hosts that may be left alone for a while.
//!
//! Order among those who may leave: what keeps something alive, polls that ask whether a session lives, what was begun
//! (handshakes, subscriptions), then new logins. Where the last one that asked at a host did so in vain, the others come
//! after all that: what they would save is gone, and who knows that it is gone has to come back. Every fourth turn it is
//! the other way round, so that none of them starves. Readings go when nobody else can. First come, first served within
//! an errand. A waiter who has left is passed over and costs no turn. Pure but for the handing over: every function is
//! told the time. Deliberately absent: timers, and what becomes of a poll's turn (see `asking`).

use crate::base::retry::Backoff;
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::breaker::{Asked, Change, Host, Verdict, verdict};
use crate::inbound::site::pace::{Giving, Pace};
use crate::inbound::site::{Errand, Heard};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use url::{Origin, Url};

/// Failures for so long, and no answer in between, are an outage of the site.
const OUTAGE: Duration = Duration::from_secs(30);
/// One or two failures are none.
const OUTAGE_FAILURES: u32 = 3;
/// Readings get this share of the budget, and a turn every two seconds at least.
const READ_SHARE: f64 = 0.2;
const READ_LEAST: f64 = 0.5;
/// See [`Gate::crowded`].
const LONG_TURN: Duration = Duration::from_millis(500);
/// Queues are swept of those who left when they have grown to this, or to twice what the last sweep left.
const SWEEP: usize = 256;
/// Hosts known: base URLs, groups and roster lines name them. Beyond it new ones share the budget only.
const MAX_HOSTS: usize = 4_096;

/// Which host a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// The one in use now, whichever it is when the request leaves.
    Current,
    Host(usize),
    /// Not asked whether the host is there: a probe finds out.
    Anyway,
}

pub struct Gate {
    pub(super) all: Pace,
    logins: Pace,
    reads: Pace,
    giving: Giving,
    hosts: Vec<Host>,
    known: HashMap<Origin, usize>,
    backoff: Backoff,
    patience: Duration,
    /// The base URLs' hosts, in order of preference.
    bases: Vec<usize>,
    /// Place in `bases`.
    current: usize,
    lanes: Vec<(To, [VecDeque<Waiter>; ERRANDS.len()])>,
    tickets: u64,
    turns: u64,
    waiting: usize,
    sweep_at: usize,
    settle: Duration,
    settled_at: Option<Instant>,
    failing: Option<(Instant, u32)>,
}

struct Waiter {
    ticket: u64,
    go: oneshot::Sender<Instant>,
}

/// What one exchange changed: for the log and the metrics.
#[derive(Debug, Default, PartialEq)]
pub struct Changed {
    pub host: Option<Change>,
    /// From and to, places among the base URLs.
    pub moved: Option<(usize, usize)>,
    /// An outage ended; logins wait so long.
    pub settling: Option<Duration>,
    /// The host asked for this pause.
    pub paused: bool,
}

impl Gate {
    pub fn new(config: &SiteConfig, now: Instant) -> Gate {
        let rate = f64::from(config.requests_per_second.max(1));
        let mut gate = Gate {
            all: Pace::new(rate),
            logins: Pace::new(f64::from(config.logins_per_second.max(1))),
            reads: Pace::new((rate * READ_SHARE).max(READ_LEAST)),
            giving: Giving::new(config.logins_per_second, now),
            hosts: Vec::new(),
            known: HashMap::new(),
            backoff: Backoff { initial: Duration::from_secs(1), max: config.max_backoff },
            patience: config.connect_timeout + config.network_delay,
            bases: Vec::new(),
            current: 0,
            lanes: Vec::new(),
            tickets: 0,
            turns: 0,
            waiting: 0,
            sweep_at: SWEEP,
            settle: config.settle_after_outage,
            settled_at: None,
            failing: None,
        };
        gate.bases = config.base_urls.iter().filter_map(|url| gate.host(url)).collect();
        gate
    }

    /// The number of a URL's host (scheme, name and port); new ones are noted.
    pub fn host(&mut self, url: &Url) -> Option<usize> {
        let origin = url.origin();
        if let Some(known) = self.known.get(&origin) {
            return Some(*known);
        }
        let number = self.hosts.len();
        if number >= MAX_HOSTS {
            return None;
        }
        self.hosts.push(Host::new(self.backoff, self.patience));
        self.known.insert(origin, number);
        Some(number)
    }

    /// Place among the base URLs of the one in use.
    pub fn current(&self) -> usize {
        self.current
    }

    /// Whether new logins go elsewhere because this one of the base URLs counts as gone.
    pub fn left(&mut self, place: usize) -> bool {
        let host = self.bases.get(place).and_then(|host| self.hosts.get(*host));
        place != self.current && host.is_some_and(|host| !host.closed())
    }

    /// Places of the base URLs that are not in use and whose host counts as gone, but is not in a pause.
    pub fn to_probe(&self, now: Instant) -> Vec<usize> {
        let gone = |host: &usize| {
            let host = self.hosts.get(*host);
            let over = |until: Option<Instant>| until.is_none_or(|until| until <= now);
            host.is_some_and(|host| !host.closed() && over(host.paused_until()) && over(host.barred_until()))
        };
        let places = self.bases.iter().enumerate();
        places.filter(|(place, host)| *place != self.current && gone(host)).map(|(place, _)| place).collect()
    }

    /// Hosts that count as gone.
    pub fn open_breakers(&self) -> usize {
        self.hosts.iter().filter(|host| !host.closed()).count()
    }

    pub fn login_rate(&mut self, now: Instant) -> f64 {
        self.giving.rate(now)
    }

    /// Whether a connect would wait for its turn longer than a poll that is held for a moment takes. Logins and readings
    /// that wait for paces of their own do not count.
    pub fn crowded(&self, now: Instant) -> bool {
        let before = |errand| {
            let queues = self.lanes.iter().filter_map(|(_, queues)| queues.get(place(errand)));
            queues.map(VecDeque::len).sum::<usize>()
        };
        let ahead = [Errand::Open, Errand::Poll, Errand::KeepAlive].map(before).iter().sum();
        self.all.ready_at(now).saturating_duration_since(now) + self.all.time_of(ahead) >= LONG_TURN
    }

    /// The host of this URL, where it is known.
    pub(super) fn host_mut(&mut self, url: &Url) -> Option<&mut Host> {
        self.host(url).and_then(|number| self.hosts.get_mut(number))
    }

    /// Queues up; the receiver is told when the request may leave, and when that was.
    pub fn enter(&mut self, errand: Errand, to: To) -> oneshot::Receiver<Instant> {
        if self.waiting >= self.sweep_at {
            self.sweep();
        }
        let (go, told) = oneshot::channel();
        self.tickets += 1;
        let waiter = Waiter { ticket: self.tickets, go };
        if !self.lanes.iter().any(|(lane, _)| *lane == to) {
            self.lanes.push((to, Default::default()));
        }
        let lane = self.lanes.iter_mut().find(|(lane, _)| *lane == to);
        if let Some(queue) = lane.and_then(|(_, queues)| queues.get_mut(place(errand))) {
            queue.push_back(waiter);
            self.waiting += 1;
        }
        told
    }

    fn sweep(&mut self) {
        let queues = self.lanes.iter_mut().flat_map(|(_, queues)| queues.iter_mut());
        self.waiting = queues
            .map(|queue| {
                queue.retain(|waiter| !waiter.go.is_closed());
                queue.len()
            })
            .sum();
        self.sweep_at = (self.waiting * 2).max(SWEEP);
    }

    /// Lets all go whose time has come: their errands, and when the next may go (`None`: nobody waits).
    pub fn pump(&mut self, now: Instant) -> (Vec<Errand>, Option<Instant>) {
        let mut gone = Vec::new();
        loop {
            match self.next(now) {
                Next::Nobody => return (gone, None),
                Next::At(at) => return (gone, Some(at)),
                Next::Now { lane, errand } => {
                    if self.let_go(lane, errand, now) {
                        gone.push(errand);
                    }
                }
            }
        }
    }

    fn next(&mut self, now: Instant) -> Next {
        let all = self.all.ready_at(now);
        let rate = self.giving.rate(now);
        self.logins.set(rate, now);
        let login = self.settled_at.map_or(now, |at| at.max(now)).max(self.logins.ready_at(now));
        let read = self.reads.ready_at(now);
        let current = self.bases.get(self.current).copied();
        let mut earliest: Option<Instant> = None;
        let other_way_round = self.turns % 4 == 3;
        // Who comes first, of those who may go now.
        let mut chosen: Option<((u8, u64), usize, Errand)> = None;
        let mut left = 0;
        for (lane, (to, queues)) in self.lanes.iter_mut().enumerate() {
            let host = match to {
                To::Anyway => None,
                To::Current => current,
                To::Host(number) => Some(*number),
            };
            let host = host.and_then(|number| self.hosts.get(number));
            let in_vain = host.and_then(Host::asked) == Some(Asked::InVain);
            let host = host.map_or(now, |host| host.ready_at(now));
            for (queue, errand) in queues.iter_mut().zip(ERRANDS) {
                while queue.front().is_some_and(|waiter| waiter.go.is_closed()) {
                    queue.pop_front();
                    left += 1;
                }
                let Some(first) = queue.front() else { continue };
                let own = match errand {
                    Errand::Login => login,
                    Errand::Read => read,
                    Errand::Open | Errand::Poll | Errand::KeepAlive => now,
                };
                let at = host.max(all).max(own);
                let order = (order(errand, in_vain, other_way_round), first.ticket);
                if at <= now && chosen.is_none_or(|(before, ..)| order < before) {
                    chosen = Some((order, lane, errand));
                }
                earliest = Some(earliest.map_or(at, |before| before.min(at)));
            }
        }
        self.waiting = self.waiting.saturating_sub(left);
        match (chosen, earliest) {
            (Some((_, lane, errand)), _) => Next::Now { lane, errand },
            (None, Some(at)) => Next::At(at),
            (None, None) => Next::Nobody,
        }
    }

    fn let_go(&mut self, lane: usize, errand: Errand, now: Instant) -> bool {
        let Some((to, queues)) = self.lanes.get_mut(lane) else { return false };
        let Some(waiter) = queues.get_mut(place(errand)).and_then(VecDeque::pop_front) else { return false };
        let to = *to;
        self.waiting = self.waiting.saturating_sub(1);
        if waiter.go.send(now).is_err() {
            return false;
        }
        self.turns += 1;
        self.all.take(now);
        match errand {
            Errand::Login => self.logins.take(now),
            Errand::Read => self.reads.take(now),
            Errand::Open | Errand::Poll | Errand::KeepAlive => {}
        }
        let host = match to {
            To::Current => self.bases.get(self.current).copied(),
            To::Host(number) => Some(number),
            To::Anyway => None,
        };
        if let Some(host) = host.and_then(|number| self.hosts.get_mut(number)) {
            host.sent(now);
        }
        true
    }

    /// Told of every exchange; `random` is in `0.0..1.0`.
    pub fn heard(&mut self, url: &Url, heard: &Heard, now: Instant, random: f64) -> Changed {
        let mut changed = Changed::default();
        let verdict = verdict(heard);
        if matches!(heard.result, Ok(429 | 503)) {
            self.giving.overloaded(now);
        } else if let Some(took) = heard.took.filter(|_| verdict == Verdict::There) {
            self.giving.answered(took, now);
        }
        changed.settling = self.outage(verdict, now, random);
        if let Some(host) = self.host_mut(url) {
            let before = host.paused_until();
            changed.host = host.heard(heard, now, random);
            changed.paused = host.paused_until() != before;
        }
        if changed.host.is_some() {
            let there = |host: &usize| self.hosts.get(*host).is_some_and(Host::closed);
            // Where none is there it is not left: moving is for a host that answers.
            let best = self.bases.iter().position(there).unwrap_or(self.current);
            if best != self.current {
                changed.moved = Some((self.current, best));
                self.current = best;
            }
        }
        changed
    }

    /// The end of an outage of the whole site is the first answer after failures for long enough.
    fn outage(&mut self, verdict: Verdict, now: Instant, random: f64) -> Option<Duration> {
        match verdict {
            Verdict::Failed | Verdict::Barred => {
                let (_, count) = self.failing.get_or_insert((now, 0));
                *count = count.saturating_add(1);
                None
            }
            Verdict::Busy => None,
            Verdict::There => {
                let (since, count) = self.failing.take()?;
                let long = now.saturating_duration_since(since) >= OUTAGE;
                if !long || count < OUTAGE_FAILURES || self.settle.is_zero() {
                    return None;
                }
                let wait = self.settle.mul_f64(1.0 + random / 10.0);
                self.settled_at = Some(now + wait);
                Some(wait)
            }
        }
    }
}

enum Next {
    Nobody,
    At(Instant),
    Now { lane: usize, errand: Errand },
}

/// By place among a lane's queues.
const ERRANDS: [Errand; 5] = [Errand::KeepAlive, Errand::Poll, Errand::Open, Errand::Login, Errand::Read];

fn place(errand: Errand) -> usize {
    match errand {
        Errand::KeepAlive => 0,
        Errand::Poll => 1,
        Errand::Open => 2,
        Errand::Login => 3,
        Errand::Read => 4,
    }
}

/// The lowest goes first.
fn order(errand: Errand, asked_in_vain: bool, other_way_round: bool) -> u8 {
    let usual = match errand {
        Errand::KeepAlive => 0,
        Errand::Poll if !asked_in_vain => 1,
        Errand::Open => 2,
        Errand::Login => 3,
        Errand::Poll => 4,
        Errand::Read => return 5,
    };
    if other_way_round { 4 - usual } else { usual }
}
