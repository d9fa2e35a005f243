//! `match` and `except` of a sink → which events it takes.
//!
//! Deliberately absent: words of lists that GWS leaves open (visibility, author, state); `check` notes the unknown.

use super::Check;
use crate::base::envelope::{Class, event, medium};
use crate::config::raw;
use crate::config::tree::Path;
use crate::outbound::route::{self, Kind};
use crate::outbound::settings::Match;

/// The sites by name, each with the scope of its dedup.
pub(super) type Doors = [(String, raw::Scope)];

impl Check<'_> {
    /// Both lists of a sink whose table is `at`.
    pub(super) fn route(
        &mut self,
        at: &Path,
        matching: &raw::Match,
        except: &raw::Match,
        doors: &Doors,
    ) -> (Match, Match) {
        let wanted = self.matching(&at.key("match"), matching, doors);
        let unwanted = self.matching(&at.key("except"), except, doors);
        let everything = Match::default();
        if !matching.agent.is_empty() {
            self.agents(&at.key("match").key("agent"), doors, |kind| route::takes(&wanted, &unwanted, kind));
        }
        if !except.agent.is_empty() {
            let all = Match { agent: Vec::new(), ..unwanted.clone() };
            self.agents(&at.key("except").key("agent"), doors, |kind| {
                route::takes(&wanted, &everything, kind) && route::takes(&all, &everything, kind)
            });
        }
        (wanted, unwanted)
    }

    fn matching(&mut self, at: &Path, raw: &raw::Match, doors: &Doors) -> Match {
        let classes: Vec<&str> = Class::ALL.into_iter().map(Class::as_str).collect();
        // Events of the bridge that belong to no site have "bridge" in its place.
        let sites: Vec<&str> = doors.iter().map(|(name, _)| name.as_str()).chain([medium::BRIDGE]).collect();
        for (key, words, known) in [
            ("site", &raw.site, sites.as_slice()),
            ("medium", &raw.medium, medium::ALL),
            ("event", &raw.event, event::ALL),
            ("class", &raw.class, &classes),
        ] {
            for (index, word) in words.iter().enumerate().filter(|(_, word)| !known.contains(&word.as_str()))
            {
                let at = at.key(key).index(index);
                self.fault(&at, format!("{word:?} is no {key}")).one_of(word, known.iter().copied());
            }
        }
        Match {
            site: raw.site.clone(),
            medium: raw.medium.clone(),
            event: raw.event.clone(),
            class: raw.class.clone(),
            visibility: raw.visibility.clone(),
            authorkind: raw.authorkind.clone(),
            state: raw.state.clone(),
            agent: raw.agent.clone(),
        }
    }

    /// A log item that two agents see is one event and belongs to neither, unless the site's scope is "agent".
    fn agents(&mut self, at: &Path, doors: &Doors, takes: impl Fn(&Kind<'_>) -> bool) {
        let shared = doors.iter().filter(|(_, scope)| *scope == raw::Scope::Interaction);
        let class = Class::Content.as_str();
        let items = |site: &str| {
            let kind = |medium| Kind { site, medium, event: event::MESSAGE, class };
            medium::CONVERSATIONS.iter().any(|&medium| takes(&kind(medium)))
        };
        let Some((site, _)) = shared.into_iter().find(|(site, _)| items(site)) else { return };
        let what = format!(
            "log items of the site {site} belong to no agent, as what two agents see of a conversation is one event there"
        );
        self.fault(at, what).allowed([
            format!("agents with dedup_scope = \"agent\" in [site.{site}]").as_str(),
            "or without log items, as with medium = [\"agent\"] or class = [\"lifecycle\"] beside it",
        ]);
    }
}
