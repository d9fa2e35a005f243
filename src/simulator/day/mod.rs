//! The busy day of a scenario: who comes when, who says what, and when a fault strikes.
//!
//! One queue of events ordered by their moment; all that is left to chance comes from two generators of the seed,
//! one for the day and one for the faults, in the order of the events. So a seed gives one sequence, however fast
//! the machine is. Deliberately absent: what an act does (see `world`), what a fault does (see `strike`).

use super::faults::Fault;
use super::hub::Hub;
use super::scenario::Scenario;
use super::world::{Item, Kind, Note, Place, Readiness, Speaker, World, item};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(10);
/// Events between two looks at the lock, so that a fast day lets requests through.
const AT_ONCE: usize = 200;
/// How long an agent thinks before answering an invitation, on average, in seconds of the day.
const ANSWER: f64 = 5.0;
const LOOK: Duration = Duration::from_millis(50);

#[derive(Clone, Debug)]
enum Event {
    /// A customer comes.
    Arrive,
    /// Some agent's state changes.
    State,
    /// The invited agent answers; in the place of another one, where it is a transfer.
    Answer {
        id: Arc<str>,
        agent: usize,
        instead_of: Option<usize>,
        turns: u32,
    },
    Turn {
        id: Arc<str>,
        left: u32,
    },
    /// A consulted agent goes again.
    Depart {
        id: Arc<str>,
        agent: usize,
    },
    Fault(usize),
}

/// What an event brought about.
#[derive(Debug)]
pub enum Done {
    Notes(Vec<Note>),
    Faults(Vec<Fault>),
}

/// The events to come. Moments are milliseconds of the clock since the day began.
#[derive(Debug)]
pub struct Day {
    scenario: Arc<Scenario>,
    queue: BTreeMap<(u64, u64), Event>,
    entered: u64,
    chance: fastrand::Rng,
    mischief: fastrand::Rng,
}

impl Day {
    pub fn new(scenario: Arc<Scenario>) -> Day {
        let seed = scenario.seed;
        let mut day = Day {
            queue: BTreeMap::new(),
            entered: 0,
            chance: fastrand::Rng::with_seed(seed),
            mischief: fastrand::Rng::with_seed(seed ^ 0x9e37_79b9_7f4a_7c15),
            scenario,
        };
        day.arrival(0);
        day.state_change(0);
        for number in 0..day.scenario.faults.len() {
            day.fault(number, None);
        }
        day
    }

