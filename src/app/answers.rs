//! What the admin API is answered: agents, rosters, pauses, dead letters, completeness, erasing.
//!
//! Nothing secret or personal: agents by their roster's key. Deliberately absent: who may ask (`admin`).

use crate::admin::{Question, Refusal};
use crate::app::rosters::Rosters;
use crate::app::{completeness, erase, letters};
use crate::inbound::checkpoint::session_name;
use crate::inbound::fleet::{AgentStatus, Asked, Door, Fleet, OpenGap, Span, Standing, open_gaps, timeline};
use crate::inbound::roster::Change;
use crate::journal::Journal;
use crate::outbound::settings::SinkConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Open gaps looked at for a list of agents: more than there are agents in a roster.
const OPEN_GAPS: usize = 200_000;
/// Gaps of one agent's timeline; older ones are left out.
const TIMELINE: usize = 1_000;
/// Keys listed of a change; of more only the number is said.
const LISTED: usize = 1_000;

/// Everything the answers are made of.
#[derive(Clone)]
pub struct Answers {
    pub journal: Journal,
    pub fleet: Fleet,
    pub rosters: Rosters,
    pub sinks: Arc<[SinkConfig]>,
    /// How long the journal keeps closed gaps.
    pub keep_gaps: Duration,
    pub state_dir: Arc<Path>,
}

/// One agent with its timeline.
#[derive(Serialize, Deserialize)]
pub struct Detail {
    #[serde(flatten)]
    pub status: AgentStatus,
    /// Oldest first.
    pub timeline: Vec<Span>,
}

/// A change with at most [`LISTED`] keys of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// See [`Change::id`]: of all of it.
    pub id: String,
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
    pub added_count: usize,
    pub removed_count: usize,
    pub changed_count: usize,
}

impl From<Change> for Shown {
    fn from(mut change: Change) -> Shown {
        let id = change.id();
        let counts = [change.added.len(), change.removed.len(), change.changed.len()];
        for keys in [&mut change.added, &mut change.removed, &mut change.changed] {
            keys.truncate(LISTED);
        }
        let [added_count, removed_count, changed_count] = counts;
        let Change { added, removed, changed } = change;
        Shown { id, added, removed, changed, added_count, removed_count, changed_count }
    }
}

type Answer = Result<Value, Refusal>;

impl Answers {
    pub async fn answer(&self, question: Question) -> Answer {
        match question {
            question @ (Question::DeadLetters { .. }
            | Question::CountLetters { .. }
            | Question::ShowLetter { .. }
            | Question::Redrive { .. }
            | Question::Purge { .. }) => letters::answer(question, &self.journal, &self.sinks).await,
            Question::Agents { site, standing, after, limit } => {
                self.agents(site, standing, after, limit).await
            }
            Question::Agent { agent, site } => self.agent(&agent, site.as_deref()).await,
            Question::Retry { agent, site } => self.retry(&agent, site.as_deref()).await,
            Question::RetryAll { site } => {
                let agents = self.door(&site)?.accounts.forgive_all().await.map_err(unavailable)?;
                tracing::info!(site, agents, "an operator asks to try all refused agents again");
                let done = format!("{agents} refused agents are tried again, once each");
                Ok(json!({"site": site, "agents": agents, "done": done}))
            }
            Question::Pause { site, reason } => {
                self.door(&site)?.accounts.pause(&reason).await.map_err(unavailable)?;
                let done = "no agent logs in until it is resumed; sessions that stand go on";
                Ok(json!({"site": site, "done": done}))
            }
            Question::Resume { site } => {
                self.door(&site)?.accounts.resume().await.map_err(unavailable)?;
                Ok(json!({"site": site, "done": "agents log in again"}))
            }
            Question::Roster { site } => self.roster(&site),
            Question::RosterDiff { site, csv } => self.compare(site, csv).await,
            Question::RosterReload { site } => {
                self.door(&site)?;
                let change = self.rosters.reload(&site).await.unwrap_or_default();
                self.roster_after(&site, change)
            }
            Question::RosterAccept { site, change } => {
                self.door(&site)?;
                match self.rosters.accept(&site, change).await {
                    Some(Ok(change)) => self.roster_after(&site, change),
                    Some(Err(why)) => Err(Refusal::Invalid(why)),
                    None => Err(unavailable("the rosters are not watched now; try again")),
                }
            }
            Question::Erase { erase: asked } => {
                erase::in_the_daemon(asked, &self.journal, &self.sinks, &self.state_dir).await
            }
            Question::Completeness { day, site, after, limit } => {
                self.completeness(&day, site.as_deref(), after, limit).await
            }
            Question::Erased => json_of(erase::erased(&self.journal).await?),
            Question::Explain { .. } => {
                Err(Refusal::NotFound("this release does not answer that yet".to_owned()))
            }
        }
    }

