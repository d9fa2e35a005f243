//! One agent's reading under way: requests at the site's pace, what they gave as candidates, and storing it.
//!
//! A GET that may go well later is tried again a few times; a reading waits for nothing else. Deliberately absent:
//! what is read, and in which order (`run`).

use super::fetch::{Patience, Wanted, fetch};
use super::lists::{self, Me, Trouble};
use super::paging::{Had, Paging};
use crate::base::envelope::id_segment;
use crate::base::metrics::Metrics;
use crate::base::time::{Clock, Millis};
use crate::inbound::accounts::Accounts;
use crate::inbound::dedup::{Batch, Intake, Stored, Taken};
use crate::inbound::normalise::{Candidate, Context, snapshot};
use crate::inbound::presence::{Presence, state_of};
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Site;
use crate::journal::{Journal, Known};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Patience = Patience {
    waits: &[Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)],
    longest: Duration::from_secs(60),
};

/// What a reading works with.
pub(super) struct Desk<'a> {
    pub(super) site: &'a Site,
    pub(super) site_name: &'a Arc<str>,
    pub(super) agent: &'a str,
    pub(super) group: Option<&'a str>,
    pub(super) username: &'a str,
    pub(super) transport: &'a Transport,
    pub(super) intake: &'a Intake,
    pub(super) journal: &'a Journal,
    pub(super) clock: &'a Clock,
    pub(super) accounts: &'a Accounts,
    pub(super) presence: &'a Presence,
    pub(super) metrics: &'a Metrics,
    pub(super) epoch: u64,
    /// How long a notification may be under way after REST shows its change.
    pub(super) grace: Duration,
}

/// A medium's list as it was read.
pub(super) struct List {
    pub(super) taken: Taken,
    /// The collection's name in the path, where the list itself was answered.
    pub(super) segment: Option<String>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) ids: BTreeSet<String>,
    /// Whole and proper: what is not in it is not there.
    pub(super) answered: bool,
    /// Why it could not be read; absent where there is no such list here.
    pub(super) failed: Option<String>,
}

/// A log as it was read.
#[derive(Default)]
pub(super) struct Log {
    pub(super) had: Had,
    /// Why it was not read to its end; `Missing` where the server knows no such log.
    pub(super) trouble: Option<Trouble>,
}

/// One page of a log.
struct Page {
    taken: Taken,
    indices: Vec<Option<i64>>,
    candidates: Vec<Candidate>,
    bytes: usize,
}

