//! Pause and resume, pardons, the brake, the beginning and end of a directory's fault: what operators do and see.
//!
//! Deliberately absent: who may ask for it (see `admin`).

use crate::base::time::Millis;
use crate::inbound::accounts::Accounts;
use crate::inbound::accounts::gate::{By, Pause, SiteGate, State};
use std::sync::Arc;
use tokio::time::Instant;

/// What an operator adds to a pause of the brake's.
const AS_WELL: &str = "; paused by an operator as well: ";

impl Accounts {
    /// A notification told that an agent was logged out of the last place where it was logged in.
    pub async fn logged_out(&self, agent: &str) {
        let disturbed = self.lock().brake.logged_out(agent, Instant::now());
        self.disturbed(disturbed).await;
    }

    /// An agent was read over REST. `out`: it was logged in before, and is nowhere now.
    pub async fn read(&self, agent: &str, out: bool) {
        let disturbed = self.lock().brake.read(agent, out, Instant::now());
        self.disturbed(disturbed).await;
    }

    /// So many agents were disturbed, where that is news.
    async fn disturbed(&self, agents: Option<usize>) {
        let pause = {
            let state = self.lock();
            let Some(count) = agents.filter(|count| *count > self.max_disturbed) else { return };
            if state.pause.is_some() {
                return;
            }
            let reason = format!(
                "{count} agents were seen logged out right after our own login or the end of our session (max_disturbed is {}): find out why, then resume",
                self.max_disturbed
            );
            Pause { by: By::Disturbed, reason, since: self.clock.now() }
        };
        tracing::error!(site = self.site, reason = pause.reason, "logins at this site have stopped");
        if let Err(error) = self.set_pause(pause).await {
            tracing::error!(site = self.site, %error, "the pause could not be written down: it ends with this process");
        }
    }

    /// Nobody logs in from now on, over restarts too, until [`Accounts::resume`]. Holds in this process even where it
    /// can not be written down. `reason` is shown, and must not be personal.
    pub async fn pause(&self, reason: &str) -> Result<(), Arc<crate::journal::Error>> {
        tracing::warn!(site = self.site, reason, "logins are paused by an operator");
        let mut pause = Pause { by: By::Operator, reason: reason.to_owned(), since: self.clock.now() };
        // The brake's finding is not to be lost by it: what an operator adds stands behind it.
        if let Some(brake) = self.lock().pause.clone().filter(|pause| pause.by == By::Disturbed) {
            let found = brake.reason.split(AS_WELL).next().unwrap_or_default();
            pause = Pause { reason: format!("{found}{AS_WELL}{reason}"), ..brake };
        }
        self.set_pause(pause).await
    }

    pub(super) async fn set_pause(&self, pause: Pause) -> Result<(), Arc<crate::journal::Error>> {
        let text = serde_json::to_string(&pause).unwrap_or_default();
        {
            let mut state = self.lock();
            state.pause = Some(pause);
            self.show(&state);
        }
        self.store.set_note(&self.pause_note(), Some(&text)).await
    }

    /// Ends a pause, an operator's or the brake's. Whether there was one.
    pub async fn resume(&self) -> Result<bool, Arc<crate::journal::Error>> {
        let was = {
            let mut state = self.lock();
            state.brake.reset();
            let was = state.pause.take().is_some();
            if was {
                // With a fault of the directory still there they wait again, for a canary.
                state.directory.wake();
            }
            self.show(&state);
            was
        };
        if was {
            tracing::info!(site = self.site, "logins are resumed by an operator");
        }
        self.store.set_note(&self.pause_note(), None).await?;
        Ok(was)
    }

    /// An operator asks to try a refused agent again, once. Whether its secret was marked as refused.
    pub async fn forgive(&self, agent: &str) -> Result<bool, Arc<crate::journal::Error>> {
        let account = {
            let mut state = self.lock();
            state.pardoned.insert(agent.to_owned());
            let account = state.book.clear(agent, self.clock.now());
            self.show(&state);
            account
        };
        self.verdicts.notify_waiters();
        let was = account.is_some();
        if let Some(account) = account {
            tracing::info!(site = self.site, agent, "an operator asked to try the refused agent again");
            self.store.set_account(account).await?;
        }
        Ok(was)
    }

    /// An operator asks to try every refused agent that is held again, once each. How many were marked.
    pub async fn forgive_all(&self) -> Result<usize, Arc<crate::journal::Error>> {
        let agents: Vec<String> = self.lock().book.refused().map(|(agent, _)| agent.clone()).collect();
        let mut pardoned = 0;
        for agent in agents {
            pardoned += usize::from(self.forgive(&agent).await?);
        }
        Ok(pardoned)
    }

    /// Whether and why logins wait.
    pub fn state(&self) -> SiteGate {
        self.lock().status()
    }

    /// Refused agents that are held, by the roster's key, with the reason and since when; in order.
    pub fn all_refused(&self) -> Vec<(String, String, Millis)> {
        let state = self.lock();
        let mut out: Vec<_> = state
            .book
            .refused()
            .map(|(agent, entry)| (agent.clone(), entry.reason.clone(), entry.at))
            .collect();
        out.sort();
        out
    }

    pub(super) async fn fault_began(&self) {
        tracing::error!(
            site = self.site,
            "many agents are refused whose passwords worked before: taken for a fault of the site's directory; nobody is marked, logins stop, one agent at a time probes"
        );
        self.verdicts.notify_waiters();
        self.news.notify_one();
        self.note_fault(Some("since this process or an earlier one")).await;
    }

    pub(super) async fn fault_is_over(&self) {
        self.lock().fault_since = None;
        tracing::info!(
            site = self.site,
            "a probing agent could log in: the site's directory works again, logins go on"
        );
        self.note_fault(None).await;
    }

    async fn note_fault(&self, value: Option<&str>) {
        self.show(&self.lock());
        if let Err(error) = self.store.set_note(&self.fault_note(), value).await {
            tracing::error!(site = self.site, %error, "the state of the directory could not be written down");
        }
    }

    pub(super) fn pause_note(&self) -> String {
        format!("pause/{}", self.site)
    }

    pub(super) fn fault_note(&self) -> String {
        format!("directory/{}", self.site)
    }

    pub(super) fn show(&self, state: &State) {
        let Some(metrics) = &self.metrics else { return };
        let site = self.site.as_str();
        let by = state.pause.as_ref().map(|pause| pause.by);
        for (reason, holds) in [
            ("operator", by == Some(By::Operator)),
            ("disturbed", by == Some(By::Disturbed)),
            ("directory", state.directory.fault()),
        ] {
            metrics.site_paused.with_label_values(&[site, reason]).set(i64::from(holds));
        }
        let refused = i64::try_from(state.book.refused().count()).unwrap_or(i64::MAX);
        metrics.accounts_refused.with_label_values(&[site]).set(refused);
    }
}
