//! `match` and `except` of a sink → which events it takes.
//!
//! Deliberately absent: words of lists that GWS leaves open (visibility, author, state); `check` notes the unknown.

use super::Check;
use crate::base::envelope::{Class, event, medium};
use crate::config::raw;
use crate::config::tree::Path;
use crate::outbound::route::{self, Kind};
use crate::outbound::settings::Match;

/// What lists may name of a site.
pub(super) struct Door {
    pub name: String,
    pub scope: raw::Scope,
    pub groups: Vec<String>,
}

impl Check<'_> {
    /// Both lists of a sink whose table is `at`.
    pub(super) fn route(
        &mut self,
        at: &Path,
        matching: &raw::Match,
        except: &raw::Match,
        doors: &[Door],
    ) -> (Match, Match) {
        let wanted = self.matching(&at.key("match"), matching, doors);
        let unwanted = self.matching(&at.key("except"), except, doors);
        let everything = Match::default();
        self.owners(&at.key("match"), &wanted, doors, |kind| route::takes(&wanted, &unwanted, kind));
        self.owners(&at.key("except"), &unwanted, doors, |kind| {
            route::takes(&wanted, &everything, kind) && route::takes(&unwanted, &everything, kind)
        });
        (wanted, unwanted)
    }

    fn matching(&mut self, at: &Path, raw: &raw::Match, doors: &[Door]) -> Match {
        let classes: Vec<&str> = Class::ALL.into_iter().map(Class::as_str).collect();
        // Events of the bridge that belong to no site have "bridge" in its place.
        let sites: Vec<&str> = doors.iter().map(|door| door.name.as_str()).chain([medium::BRIDGE]).collect();
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
        self.groups_named(&at.key("group"), raw, doors);
        Match {
            site: raw.site.clone(),
            medium: raw.medium.clone(),
            event: raw.event.clone(),
            class: raw.class.clone(),
            visibility: raw.visibility.clone(),
            authorkind: raw.authorkind.clone(),
            state: raw.state.clone(),
            agent: raw.agent.clone(),
            group: raw.group.clone(),
        }
    }

    /// A group is a table of a site, of one of those that the same lists name.
    fn groups_named(&mut self, at: &Path, raw: &raw::Match, doors: &[Door]) {
        let named = |door: &&Door| raw.site.is_empty() || raw.site.contains(&door.name);
        let known: Vec<&str> =
            doors.iter().filter(named).flat_map(|door| door.groups.iter().map(String::as_str)).collect();
        for (index, word) in raw.group.iter().enumerate().filter(|(_, word)| !known.contains(&word.as_str()))
        {
            let finding = self.fault(&at.index(index), format!("{word:?} is no group of a site"));
            match known.as_slice() {
                [] => drop(finding.allowed(["names of tables [site.NAME.group.GROUP]; there is none here"])),
                known => finding.one_of(word, known.iter().copied()),
            }
        }
    }

    /// A log item that two agents see is one event and belongs to neither, nor to a group, unless the site's scope is
    /// "agent".
    fn owners(&mut self, at: &Path, list: &Match, doors: &[Door], takes: impl Fn(&Kind<'_>) -> bool) {
        let class = Class::Content.as_str();
        let items = |site: &str| {
            let kind = |medium| Kind { site, medium, event: event::MESSAGE, class };
            medium::CONVERSATIONS.iter().any(|&medium| takes(&kind(medium)))
        };
        let shared = |door: &&Door| door.scope == raw::Scope::Interaction && items(&door.name);
        let Some(site) = doors.iter().find(shared).map(|door| &door.name) else { return };
        for (key, words, owner) in [("agent", &list.agent, "no agent"), ("group", &list.group, "no group")] {
            if words.is_empty() {
                continue;
            }
            let what = format!(
                "log items of the site {site} belong to {owner}, as what two agents see of a conversation is one event there"
            );
            self.fault(&at.key(key), what).allowed([
                format!("{key}s with dedup_scope = \"agent\" in [site.{site}]").as_str(),
                "or without log items, as with medium = [\"agent\"] or class = [\"lifecycle\"] beside it",
            ]);
        }
    }
}
