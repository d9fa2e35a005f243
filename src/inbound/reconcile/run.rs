//! One reading of an agent's state over REST, and what is made of it.
//!
//! Logs first, then the states of the same conversations, then what a gap did to each of them. A state that was
//! decided upon while its GET was under way is read again. Deliberately absent: when to read (the session's loop
//! knows), and requests (`desk`).

use super::desk::{Desk, List, Log};
use super::events::{self, Touched};
use super::interactions::{self, Rows, Suspect};
use super::lists::{Me, Trouble};
use super::paging::{Had, Paging};
use crate::base::data::Recovered;
use crate::base::envelope::medium;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::base::time::Millis;
use crate::inbound::accounts::Accounts;
use crate::inbound::dedup::{Hole, Intake, Taken};
use crate::inbound::fleet::View;
use crate::inbound::normalise::{Candidate, Kinds, Says};
use crate::inbound::presence::Presence;
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Site;
use crate::journal::{Gap, Journal, Known};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a reading needs.
#[derive(Clone)]
pub struct Reader {
    pub site: Arc<Site>,
    pub site_name: Arc<str>,
    /// The roster's key.
    pub agent: String,
    pub group: Option<String>,
    /// Whom the server must answer for; stands in no message.
    pub username: String,
    pub transport: Arc<Transport>,
    pub intake: Intake,
    pub journal: Journal,
    pub view: Arc<View>,
    /// Who has to know when the agent is found logged out.
    pub accounts: Arc<Accounts>,
    pub presence: Arc<Presence>,
    pub clock: Clock,
    pub metrics: Metrics,
    /// Number of the HTTP session.
    pub epoch: u64,
}

/// Why a reading is made. `before`: what was known when the gap opened (the same rows as [`super::opened`] was
/// given), as live notifications raise the last known index before the reading begins. The log of one that does not
/// stand in it is read from its beginning.
#[derive(Clone, Debug)]
pub enum Occasion {
    /// After the first good connect of a new CometD session; the gap it closed, if there was one.
    NewSession { gap: Option<Gap>, before: Vec<Known> },
    /// Within a session, after a gap of certainty `possible`.
    Continued { gap: Gap, before: Vec<Known> },
    /// Every `reconcile_every`: `heard` is when the last notification came, `since` when the session began.
    Routine { since: Millis, heard: Option<Millis> },
    /// The log of a conversation has a hole: one transcript read.
    Hole(Hole),
}

/// What came of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// REST agrees with what is known; `open` says how many interactions are open.
    Agrees { open: usize },
    /// REST showed more than was known, and that went out.
    Repaired { events: usize, open: usize },
    /// A gap was closed with a part unread; the text says why. How the agent stands is not known.
    Partly { events: usize, why: String },
    /// REST showed changes, of these kinds, that a session with full coverage was never told of: published as silent.
    Silent { events: usize, kinds: Kinds },
    /// It could not be read; the text says why. Of a gap nothing was closed: the same occasion is to be read again.
    Unread(String),
    /// The HTTP session is no longer logged in; of a gap nothing was closed.
    LoggedOut,
}

/// Logs of one medium read in one reading; those beyond it are said to be not recovered.
const MAX_LOGS: usize = 500;
/// Readings of one resource until it is left.
const READINGS: usize = 3;
/// How long a notification may be under way after REST shows its change.
const GRACE: Duration = Duration::from_secs(5);

/// Reads, compares, publishes the difference. Cancel-safe: what was not stored is read again next time.
pub async fn reconcile(reader: &Reader, occasion: Occasion) -> Finding {
    reader.desk().read(occasion).await
}

impl Reader {
    pub(super) fn desk(&self) -> Desk<'_> {
        Desk {
            site: &self.site,
            site_name: &self.site_name,
            agent: &self.agent,
            group: self.group.as_deref(),
            username: &self.username,
            transport: &self.transport,
            intake: &self.intake,
            journal: &self.journal,
            clock: &self.clock,
            accounts: &self.accounts,
            presence: &self.presence,
            metrics: &self.metrics,
            epoch: self.epoch,
            grace: GRACE,
        }
    }
}