impl Desk<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            site: &self.site.config,
            agent: self.agent,
            users: &self.site.users,
            received: self.clock.now(),
        }
    }

    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// A GET that went well, with the moment it left. `what` names it in messages.
    async fn get(&self, path: &str, what: &str, me: bool) -> Result<(Taken, Box<RawValue>), Trouble> {
        let wanted = Wanted { path, what, me };
        fetch((self.site, self.transport), wanted, &PATIENCE, || self.intake.now()).await
    }

    /// The user's own resource; it must be this agent's.
    pub(super) async fn me(&self) -> Result<(Taken, Me), Trouble> {
        let (taken, body) = self.get("/api/v2/me?subresources=*", "GET /api/v2/me", true).await?;
        let me = lists::me(&body);
        match me.user_name {
            Some(_) if me.is(self.username) => {
                let states = self.agent_states(&me).iter().filter_map(state_of).collect();
                let out = self.presence.shown_out(states, me.whole());
                self.accounts.read(self.agent, out).await;
                Ok((taken, me))
            }
            Some(_) => {
                tracing::warn!(
                    agent = self.agent,
                    "the server answered for another user; its HTTP session is given up"
                );
                Err(Trouble::LoggedOut)
            }
            None => Err(Trouble::Failed { text: "GET /api/v2/me names no user".to_owned(), again: false }),
        }
    }

    /// Devices and channels out of the user's resource.
    pub(super) fn agent_states(&self, me: &Me) -> Vec<Candidate> {
        me.agent_states(&self.context())
    }

    /// A medium's list: by its plural, else by its singular, else as it stands in the user's own resource.
    pub(super) async fn list(&self, medium: &'static str, me: &(Taken, Me)) -> Result<List, Trouble> {
        let what = format!("the list of {medium}");
        for segment in [format!("{medium}s"), medium.to_owned()] {
            let path = format!("/api/v2/me/{segment}?fields=*");
            match self.get(&path, &what, false).await {
                Ok((taken, body)) => {
                    let found = lists::list(&body, medium);
                    let failed = found.is_none().then(|| format!("{what}: the reply holds no such list"));
                    return Ok(List { failed, ..self.listed(medium, taken, Some(segment), found) });
                }
                Err(Trouble::Missing) => {}
                Err(Trouble::Failed { text, .. }) => {
                    return Ok(List { failed: Some(text), ..self.listed(medium, me.0, None, None) });
                }
                Err(Trouble::LoggedOut) => return Err(Trouble::LoggedOut),
            }
        }
        Ok(self.listed(medium, me.0, None, me.1.embedded(medium)))
    }

    fn listed(
        &self,
        medium: &'static str,
        taken: Taken,
        segment: Option<String>,
        found: Option<Vec<Box<RawValue>>>,
    ) -> List {
        let cx = self.context();
        let limit = self.site.config.max_message_bytes;
        let made = found.iter().flatten().map(|json| {
            let fits = json.get().len() as u64 <= limit;
            fits.then(|| snapshot::conversation(&cx, medium, json)).flatten()
        });
        let made: Vec<Option<Candidate>> = made.collect();
        // One that can not be named could be any: then nothing is said to be missing.
        let answered = found.is_some() && made.iter().all(Option::is_some);
        let candidates: Vec<Candidate> = made.into_iter().flatten().collect();
        let ids =
            candidates.iter().filter_map(|one| one.sight.as_ref().map(|sight| sight.id.clone())).collect();
        List { taken, segment, candidates, ids, answered, failed: None }
    }

    async fn page(&self, segment: &str, of: (&'static str, &str), query: &str) -> Result<Page, Trouble> {
        let (medium, id) = of;
        let path = format!("/api/v2/me/{segment}/{}/messages?{query}", id_segment(id));
        let what = format!("the log of a {medium}");
        let (taken, body) = self.get(&path, &what, false).await?;
        let Some(items) = lists::messages(&body) else {
            return Err(Trouble::Failed {
                text: format!("{what}: the reply holds no messages"),
                again: false,
            });
        };
        let cx = self.context();
        let fits = |json: &RawValue| json.get().len() as u64 <= self.site.config.max_message_bytes;
        let indices = items.iter().map(|(index, json)| index.filter(|_| fits(json))).collect();
        let fitting = items.iter().filter(|(_, json)| fits(json));
        let made = fitting.filter_map(|(_, json)| snapshot::item(&cx, medium, id, json));
        Ok(Page { taken, indices, candidates: made.collect(), bytes: body.get().len() })
    }

    /// Reads the log of a conversation page by page; `store` says whether what it shows goes out.
    pub(super) async fn log(
        &self,
        segment: Option<&str>,
        of: (&'static str, &str),
        mut paging: Paging,
        store: bool,
    ) -> Result<Log, Trouble> {
        let mut trouble = Some(Trouble::Missing);
        // A segment of dots would lead out of the collection.
        if of.1.bytes().all(|byte| byte == b'.') {
            return Ok(Log { had: paging.had, trouble });
        }
        let plural = format!("{}s", of.0);
        let mut segments: Vec<&str> = segment.map_or_else(|| vec![plural.as_str(), of.0], |one| vec![one]);
        while let Some(segment) = segments.first().copied() {
            match self.page(segment, of, &paging.query()).await {
                Ok(page) => {
                    segments.truncate(1);
                    trouble = None;
                    let more = paging.take(&page.indices, page.bytes);
                    if store {
                        paging.had.events += self.store(page.candidates, Some(page.taken)).await?.forwarded;
                    }
                    if !more || !store {
                        break;
                    }
                }
                Err(Trouble::Missing) => {
                    segments.remove(0);
                    paging.failed();
                    trouble = Some(Trouble::Missing);
                }
                Err(Trouble::LoggedOut) => return Err(Trouble::LoggedOut),
                Err(Trouble::Failed { text, again }) => {
                    tracing::debug!(agent = self.agent, "{text}");
                    paging.failed();
                    trouble = Some(Trouble::Failed { text, again });
                    break;
                }
            }
        }
        Ok(Log { had: paging.had, trouble })
    }

    /// Hands candidates in and waits for the commit.
    pub(super) async fn store(
        &self,
        candidates: Vec<Candidate>,
        taken: Option<Taken>,
    ) -> Result<Stored, Trouble> {
        let empty = Batch::of(self.site_name, self.agent, self.group, self.epoch);
        let batch = Batch { candidates, taken, ..empty };
        let stored = self.intake.store(batch).await;
        stored.map_err(|error| Trouble::Failed { text: error.to_string(), again: false })
    }

    /// What is known of this session's resources now.
    pub(super) async fn known(&self) -> Result<Vec<Known>, Trouble> {
        let session = crate::inbound::checkpoint::session_name(self.site_name, self.agent);
        let known = self.journal.known(&session).await;
        known.map_err(|error| Trouble::Failed { text: error.to_string(), again: false })
    }
}
