//! `[site.X.collect]`: what of a site's notifications is kept.
//!
//! Deliberately absent: taking it out (`base::left_out`).

use super::Check;
use crate::base::classes::{self, Class};
use crate::base::left_out::LeftOut;
use crate::config::findings::nearest;
use crate::config::raw;
use crate::config::tree::Path;
use std::sync::Arc;

/// Classes that an event can be without: plain fields and agents' keys identify and order it.
const CLASSES: [Class; 5] =
    [Class::Identity, Class::Contact, Class::Content, Class::Business, Class::Infrastructure];

const TRANSCRIPT: &str = "genesys.gws.*.transcript.v1";

impl Check<'_> {
    pub(super) fn left_out(&mut self, at: &Path, raw: &raw::Collect) -> Option<Arc<LeftOut>> {
        let (mut dropped, mut paths) = (Vec::new(), Vec::new());
        for (index, word) in raw.drop.iter().enumerate() {
            if let Some(class) = CLASSES.into_iter().find(|class| class.as_str() == word) {
                dropped.push(class);
            } else if let Some(path) = word.strip_prefix("data.").filter(|path| can_go(path)) {
                paths.push(path.to_owned());
            } else {
                let stays = stays(word);
                let known = stays.is_some();
                let what = stays.unwrap_or("is neither a class nor a field");
                let finding = self.fault(&at.key("drop").index(index), format!("{word:?} {what}"));
                let fields: Vec<String> = fields().map(|path| format!("data.{path}")).collect();
                let words = CLASSES.iter().map(|class| class.as_str());
                let all: Vec<&str> = words.chain(fields.iter().map(String::as_str)).collect();
                finding.nearest = nearest(word, &all).filter(|_| !known).map(str::to_owned);
                let such = "a field of these such as data.message.text or data.userData.KEY";
                finding.allowed(CLASSES.iter().map(|class| class.as_str()).chain([such]));
            }
        }
        LeftOut::new(dropped, paths).map(Arc::new)
    }
}

/// Why a class or a field that there is can not go; none where there is no such.
fn stays(word: &str) -> Option<&'static str> {
    if let Some(class) = Class::parse(word) {
        return of_class(class);
    }
    let path = word.strip_prefix("data.")?;
    let named = |known: &str| match known.strip_suffix('*') {
        Some(map) => path.strip_prefix(map).is_some_and(|key| !key.is_empty()),
        None => known == path,
    };
    let (own, received): (Vec<_>, Vec<_>) =
        classes::TABLE.iter().partition(|family| family.types == [TRANSCRIPT]);
    let fields = || received.iter().flat_map(|family| family.fields);
    if let Some((_, class)) = fields().find(|(known, _)| named(known)) {
        return of_class(*class);
    }
    if fields().any(|(known, _)| classes::under(known, path)) {
        return Some("holds several fields: name those that are to go");
    }
    let mut of_transcripts = own.iter().flat_map(|family| family.fields);
    let found = of_transcripts.any(|(known, _)| named(known) || classes::under(known, path));
    found.then_some("stands in transcripts alone, and they are made of what was kept")
}

fn of_class(class: Class) -> Option<&'static str> {
    match class {
        Class::Plain => Some("is no personal data (plain): states, kinds, counts, stamps and ids stay"),
        Class::Pseudonym => Some("is an agent under an opaque key (pseudonym): events are told apart by it"),
        _ => None,
    }
}

/// Every field of one of these classes, once; of attached data the whole.
fn fields() -> impl Iterator<Item = &'static str> {
    // A transcript is made of what was kept.
    let received = classes::TABLE.iter().filter(|family| family.types != [TRANSCRIPT]);
    let known = received.flat_map(|family| family.fields);
    let of = known.filter(|(_, class)| CLASSES.contains(class));
    let all: std::collections::BTreeSet<_> =
        of.map(|(path, _)| path.strip_suffix(".*").unwrap_or(path)).collect();
    all.into_iter()
}

/// A field of [`fields`], or what stands under a key of attached data.
fn can_go(path: &str) -> bool {
    let attached = || {
        classes::paths().iter().filter_map(|known| known.strip_suffix('*')).any(|map| {
            path.strip_prefix(map).is_some_and(|key| !key.is_empty())
                && fields().any(|field| map.strip_suffix('.') == Some(field))
        })
    };
    fields().any(|field| field == path) || attached()
}