    /// When the next event is due; the day is over where there is none.
    pub fn due(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Does the next event; `epoch` is when the day began.
    pub fn step(&mut self, world: &mut World, epoch: Timestamp) -> Option<Done> {
        let ((now, _), event) = self.queue.pop_first()?;
        let since = SignedDuration::from_millis(i64::try_from(now).unwrap_or_default());
        let at = epoch.checked_add(since).unwrap_or(epoch);
        Some(match event {
            Event::Arrive => Done::Notes(self.arrive(world, now, at)),
            Event::State => Done::Notes(self.change_state(world, now, at)),
            Event::Answer { id, agent, instead_of, turns } => {
                Done::Notes(self.answer(world, now, at, (&id, agent, instead_of, turns)))
            }
            Event::Turn { id, left } => Done::Notes(self.turn(world, now, at, &id, left)),
            Event::Depart { id, agent } => Done::Notes(world.leave(&id, agent, at)),
            Event::Fault(number) => Done::Faults(self.strike(now, number)),
        })
    }

    fn enter(&mut self, due: u64, event: Event) {
        self.entered += 1;
        self.queue.insert((due, self.entered), event);
    }

    /// A moment after `now`: `mean` seconds of the day later on average.
    fn later(&mut self, now: u64, mean: f64) -> u64 {
        let millis = -(1.0 - self.chance.f64()).ln() * mean * 1_000.0 / self.scenario.day.speed;
        now + whole(millis).max(1)
    }

    /// The mean seconds between events that come so often an hour for each agent.
    fn mean(&self, per_hour: f64) -> Option<f64> {
        let all = per_hour * self.scenario.agents.0 as f64;
        (all > 0.0).then(|| 3_600.0 / all)
    }

    fn arrival(&mut self, now: u64) {
        let Some(mean) = self.mean(self.scenario.day.conversations_per_hour) else { return };
        let due = self.later(now, mean);
        self.before_evening(due, Event::Arrive);
    }

    fn state_change(&mut self, now: u64) {
        let Some(mean) = self.mean(self.scenario.day.states_per_hour) else { return };
        let due = self.later(now, mean);
        self.before_evening(due, Event::State);
    }

    fn before_evening(&mut self, due: u64, event: Event) {
        let day = &self.scenario.day;
        let end = day.length.map(|length| whole(length.0.as_secs_f64() * 1_000.0 / day.speed));
        if end.is_none_or(|end| due <= end) {
            self.enter(due, event);
        }
    }

    fn arrive(&mut self, world: &mut World, now: u64, at: Timestamp) -> Vec<Note> {
        self.arrival(now);
        let medium = self.scenario.day.media.pick(&mut self.chance);
        let Some(agent) = self.free_agent(world, &[]) else { return Vec::new() };
        let (fewest, most) = self.scenario.day.messages;
        let turns = self.chance.u32(fewest..=most);
        let (id, notes) = world.begin(medium, agent, at);
        let due = self.later(now, ANSWER);
        self.enter(due, Event::Answer { id, agent, instead_of: None, turns });
        notes
    }

    /// An agent who can take one more, not of `but`; nobody where a few draws find none.
    fn free_agent(&mut self, world: &World, but: &[usize]) -> Option<usize> {
        let most = self.scenario.day.max_open;
        (0..8).find_map(|_| {
            let agent = self.chance.usize(..world.agents().max(1));
            (world.open(agent).len() < most && !but.contains(&agent)).then_some(agent)
        })
    }

    fn change_state(&mut self, world: &mut World, now: u64, at: Timestamp) -> Vec<Note> {
        self.state_change(now);
        let agent = self.chance.usize(..world.agents().max(1));
        let place = match self.chance.bool() {
            true => Place::Device,
            false => Place::Channel(self.scenario.day.media.pick(&mut self.chance)),
        };
        let state = match world.state(agent, place) {
            Readiness::Ready => Readiness::NotReady,
            Readiness::NotReady | Readiness::LoggedOut => Readiness::Ready,
        };
        world.set_state(agent, place, state, at)
    }

    fn answer(
        &mut self,
        world: &mut World,
        now: u64,
        at: Timestamp,
        (id, agent, instead_of, turns): (&Arc<str>, usize, Option<usize>, u32),
    ) -> Vec<Note> {
        if self.chance.u32(..20) == 0 {
            return world.revoke(id, agent, at);
        }
        let mut notes = world.accept(id, agent, at);
        if notes.is_empty() {
            return notes;
        }
        if turns > 0 {
            let due = self.later(now, self.scenario.day.pause.0.as_secs_f64());
            self.enter(due, Event::Turn { id: Arc::clone(id), left: turns });
        } else if let Some(other) = instead_of {
            notes.extend(world.leave(id, other, at));
        } else {
            notes.extend(
                world.say(id, Item { internal: true, ..item(Kind::Text, Speaker::Agent(agent), at) }),
            );
            let due = self.later(now, self.scenario.day.pause.0.as_secs_f64());
            self.enter(due, Event::Depart { id: Arc::clone(id), agent });
        }
        notes
    }

    fn turn(&mut self, world: &mut World, now: u64, at: Timestamp, id: &Arc<str>, left: u32) -> Vec<Note> {
        let present = world.present(id);
        let Some(first) = present.first().copied() else { return Vec::new() };
        if left == 0 {
            return world.complete(id, at);
        }
        let due = self.later(now, self.scenario.day.pause.0.as_secs_f64());
        self.enter(due, Event::Turn { id: Arc::clone(id), left: left - 1 });
        let drawn = self.chance.f64();
        let (transfer, consult) = (self.scenario.day.transfer, self.scenario.day.consult);
        if drawn < transfer + consult {
            let Some(agent) = self.free_agent(world, &present) else { return Vec::new() };
            let notes = world.invite(id, agent);
            let instead_of = (drawn < transfer).then_some(first);
            let due = self.later(now, ANSWER);
            self.enter(due, Event::Answer { id: Arc::clone(id), agent, instead_of, turns: 0 });
            return notes;
        }
        self.speak(world, at, id, &present)
    }

    fn speak(&mut self, world: &mut World, at: Timestamp, id: &str, present: &[usize]) -> Vec<Note> {
        let speaker = match self.chance.bool() {
            true => Speaker::Customer,
            false => present
                .get(self.chance.usize(..present.len().max(1)))
                .map_or(Speaker::Customer, |agent| Speaker::Agent(*agent)),
        };
        let mut notes = Vec::new();
        if self.chance.f64() < self.scenario.day.typing {
            notes.extend(world.say(id, item(Kind::TypingStarted, speaker, at)));
        }
        let kind = match self.chance.u32(..40) {
            0 => Kind::Notice,
            1 => Kind::PushUrl,
            2 => Kind::TypingStopped,
            3 => {
                notes.extend(world.attach(id));
                return notes;
            }
            _ => Kind::Text,
        };
        notes.extend(world.say(id, item(kind, speaker, at)));
        notes
    }

    /// Enters a fault's next moment; `now` is missing at the beginning.
    fn fault(&mut self, number: usize, now: Option<u64>) {
        let Some(plan) = self.scenario.faults.get(number) else { return };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let due = match (plan.at, plan.rate_per_minute, now) {
            (Some(at), _, None) => millis(at),
            (None, Some(rate), now) => {
                let wait = -(1.0 - self.mischief.f64()).ln() * 60_000.0 / rate;
                now.unwrap_or(millis(plan.from)) + whole(wait).max(1)
            }
            _ => return,
        };
        if plan.until.is_none_or(|until| due <= millis(until)) {
            self.enter(due, Event::Fault(number));
        }
    }

    fn strike(&mut self, now: u64, number: usize) -> Vec<Fault> {
        self.fault(number, Some(now));
        let Some(plan) = self.scenario.faults.get(number) else { return Vec::new() };
        plan.strike(self.scenario.agents.0, &mut self.mischief)
    }
}

/// Plays the day until it is dropped; a paused day stands still.
pub async fn run(hub: Arc<Hub>, scenario: Arc<Scenario>) {
    while hub.state().ledger.covered_users(hub.options.users.len()) < scenario.day.wait_for_sessions {
        tokio::time::sleep(LOOK).await;
    }
    let mut day = Day::new(scenario);
    let (epoch, mut last, mut clock) = (Timestamp::now(), Instant::now(), Duration::ZERO);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let passed = last.elapsed();
        last += passed;
        if hub.state().paused {
            continue;
        }
        clock += passed;
        let now = u64::try_from(clock.as_millis()).unwrap_or(u64::MAX);
        while day.due().is_some_and(|due| due <= now) {
            play(&hub, &mut day, now, epoch);
            tokio::task::yield_now().await;
        }
        hub.state().day_over = day.due().is_none();
    }
}

/// Some events at one look at the lock; faults take it themselves.
fn play(hub: &Hub, day: &mut Day, now: u64, epoch: Timestamp) {
    for _ in 0..AT_ONCE {
        if day.due().is_none_or(|due| due > now) {
            return;
        }
        let faults = {
            let mut state = hub.state();
            let Some(mut world) = state.world.take() else { return };
            let done = day.step(&mut world, epoch);
            state.world = Some(world);
            match done {
                Some(Done::Notes(notes)) => {
                    state.publish_notes(notes);
                    Vec::new()
                }
                Some(Done::Faults(faults)) => faults,
                None => Vec::new(),
            }
        };
        for fault in faults {
            // Refused only where too many wait already for requests that do not come.
            if hub.fault(fault).is_err() {
                hub.state().stats.faults_refused += 1;
            }
        }
    }
}

/// A count of milliseconds without its fraction.
fn whole(millis: f64) -> u64 {
    Duration::try_from_secs_f64(millis / 1_000.0)
        .map_or(u64::MAX / 4, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4))
}

#[cfg(test)]
mod tests;
