//! What nobody will read any more, told in the order of the interactions it touched: nothing is lost silently.
//!
//! Said twice it is one event. Deliberately absent: when a reading is given up (the session's upkeep knows).

use super::desk::Desk;
use super::events;
use super::lists::Trouble;
use super::run::Reader;
use crate::base::data::Recovered;
use crate::base::time::Millis;
use crate::inbound::dedup::Hole;
use crate::inbound::normalise::Candidate;
use crate::inbound::settings::SiteConfig;
use crate::journal::{Gap, Known};

/// A reading that is not made any more.
#[derive(Clone, Debug)]
pub enum Lost {
    /// What a gap touched, as it was known when that opened.
    Gap(Gap, Vec<Known>),
    Hole(Hole),
}

/// Publishes that these are not recovered; where that fails, it is to be done again.
pub async fn give_up(reader: &Reader, lost: &[Lost]) -> Result<(), String> {
    match reader.desk().give_up(lost).await {
        Ok(()) => Ok(()),
        Err(Trouble::Failed { text, .. }) => Err(text),
        Err(Trouble::LoggedOut | Trouble::Missing) => Err("not stored".to_owned()),
    }
}

/// What is published of a hole that nobody will read any more.
pub fn lost_hole(site: &SiteConfig, agent: &str, now: Millis, hole: &Hole) -> Option<Candidate> {
    events::unfilled(site, agent, now, hole, Recovered::No)
}

impl Desk<'_> {
    pub(super) async fn give_up(&self, lost: &[Lost]) -> Result<(), Trouble> {
        let (config, now) = (&self.site.config, self.now());
        let mut candidates = Vec::new();
        for one in lost {
            match one {
                Lost::Gap(gap, before) => {
                    candidates.extend(events::abandoned(config, self.agent, now, gap, before));
                }
                Lost::Hole(hole) => {
                    candidates.extend(lost_hole(config, self.agent, now, hole));
                }
            }
        }
        let holes = lost.iter().filter(|one| matches!(one, Lost::Hole(_))).count();
        let gaps = lost.len() - holes;
        tracing::warn!(
            agent = self.agent,
            gaps,
            holes,
            "could not be read again over REST and is given up: published as not recovered"
        );
        if candidates.is_empty() {
            return Ok(());
        }
        let stored = self.store(candidates, None).await?;
        events::count(self.metrics, self.site_name, Recovered::No, stored.forwarded);
        Ok(())
    }

    /// What is said of a hole that was read as far as it goes, and is not filled.
    pub(super) async fn unfilled(&self, hole: &Hole, recovered: Recovered) -> Result<(), Trouble> {
        let candidate = events::unfilled(&self.site.config, self.agent, self.now(), hole, recovered);
        let stored = self.store(candidate.into_iter().collect(), None).await?;
        if stored.forwarded > 0 {
            events::count(self.metrics, self.site_name, recovered, 1);
        }
        tracing::warn!(
            agent = self.agent,
            medium = hole.medium,
            "a part of a conversation's log can not be read over REST: published as a gap"
        );
        Ok(())
    }
}