/// What a reading of everything came to.
#[derive(Default)]
struct Total {
    events: usize,
    open: usize,
    failed: Option<String>,
}

impl Desk<'_> {
    pub(super) async fn read(&self, occasion: Occasion) -> Finding {
        let result = match occasion {
            Occasion::Hole(hole) => self.hole(&hole).await,
            Occasion::Routine { heard, .. } => self.routine(heard).await,
            Occasion::NewSession { gap, before } => self.repair(gap.as_ref(), before).await,
            Occasion::Continued { gap, before } => self.repair(Some(&gap), before).await,
        };
        match result {
            Ok(finding) => finding,
            Err(Trouble::LoggedOut) => Finding::LoggedOut,
            Err(Trouble::Missing) => {
                Finding::Unread("GET /api/v2/me: HTTP 404: no GWS at base_url".to_owned())
            }
            Err(Trouble::Failed { text, .. }) => Finding::Unread(text),
        }
    }

    async fn hole(&self, hole: &Hole) -> Result<Finding, Trouble> {
        let Some(medium) = events::conversation(&hole.medium) else {
            return Ok(Finding::Agrees { open: 0 });
        };
        let paging = Paging::hole(hole.from, hole.to);
        let Log { had, trouble } = self.log(None, (medium, &hole.interaction), paging, true).await?;
        match trouble {
            // It may pass, and how often it is tried is bounded.
            Some(failed @ Trouble::Failed { .. }) => return Err(failed),
            Some(Trouble::LoggedOut) => return Err(Trouble::LoggedOut),
            // The server knows no such log any more, or it holds what can not be taken: no reading mends that.
            None if had.whole && had.highest.is_none_or(|highest| highest < hole.to) => {
                let text = format!("the log of a {medium} ends before what is missing of it");
                return Err(Trouble::Failed { text, again: true });
            }
            _ if !had.whole => {
                let recovered = if had.events > 0 { Recovered::Partly } else { Recovered::No };
                self.unfilled(hole, recovered).await?;
            }
            _ => {}
        }
        // One log does not say that all agrees.
        Ok(Finding::Repaired { events: had.events, open: 1 })
    }

    async fn repair(&self, gap: Option<&Gap>, before: Vec<Known>) -> Result<Finding, Trouble> {
        let total = self.whole(gap, before).await?;
        Ok(match total {
            // A gap is closed with the verdict that it was not recovered; without one nothing is lost by waiting.
            Total { failed: Some(text), .. } if gap.is_none() => Finding::Unread(text),
            Total { events, failed: Some(why), .. } => Finding::Partly { events, why },
            Total { events: 0, open, failed: None } => Finding::Agrees { open },
            Total { events, open, failed: None } => Finding::Repaired { events, open },
        })
    }

    /// Reads everything and stores what it shows.
    async fn whole(&self, gap: Option<&Gap>, before: Vec<Known>) -> Result<Total, Trouble> {
        let me = self.me().await?;
        let known = interactions::rows(self.known().await?);
        let before = interactions::rows(before);
        let mut total = Total { events: self.agent_state(&me).await?, ..Total::default() };
        let mut closing: Vec<(Recovered, Candidate)> = Vec::new();
        let mut read: BTreeSet<(&'static str, String)> = BTreeSet::new();
        for medium in medium::CONVERSATIONS {
            let list = self.list(medium, &me).await?;
            // What had ended by then was heard to its end.
            let since = gap.map(|gap| gap.opened);
            let ids = interactions::concerned(medium, &before, &known, &list.ids, since);
            for (position, id) in ids.iter().enumerate() {
                let last = interactions::row(&before, medium, id).and_then(|row| row.last_index);
                let Log { had, trouble } = match position {
                    0..MAX_LOGS => {
                        self.log(list.segment.as_deref(), (medium, id), Paging::from(last), true).await?
                    }
                    _ => Log::default(),
                };
                // What is refused for good would be asked for without an end.
                let failed = trouble.filter(Trouble::passing).and_then(Trouble::text);
                total.failed = total.failed.or(failed);
                total.events += had.events;
                closing.extend(gap.map(|gap| self.closing(gap, (medium, id), last, &had, list.answered)));
            }
            read.extend(ids.into_iter().map(|id| (*medium, id)));
            let failed = list.failed.clone();
            let (events, open) = self.states(medium, list, &known).await?;
            total.events += events;
            total.open += open;
            total.failed = total.failed.or(failed);
        }
        if let Some(text) = &total.failed {
            tracing::warn!(agent = self.agent, "not everything could be read again: {text}");
        }
        if let Some(gap) = gap {
            let unread = interactions::unread(&known, gap.opened);
            closing.extend(unread.into_iter().map(|(medium, id)| {
                let touched = Touched { medium, id, last_before: None, first_after: None };
                let (config, now, verdict) = (&self.site.config, self.now(), Recovered::No);
                (verdict, events::interaction_gap(config, self.agent, now, gap, &touched, Some(verdict)))
            }));
            let known = interactions::rows(self.known().await?);
            let late = interactions::late(&known, gap.opened, &read);
            closing.extend(late.into_iter().map(|of| {
                let last = interactions::row(&before, of.0, of.1).and_then(|row| row.last_index);
                self.closing(gap, of, last, &Had::default(), true)
            }));
        }
        if !closing.is_empty() {
            self.close(closing).await?;
        }
        Ok(total)
    }

    /// Stores the ends of a gap, counted once however often the gap is read again.
    async fn close(&self, closing: Vec<(Recovered, Candidate)>) -> Result<(), Trouble> {
        let (verdicts, closing): (Vec<Recovered>, Vec<Candidate>) = closing.into_iter().unzip();
        if self.store(closing, None).await?.forwarded > 0 {
            for verdict in verdicts {
                events::count(self.metrics, self.site_name, verdict, 1);
            }
        }
        Ok(())
    }

    fn closing(
        &self,
        gap: &Gap,
        (medium, id): (&'static str, &str),
        last_before: Option<i64>,
        had: &Had,
        answered: bool,
    ) -> (Recovered, Candidate) {
        let touched = Touched { medium, id, last_before, first_after: had.first_after };
        let recovered: Recovered = interactions::verdict(answered, had, last_before.is_some());
        let (config, now) = (&self.site.config, self.now());
        (recovered, events::interaction_gap(config, self.agent, now, gap, &touched, Some(recovered)))
    }

    /// Stores devices and channels; gives the number of events.
    async fn agent_state(&self, me: &(Taken, Me)) -> Result<usize, Trouble> {
        let (mut taken, mut candidates) = (me.0, self.agent_states(&me.1));
        let mut events = 0;
        for reading in 1..=READINGS {
            if candidates.is_empty() {
                break;
            }
            let keys: Vec<_> = candidates.iter().map(|one| one.resource).collect();
            let stored = self.store(std::mem::take(&mut candidates), Some(taken)).await?;
            events += stored.forwarded;
            let stale: Vec<_> = stored.stale.iter().filter_map(|at| keys.get(*at).copied()).collect();
            if stale.is_empty() || reading == READINGS {
                break;
            }
            let again = self.me().await?;
            taken = again.0;
            candidates = self.agent_states(&again.1);
            candidates.retain(|one| stale.contains(&one.resource));
        }
        Ok(events)
    }

    /// Stores a medium's states, and what has ended unseen; gives the numbers of events and of open interactions.
    async fn states(
        &self,
        medium: &'static str,
        mut list: List,
        known: &Rows,
    ) -> Result<(usize, usize), Trouble> {
        let mut events = 0;
        let mut wanted: Option<Vec<_>> = None;
        let mut open = 0;
        for reading in 1..=READINGS {
            let mut candidates = std::mem::take(&mut list.candidates);
            open = if list.answered { open_in(&candidates) } else { open_known(medium, known) };
            if list.answered {
                let gone = interactions::missing(medium, known, &list.ids).into_iter();
                let ended = |row| events::ended_unseen(&self.site.config, self.agent, self.now(), row);
                candidates.extend(gone.filter_map(ended));
            }
            if let Some(wanted) = &wanted {
                candidates.retain(|one| wanted.contains(&one.resource));
            }
            if candidates.is_empty() {
                break;
            }
            let keys: Vec<_> = candidates.iter().map(|one| one.resource).collect();
            let stored = self.store(candidates, Some(list.taken)).await?;
            events += stored.forwarded;
            if stored.stale.is_empty() || reading == READINGS {
                break;
            }
            wanted = Some(stored.stale.iter().filter_map(|at| keys.get(*at).copied()).collect());
            let me = if list.segment.is_some() { (list.taken, Me::default()) } else { self.me().await? };
            list = self.list(medium, &me).await?;
        }
        Ok((events, open))
    }

    /// Compares, waits until what is under way has come, and publishes what still differs.
    async fn routine(&self, heard: Option<Millis>) -> Result<Finding, Trouble> {
        let before = interactions::rows(self.known().await?);
        let (suspects, first) = self.look(&before).await?;
        let mut silent = BTreeMap::new();
        if !suspects.is_empty() {
            tokio::time::sleep(self.grace).await;
            silent = interactions::unheard(&suspects, &interactions::rows(self.known().await?));
        }
        if silent.is_empty() {
            return Ok(match first.failed {
                Some(text) => Finding::Unread(text),
                None => Finding::Agrees { open: first.open },
            });
        }
        let total = self.whole(None, self.known().await?).await?;
        tracing::warn!(
            agent = self.agent,
            "REST shows changes that this session was never told of: it is silent"
        );
        let kinds = Kinds::of(silent.keys().map(String::as_str));
        let event = events::silent(&self.site.config, self.agent, self.now(), heard, silent);
        self.store(vec![event], None).await?;
        Ok(Finding::Silent { events: total.events, kinds })
    }

    /// Reads without storing anything: where REST shows more than is known.
    async fn look(&self, rows: &Rows) -> Result<(Vec<Suspect>, Total), Trouble> {
        let me = self.me().await?;
        let mut suspects: Vec<Suspect> = Vec::new();
        let mut total = Total::default();
        suspects.extend(self.agent_states(&me.1).iter().filter_map(|seen| interactions::differs(rows, seen)));
        for medium in medium::CONVERSATIONS {
            let list = self.list(medium, &me).await?;
            suspects.extend(list.candidates.iter().filter_map(|seen| interactions::differs(rows, seen)));
            total.open += if list.answered { open_in(&list.candidates) } else { open_known(medium, rows) };
            let suspect = |row: &Known| (medium.to_string(), row.id.clone(), Some(row.clone()));
            if list.answered {
                suspects.extend(interactions::missing(medium, rows, &list.ids).into_iter().map(suspect));
            }
            // A log of which nothing was told yet is told when the agent accepts.
            let told = list.ids.iter().filter_map(|id| interactions::row(rows, medium, id));
            for row in told.filter(|row| row.last_index.is_some()) {
                let paging = Paging::from(row.last_index);
                let log = self.log(list.segment.as_deref(), (medium, &row.id), paging, false).await?;
                if log.had.first_after.is_some() {
                    suspects.push(suspect(row));
                }
                total.failed = total.failed.or_else(|| log.trouble.and_then(Trouble::text));
            }
            total.failed = total.failed.or(list.failed);
        }
        Ok((suspects, total))
    }
}

/// Open interactions among those listed: what says nothing of its state is open.
fn open_in(candidates: &[Candidate]) -> usize {
    let ended = |one: &&Candidate| {
        one.sight.as_ref().is_some_and(|sight| matches!(sight.says, Says::State { open: Some(false), .. }))
    };
    candidates.iter().filter(|one| !ended(one)).count()
}

fn open_known(medium: &'static str, rows: &Rows) -> usize {
    rows.values().filter(|row| row.open && events::medium_of(row) == Some(medium)).count()
}
