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
                let what = format!("{word:?} is neither a class nor a field that an event can be without");
                let finding = self.fault(&at.key("drop").index(index), what);
                let fields: Vec<String> = fields().map(|path| format!("data.{path}")).collect();
                let words = CLASSES.iter().map(|class| class.as_str());
                let all: Vec<&str> = words.chain(fields.iter().map(String::as_str)).collect();
                finding.nearest = nearest(word, &all).map(str::to_owned);
                let such = "a field of these such as data.message.text or data.userData.KEY";
                finding.allowed(CLASSES.iter().map(|class| class.as_str()).chain([such]));
            }
        }
        LeftOut::new(dropped, paths).map(Arc::new)
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
