//! `context` of a sink: paths of the values that an interaction's events carry along.
//!
//! Deliberately absent: whether they can leave at all, which `check` notes.

use super::Check;
use crate::base::context;
use crate::config::tree::Path;

/// Every event of an interaction can hold so many values.
const MOST: usize = 32;

impl Check<'_> {
    pub(super) fn context(&mut self, at: &Path, paths: &[String]) -> Vec<String> {
        if paths.len() > MOST {
            let what = format!("{} values are too many to stand in every event", paths.len());
            self.fault(at, what).allowed([format!("{MOST} at most").as_str()]);
        }
        for (index, path) in paths.iter().enumerate() {
            if paths.iter().take(index).any(|earlier| earlier == path) {
                self.fault(&at.index(index), format!("{path:?} stands here twice"));
            } else if !context::is_path(path) {
                let what = format!("{path:?} is no single value of an interaction's state");
                let known: Vec<String> =
                    context::fields().iter().map(|path| path.replace('*', "KEY")).collect();
                let finding = self.fault(&at.index(index), what);
                finding.one_of(path, known.iter().map(String::as_str));
                if let Some(bare) = path.strip_prefix("data.").filter(|path| context::is_path(path)) {
                    finding.nearest = Some(bare.to_owned());
                }
            }
        }
        paths.to_vec()
    }
}