    async fn retry(&self, agent: &str, site: Option<&str>) -> Answer {
        let status = self.one(agent, site, &HashMap::new())?;
        let marked = self.door(&status.site)?.accounts.forgive(agent).await.map_err(unavailable)?;
        // An answer for another user stands like a refusal, and is no mark.
        let refused = marked || status.standing == Standing::Refused.as_str();
        if refused {
            tracing::info!(site = status.site, agent, "an operator asks to try this agent again");
        }
        let done = retried(refused, &status.standing);
        Ok(json!({"site": status.site, "agent": agent, "done": done}))
    }

    async fn agents(
        &self,
        site: Option<String>,
        standing: Option<String>,
        after: Option<String>,
        limit: usize,
    ) -> Answer {
        if let Some(site) = &site {
            self.door(site)?;
        }
        let standing = match standing {
            None => None,
            Some(word) => Some(Standing::parse(&word).ok_or_else(|| {
                let words = Standing::ALL.map(Standing::as_str).join(", ");
                Refusal::Invalid(format!("standing: one of {words}"))
            })?),
        };
        let gaps = open_gaps(self.journal.gaps(None, true, OPEN_GAPS).await.map_err(unavailable)?);
        let (agents, next) = self.fleet.agents(&Asked { site, standing, after, limit }, &gaps);
        Ok(json!({"agents": json_of(agents)?, "next": next}))
    }

    async fn agent(&self, agent: &str, site: Option<&str>) -> Answer {
        let found = self.one(agent, site, &HashMap::new())?;
        let session = session_name(&found.site, agent);
        let gaps = self.journal.gaps(Some(&session), false, TIMELINE).await.map_err(unavailable)?;
        let seen = self.door(&found.site)?.seen(agent);
        let (began, good) = seen.map_or((None, None), |seen| (seen.connected, seen.good));
        // Of what was before, gaps are kept no longer: nobody can say that it was covered.
        let kept = i64::try_from(self.keep_gaps.as_millis()).unwrap_or(i64::MAX);
        let began = began.map(|began| began.max(good.unwrap_or(began) - kept));
        let timeline = timeline(&gaps, began, good);
        let status = self.one(agent, Some(&found.site), &open_gaps(gaps))?;
        json_of(Detail { status, timeline })
    }

    async fn completeness(&self, day: &str, site: Option<&str>, after: i64, limit: usize) -> Answer {
        if let Some(site) = site {
            self.door(site)?;
        }
        completeness::page(&self.journal, day, site, after, limit).await
    }

    /// The one agent that is meant.
    fn one(
        &self,
        agent: &str,
        site: Option<&str>,
        gaps: &HashMap<String, OpenGap>,
    ) -> Result<AgentStatus, Refusal> {
        if let Some(site) = site {
            self.door(site)?;
        }
        let mut found = self.fleet.agent(agent, site, gaps);
        let shown: String = agent.chars().take(200).collect();
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(last), false) => {
                let mut sites: Vec<String> = found.into_iter().map(|status| status.site).collect();
                sites.push(last.site);
                let sites = sites.join(", ");
                Err(Refusal::Invalid(format!(
                    "agent {shown} stands in several rosters; name the site: {sites}"
                )))
            }
            (None, _) => Err(Refusal::NotFound(format!(
                "agent {shown} is not held here; the key is the roster's column agent, and an excluded line is not held"
            ))),
        }
    }

    fn door(&self, site: &str) -> Result<&Door, Refusal> {
        self.fleet.door(site).ok_or_else(|| {
            let names: Vec<&str> = self.fleet.doors().iter().map(|door| &*door.name).collect();
            let shown: String = site.chars().take(64).collect();
            Refusal::NotFound(format!("no such site: {shown}; there are: {}", names.join(", ")))
        })
    }

    fn roster(&self, site: &str) -> Answer {
        self.door(site)?;
        let status = self.rosters.status(site).unwrap_or_default();
        let held = status.held.map(|held| json!({"since": held.since, "change": Shown::from(held.change)}));
        Ok(json!({
            "site": status.site,
            "agents": status.agents,
            "since": status.since,
            "faults": status.faults,
            "held": held,
        }))
    }

    /// What came into force, and how the roster is now.
    fn roster_after(&self, site: &str, change: Change) -> Answer {
        let mut answer = self.roster(site)?;
        if let Some(object) = answer.as_object_mut() {
            object.insert("change".to_owned(), json_of(Shown::from(change))?);
        }
        Ok(answer)
    }

    async fn compare(&self, site: String, csv: Vec<u8>) -> Answer {
        self.door(&site)?;
        let rosters = self.rosters.clone();
        // A large roster takes a moment to read.
        let compared = tokio::task::spawn_blocking(move || rosters.compare(&site, &csv)).await;
        match compared.map_err(unavailable)? {
            Some(Ok(change)) => json_of(Shown::from(change)),
            Some(Err(error)) => Err(Refusal::Invalid(error.to_string())),
            None => Err(Refusal::Unavailable("the rosters are not watched yet; try again".to_owned())),
        }
    }
}

fn retried(refused: bool, standing: &str) -> String {
    match refused {
        true => "it is tried again".to_owned(),
        false => format!("its login is not refused (it stands {standing}): there is nothing to try again"),
    }
}

fn json_of(answer: impl Serialize) -> Answer {
    serde_json::to_value(answer).map_err(unavailable)
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
