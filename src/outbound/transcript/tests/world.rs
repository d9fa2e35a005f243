//! A conversation in a small contact centre, and what a bridge hears of it that holds some of the agents and is blind
//! at times.

use super::{event, gap, item, state};
use crate::base::envelope::{Event, Origin};
use serde_json::json;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Invite(usize),
    Accept(usize),
    /// Taken back, or rejected by every other one.
    Revoke(usize),
    Say(usize),
    Leave(usize),
    /// The customer goes, or comes back, while agents are there.
    Depart,
    Return,
    /// The last item's index is used again.
    Change,
    /// It is over for all.
    Complete,
}

impl Act {
    pub(super) fn of((agent, what): (usize, u8)) -> Act {
        match what {
            0..=3 => Act::Invite(agent),
            4..=7 => Act::Accept(agent),
            8 | 9 => Act::Revoke(agent),
            10 | 11 => Act::Leave(agent),
            12 => Act::Complete,
            13 | 14 => Act::Depart,
            15 => Act::Return,
            16 => Act::Change,
            _ => Act::Say(agent),
        }
    }
}

/// An agent's session is blind over so many notifications from that one on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    agent: usize,
    from: usize,
    count: usize,
    certain: bool,
    read_again: bool,
}

impl Loss {
    pub(super) fn of((agent, from, count, how): (usize, usize, usize, u8)) -> Loss {
        Loss { agent, from, count, certain: how & 1 == 0, read_again: how & 2 == 0 }
    }
}

/// What one agent's session is told.
#[derive(Clone)]
enum Told {
    State(&'static str),
    Items(usize, usize),
    Again(usize),
}

pub(super) struct World {
    /// Kind and author of each item.
    items: Vec<(&'static str, String)>,
    told: Vec<(usize, Told)>,
    pub(super) log: usize,
}

impl World {
    pub(super) fn play(acts: &[Act]) -> World {
        let mut world =
            World { items: vec![("ParticipantJoined", "c".to_owned())], told: Vec::new(), log: 0 };
        let (mut invited, mut present) = (BTreeSet::new(), BTreeSet::new());
        let (mut began, mut customer) = (false, true);
        for act in acts {
            match *act {
                Act::Invite(agent) if !present.contains(&agent) && invited.insert(agent) => {
                    began = true;
                    world.told.push((agent, Told::State("Invited")));
                    // A word that is not documented, at every other one.
                    if agent % 2 == 1 {
                        world.told.push((agent, Told::State("Alerting")));
                    }
                }
                Act::Accept(agent) if invited.remove(&agent) => {
                    present.insert(agent);
                    world.told.push((agent, Told::State("Chatting")));
                    world.items.push(("ParticipantJoined", format!("p{agent}")));
                    let last = world.items.len();
                    world.told.push((agent, Told::Items(1, last)));
                    world.tell(present.iter().filter(|one| **one != agent), last);
                }
                Act::Revoke(agent) if invited.remove(&agent) => {
                    let word = if agent % 2 == 1 { "Completed" } else { "Revoked" };
                    world.told.push((agent, Told::State(word)))
                }
                Act::Say(agent) if present.contains(&agent) => {
                    world.say(&present, "Text", format!("p{agent}"))
                }
                Act::Leave(agent) if present.contains(&agent) => {
                    world.say(&present, "ParticipantLeft", format!("p{agent}"));
                    world.told.push((agent, Told::State("Completed")));
                    present.remove(&agent);
                }
                Act::Complete if began => {
                    if customer {
                        world.say(&present, "ParticipantLeft", "c".to_owned());
                    }
                    world.told.extend(present.iter().map(|agent| (*agent, Told::State("Completed"))));
                    world.told.extend(invited.iter().map(|agent| (*agent, Told::State("Revoked"))));
                    world.log = world.items.len();
                    return world;
                }
                other => world.besides(other, &present, &mut customer),
            }
            if began && present.is_empty() && invited.is_empty() {
                break;
            }
        }
        world.log = world.items.len();
        world
    }

    /// What none of the agents does who are there.
    fn besides(&mut self, act: Act, present: &BTreeSet<usize>, customer: &mut bool) {
        match act {
            _ if present.is_empty() => {}
            Act::Depart if *customer => {
                *customer = false;
                self.say(present, "ParticipantLeft", "c".to_owned());
            }
            Act::Return if !*customer => {
                *customer = true;
                self.say(present, "ParticipantRejoined", "c".to_owned());
            }
            Act::Change => {
                let last = self.items.len();
                self.told.extend(present.iter().map(|agent| (*agent, Told::Again(last))));
            }
            _ => {}
        }
    }

    fn say(&mut self, present: &BTreeSet<usize>, kind: &'static str, from: String) {
        self.items.push((kind, from));
        self.tell(present.iter(), self.items.len());
    }

