//! One look at an agent's state over REST: the same lists as a reading in service asks for, held to the same.
//!
//! A look of which a list could not be read is none. Deliberately absent: what is made of it (`watch`), and storing.

use super::facts::Facts;
use crate::base::envelope::medium;
use crate::base::time::Clock;
use crate::inbound::normalise::{Context, snapshot};
use crate::inbound::reconcile::fetch::{Patience, Wanted, fetch};
use crate::inbound::reconcile::lists::{self, Me, Trouble};
use crate::inbound::roster::Agent;
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Site;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Patience =
    Patience { waits: &[Duration::from_secs(1), Duration::from_secs(3)], longest: Duration::from_secs(10) };

/// With what a look is made.
pub struct Looker<'a> {
    pub site: &'a Site,
    pub agent: &'a Agent,
    pub transport: &'a Transport,
    pub clock: &'a Clock,
}

/// What it showed.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub facts: Facts,
    /// Media of which the server has no list.
    pub unlisted: BTreeSet<&'static str>,
}

impl Looker<'_> {
    /// Reads the agent's state; the reason in words where not all of it could be read.
    pub async fn look(&self) -> Result<Look, String> {
        let me = self.me().await?;
        let cx = Context {
            site: &self.site.config,
            agent: &self.agent.key,
            users: &self.site.users,
            received: self.clock.now(),
        };
        let mut look = Look::default();
        let devices = me.devices.iter().flatten().filter_map(|json| snapshot::device(&cx, json));
        let channels = me.channels.iter().flatten().filter_map(|json| snapshot::channel(&cx, json));
        devices.chain(channels).for_each(|candidate| look.facts.take(&candidate));
        for medium in medium::CONVERSATIONS.iter().copied() {
            let Some(list) = self.list(medium, &me).await? else {
                look.unlisted.insert(medium);
                continue;
            };
            for json in &list {
                let candidate = snapshot::conversation(&cx, medium, json)
                    .ok_or_else(|| format!("the list of {medium} holds one without an id"))?;
                look.facts.take(&candidate);
            }
        }
        if look.unlisted.len() == medium::CONVERSATIONS.len() {
            return Err("the server has no list of conversations at all".to_owned());
        }
        Ok(look)
    }

    /// The user's own resource, which must be this agent's.
    async fn me(&self) -> Result<Me, String> {
        let what = "GET /api/v2/me";
        let body = self.get("/api/v2/me?subresources=*", what, true).await.map_err(|no| words(no, what))?;
        let me = lists::me(&body);
        match me.is(&self.agent.username) {
            true => Ok(me),
            false => Err(format!("{what} is not answered for the roster's user")),
        }
    }

    /// A medium's list: by its plural, else by its singular, else as it stands in the user's own resource; `None`
    /// where there is no such list here.
    async fn list(&self, medium: &'static str, me: &Me) -> Result<Option<Vec<Box<RawValue>>>, String> {
        let what = format!("the list of {medium}");
        for segment in [format!("{medium}s"), medium.to_owned()] {
            match self.get(&format!("/api/v2/me/{segment}?fields=*"), &what, false).await {
                Ok(body) => {
                    let list = lists::list(&body, medium);
                    return list.map(Some).ok_or_else(|| format!("{what}: the reply holds no such list"));
                }
                Err(Trouble::Missing) => {}
                Err(trouble) => return Err(words(trouble, &what)),
            }
        }
        Ok(me.embedded(medium))
    }

    async fn get(&self, path: &str, what: &str, me: bool) -> Result<Box<RawValue>, Trouble> {
        let wanted = Wanted { path, what, me };
        let ((), body) = fetch((self.site, self.transport), wanted, &PATIENCE, || ()).await?;
        Ok(body)
    }
}

fn words(trouble: Trouble, what: &str) -> String {
    match trouble {
        Trouble::LoggedOut => format!("{what}: the HTTP session was not logged in"),
        Trouble::Missing => format!("{what}: HTTP 404: no GWS at base_url"),
        Trouble::Failed { text, .. } => text,
    }
}
