//! CometD in: one session per agent, from login to the committed batch.
//!
//! `hold` is the one loop per session and the ONLY place that lets the next connect, which is the
//! acknowledgement, go out: it sends what the pure machine says, and the machine says so only after
//! `Committed`. Deliberately absent: any knowledge of sinks.

pub mod accounts;
pub mod batch;
mod carry;
pub mod checkpoint;
pub mod dedup;
pub mod fleet;
mod ledger;
mod login;
pub mod normalise;
mod notes;
pub mod passwords;
pub mod pilot;
mod presence;
pub mod quarantine;
pub mod reconcile;
pub mod roster;
mod sending;
pub mod session;
pub mod settings;
pub mod site;
mod storing;
mod upkeep;
pub mod users;

use crate::base::metrics::Metrics;
use crate::base::retry::Backoff;
use crate::base::seal::Sealer;
use crate::base::time::Clock;
use crate::inbound::accounts::Accounts;
use crate::inbound::carry::Held;
use crate::inbound::checkpoint::Past;
use crate::inbound::dedup::Intake;
use crate::inbound::fleet::View;
use crate::inbound::quarantine::Quarantine;
use crate::inbound::roster::Agent;
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Input, Moment, Rules};
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::Site;
use crate::journal::Journal;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What one session needs.
pub struct Session {
    pub site: Arc<Site>,
    pub accounts: Arc<Accounts>,
    pub agent: Agent,
    pub intake: Intake,
    pub journal: Journal,
    pub view: Arc<View>,
    pub clock: Clock,
    pub metrics: Metrics,
    /// What an earlier process left of it.
    pub past: Box<Past>,
    pub sealer: Option<Arc<Sealer>>,
    /// Where replies that can not be read are kept.
    pub quarantine: Arc<Quarantine>,
    /// The agent is to be held no longer: unlike a stop this says farewell to the server.
    pub leave: CancellationToken,
}

impl Session {
    /// Its name in the journal.
    fn name(&self) -> String {
        checkpoint::session_name(&self.site.config.name, &self.agent.key)
    }
}

/// Holds one agent's session until told to stop or to leave.
pub async fn hold(mut session: Session, stop: CancellationToken) {
    let mut machine = Machine::new(rules(&session.site.config), std::mem::take(&mut session.past.before));
    let mut held = Held::new(session, stop);
    Box::pin(held.recall()).await;
    let mut input = Input::Start;
    loop {
        let moment = Moment { now: held.session.clock.now(), random: fastrand::f64() };
        let (next, actions) = machine.step(moment, input);
        machine = next;
        match held.carry_out(&machine, actions).await {
            Some(next) => input = next,
            None => break,
        }
    }
    held.mark(&machine);
}

fn rules(config: &SiteConfig) -> Rules {
    Rules {
        channels: config.channels.clone(),
        network_delay: config.network_delay,
        backoff: Backoff { initial: Duration::from_secs(1), max: config.max_backoff },
        server_window: config.server_window,
        ask_window: config.ask_window,
        stall_hold: config.stall_hold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl Fn(Session, CancellationToken) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn a_session_at_rest_takes_little_memory() {
        let bytes = size(hold);
        assert!(bytes <= 6 * 1024, "the future of a session takes {bytes} bytes");
    }
}