    fn tell<'a>(&mut self, agents: impl Iterator<Item = &'a usize>, from: usize) {
        let last = self.items.len();
        self.told.extend(agents.map(|agent| (*agent, Told::Items(from, last))));
    }

    /// What comes out of the bridge: each item once, gaps where they are noticed, and what is read after them.
    pub(super) fn told(&self, held: &[bool], losses: &[Loss]) -> Vec<Event> {
        let mut out = Out { items: &self.items, seen: BTreeSet::new(), events: Vec::new() };
        let mut open = [None::<usize>; 4];
        let mut blind: [Option<usize>; 4] = [None; 4];
        let mut truth = [None::<&'static str>; 4];
        for (number, (agent, told)) in self.told.iter().enumerate() {
            if let Told::State(state) = told {
                truth[*agent] = Some(state);
            }
            for one in (0..4).filter(|one| held[*one]) {
                let loss = losses.iter().position(|loss| {
                    loss.agent == one && (loss.from..loss.from + loss.count).contains(&number)
                });
                match (blind[one], loss) {
                    (None, Some(loss)) => {
                        blind[one] = Some(loss);
                        if open[one].is_some() {
                            out.gap(one, loss, losses[loss], None);
                        }
                    }
                    (Some(loss), None) => {
                        out.repair(one, loss, losses[loss], &mut open, truth[one], self.known(number));
                        blind[one] = None;
                    }
                    _ => {}
                }
            }
            if held[*agent] && blind[*agent].is_none() {
                out.notified(*agent, told, &mut open);
            }
        }
        for one in (0..4).filter(|one| held[*one]) {
            if let Some(loss) = blind[one] {
                out.repair(one, loss, losses[loss], &mut open, truth[one], self.log);
            }
        }
        out.events
    }

    /// How long the log was when this notification was about to come.
    fn known(&self, number: usize) -> usize {
        let before = self.told.iter().take(number).filter_map(|(_, told)| match told {
            Told::Items(_, to) => Some(*to),
            Told::State(_) | Told::Again(_) => None,
        });
        before.max().unwrap_or(1)
    }
}

struct Out<'a> {
    items: &'a [(&'static str, String)],
    seen: BTreeSet<usize>,
    events: Vec<Event>,
}

impl Out<'_> {
    fn notified(&mut self, agent: usize, told: &Told, open: &mut [Option<usize>; 4]) {
        match told {
            Told::State(word) => {
                open[agent] = (!["Completed", "Revoked"].contains(word)).then_some(agent);
                self.events.push(state(&name(agent), word));
            }
            Told::Items(from, to) => self.log(agent, *from, *to),
            Told::Again(index) if self.seen.contains(index) => {
                self.events.push(super::again(item(&name(agent), *index as i64, "Text", "c")))
            }
            // Only the second content is seen then.
            Told::Again(index) => self.log(agent, *index, *index),
        }
    }

    fn log(&mut self, agent: usize, from: usize, to: usize) {
        for index in from..=to {
            if self.seen.insert(index) {
                let (kind, author) = &self.items[index - 1];
                self.events.push(item(&name(agent), index as i64, kind, author));
            }
        }
    }

    fn gap(&mut self, agent: usize, id: usize, loss: Loss, recovered: Option<&str>) {
        let certainty = if loss.certain { "certain" } else { "possible" };
        self.events.push(gap(&name(agent), &format!("g{id}"), certainty, recovered));
    }

    /// The session is covered again: where it can, it reads the state and the log up to `last`.
    fn repair(
        &mut self,
        agent: usize,
        id: usize,
        loss: Loss,
        open: &mut [Option<usize>; 4],
        truth: Option<&'static str>,
        last: usize,
    ) {
        let was_open = open[agent].is_some();
        let listed = truth.filter(|state| ["Invited", "Alerting", "Chatting"].contains(state));
        match listed {
            Some(state) if loss.read_again => {
                open[agent] = Some(agent);
                self.events.push(Event { origin: Origin::Snapshot, ..super::state(&name(agent), state) });
                let whole = state == "Chatting";
                if whole {
                    self.log(agent, 1, last);
                }
                self.gap(agent, id, loss, Some(if whole { "yes" } else { "partly" }));
            }
            Some(_) => {
                open[agent] = Some(agent);
                self.gap(agent, id, loss, Some("no"));
            }
            None if was_open => {
                open[agent] = None;
                let data = json!({"interactionId": "1", "agent": name(agent)});
                self.events.push(event("ended_unseen", Some(&name(agent)), &data));
                self.gap(agent, id, loss, Some("no"));
            }
            None => {}
        }
    }
}

fn name(agent: usize) -> String {
    format!("{agent}")
}
