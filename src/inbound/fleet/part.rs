//! Parting with an agent: what its sessions left open is closed, so that no consumer waits for ever.
//!
//! Nobody will read anything for it any more, so nothing of it is recovered. Deliberately absent: when this is due
//! (only after its session has left).

use super::Maker;
use crate::base::data::Recovered;
use crate::inbound::checkpoint::{self, session_name};
use crate::inbound::dedup::{Batch, NotStored};
use crate::inbound::reconcile;
use crate::journal::{self, Checkpoint};

/// How an agent is parted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It was taken off the roster: what is known of it is forgotten, but for a secret that was refused.
    ForGood,
    /// It stood in no roster when the service started, which may be a mistake: since when nobody listens is kept.
    Closing,
}

/// Why an agent could not be parted with; the next start tries again.
#[derive(Debug, thiserror::Error)]
pub enum Unparted {
    #[error(transparent)]
    Unread(#[from] journal::Error),
    #[error(transparent)]
    Unstored(#[from] NotStored),
}

impl Maker {
    /// Closes an agent's open gaps, in one step with forgetting it where that is wanted.
    pub async fn part(&self, site: &str, agent: &str, how: Parting) -> Result<(), Unparted> {
        let Some(door) = self.fleet.door(site) else { return Ok(()) };
        let (name, config, now) = (session_name(site, agent), &door.site.config, self.clock.now());
        let mut gaps = self.journal.gaps(Some(&name), true, usize::MAX).await?;
        gaps.reverse();
        let known = self.journal.known(&name).await?;
        let found = self.journal.checkpoint(&name).await?;
        let past = found.map(|found| checkpoint::read(&found, None)).unwrap_or_default();
        let (mut candidates, mut touched) = (Vec::new(), Vec::new());
        for gap in &mut gaps {
            gap.to = Some(now);
            candidates.extend(reconcile::closed(config, agent, now, gap, &self.journal));
            touched.extend(reconcile::abandoned(config, agent, now, gap, &known));
        }
        for (gap, before) in &past.unread {
            touched.extend(reconcile::abandoned(config, agent, now, gap, before));
        }
        touched.extend(past.holes.iter().filter_map(|hole| reconcile::lost_hole(config, agent, now, hole)));
        let interactions = touched.len();
        candidates.append(&mut touched);
        let forgotten = Checkpoint { session: name, body: String::new() };
        let checkpoint = (how == Parting::ForGood).then_some(forgotten);
        if !candidates.is_empty() || checkpoint.is_some() {
            let empty = Batch::of(&door.name, agent, past.group.as_deref(), 0);
            let batch = Batch { candidates, gaps, checkpoint, ..empty };
            self.intake.store(batch).await?;
        }
        reconcile::count(&self.metrics, site, Recovered::No, interactions);
        if how == Parting::ForGood {
            door.accounts.held(agent, false);
        }
        Ok(())
    }
}
