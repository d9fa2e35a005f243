//! Transcripts: when they are made, and which sinks can have them.
//!
//! Deliberately absent: what stands in one.

use super::{Check, HOUR, MILLI, MINUTE, YEAR};
use crate::base::envelope::event;
use crate::config::raw;
use crate::config::tree::Path;
use crate::outbound::settings::Match;
use crate::outbound::transcript::{Config, Limits};

impl Check<'_> {
    pub(super) fn transcript(&mut self, at: &Path, raw: &raw::Transcript) -> Config {
        let faults = self.found.list.len();
        let quiet = self.span(&at.key("quiet"), raw.quiet, MILLI, 24 * HOUR);
        let give_up = self.span(&at.key("give_up"), raw.give_up, MILLI, YEAR);
        let keep = self.span(&at.key("keep"), raw.keep, MINUTE, YEAR);
        if self.found.list.len() == faults {
            for (name, written, less, than) in
                [("quiet", raw.quiet, quiet, "give_up"), ("give_up", raw.give_up, give_up, "keep")]
            {
                let most = if than == "keep" { keep } else { give_up };
                if less > most {
                    let key = if self.given(&at.key(name)) { name } else { than };
                    self.fault(&at.key(key), format!("{name} ({written}) is more than {than}"));
                }
            }
        }
        let items = self.number(&at.key("max_items"), raw.max_items, 1, 100_000).into();
        let bytes = self.size(&at.key("max_bytes"), raw.max_bytes, 1 << 10, 16 << 20);
        Config { quiet, give_up, limits: Limits { items, bytes } }
    }

    /// A transcript holds items of every visibility, and belongs to no single author, agent, group or state: a list that
    /// takes some of these alone would let it past, or never let it through.
    pub(super) fn takes_transcripts(&mut self, at: &Path, wants: bool, matching: &Match, except: &Match) {
        let named = matching.event.iter().position(|word| word == event::TRANSCRIPT);
        if let Some(index) = named.filter(|_| !wants) {
            let place = at.key("match").key("event").index(index);
            let what = "transcripts go to no sink unless it says so: set transcripts = true beside match";
            self.fault(&place, what);
        }
        if !wants {
            return;
        }
        for (table, list) in [("match", matching), ("except", except)] {
            for (key, words) in [
                ("visibility", &list.visibility),
                ("authorkind", &list.authorkind),
                ("state", &list.state),
                ("agent", &list.agent),
                ("group", &list.group),
            ] {
                if !words.is_empty() {
                    let what = format!(
                        "with transcripts = true, {key} must name nothing: a transcript is whole, whoever its items are from and for"
                    );
                    self.fault(&at.key(table).key(key), what).allowed([format!("{key} = []").as_str()]);
                }
            }
        }
    }
}
