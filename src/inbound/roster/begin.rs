//! The roster to begin with: the file, held against the one that was in force, by the rule that holds while running.
//!
//! Deliberately absent: keeping it (`kept`), and telling of it (`app`).

use super::kept::{self, Found};
use super::{Agent, Change, Error, Looked, Watch, content, diff, parse};
use crate::base::time::Millis;
use crate::inbound::settings::SiteConfig;
use std::path::Path;

/// How a site's roster begins.
pub struct Begun {
    pub watch: Watch,
    /// What became of the file; never [`Looked::Faulty`].
    pub looked: Looked,
    /// Why the file could not be compared as it should; said to operators.
    pub note: Option<String>,
}

/// What the file would change that a start holds.
pub struct Waiting {
    pub change: Change,
    /// In force before.
    pub before: usize,
    /// In the file.
    pub agents: usize,
    pub content: Vec<u8>,
}

/// The roster that was in force.
enum Before {
    Unknown(Option<String>),
    Known(Vec<Agent>),
    /// The configuration has changed so that it can not be held any more: agents of which only the key counts, and
    /// why.
    Unfit(Vec<Agent>, String),
}

/// Reads the roster's file and compares it with the one that was in force. All faults of the file are reported at
/// once, by line; to start with nobody is one. With `only` nothing is compared, nor is anything to be kept.
pub fn begin(site: &SiteConfig, only: &[String], state_dir: &Path, now: Millis) -> Result<Begun, Error> {
    let path = &site.roster.file;
    let bytes = content(path)?;
    let agents = parse(&bytes, path, site)?;
    let before = if only.is_empty() { before(site, state_dir)? } else { Before::Unknown(None) };
    let note = match before {
        Before::Known(before) => {
            let mut watch = Watch::new(site.clone(), Vec::new(), before, now);
            let looked = watch.look(Ok(bytes), now);
            somebody(path, watch.agents())?;
            return Ok(Begun { watch, looked, note: None });
        }
        Before::Unfit(before, why) => {
            let change = by_key(&before, &agents);
            if change.removes_too_much(before.len(), site.roster.max_removed_percent) {
                return Err(unfit(site, &change, &why));
            }
            Some(format!(
                "the roster that was in force does not fit the configuration any more ({why}): the file is taken"
            ))
        }
        Before::Unknown(note) => note,
    };
    somebody(path, &agents)?;
    let mut watch = Watch::new(site.clone(), only.to_vec(), agents, now);
    watch.took(bytes);
    Ok(Begun { watch, looked: Looked::Same, note })
}

/// The change that a start would hold; `None` where it would hold none.
pub fn waiting(site: &SiteConfig, state_dir: &Path) -> Result<Option<Waiting>, Error> {
    let path = &site.roster.file;
    let content = content(path)?;
    let agents = parse(&content, path, site)?;
    let (before, change) = match before(site, state_dir)? {
        Before::Unknown(_) => return Ok(None),
        Before::Known(before) => (before.len(), diff(&before, &agents)),
        Before::Unfit(before, _) => (before.len(), by_key(&before, &agents)),
    };
    if !change.removes_too_much(before, site.roster.max_removed_percent) {
        return Ok(None);
    }
    somebody(path, &agents)?;
    Ok(Some(Waiting { change, before, agents: agents.len(), content }))
}

/// The roster that was in force when the last daemon ended; `None` where that is not known.
pub fn in_force(site: &SiteConfig, state_dir: &Path) -> Result<Option<Vec<Agent>>, Error> {
    Ok(match before(site, state_dir)? {
        Before::Known(agents) => Some(agents),
        Before::Unfit(..) | Before::Unknown(_) => None,
    })
}

fn before(site: &SiteConfig, state_dir: &Path) -> Result<Before, Error> {
    let path = kept::path(state_dir, &site.name);
    let bytes = match kept::load(state_dir, &site.name)? {
        Found::Nothing => return Ok(Before::Unknown(None)),
        Found::Content(bytes) => bytes,
        Found::Damaged(why) => {
            let note = format!(
                "{}: the roster that was in force is kept there, and {why}: the file is taken without comparing",
                path.display()
            );
            return Ok(Before::Unknown(Some(note)));
        }
    };
    Ok(match parse(&bytes, &path, site) {
        Ok(agents) => Before::Known(agents),
        Err(Error(faults)) => Before::Unfit(keys(&bytes), faults.into_iter().next().unwrap_or_default()),
    })
}

/// The agents of a roster whose other columns can not be read any more.
fn keys(bytes: &[u8]) -> Vec<Agent> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let headers = reader.headers().cloned().unwrap_or_default();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (key, exclude) = (column("agent"), column("exclude"));
    let agent = |record: csv::StringRecord| {
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
        let excluded = ["true", "yes"].iter().any(|word| field(exclude).eq_ignore_ascii_case(word));
        let (username, password, group, base_url) = Default::default();
        let there = !field(key).is_empty();
        (there && !excluded).then(|| Agent {
            key: field(key).to_owned(),
            username,
            password,
            group,
            base_url,
        })
    };
    reader.records().flatten().filter_map(agent).collect()
}

fn by_key(before: &[Agent], agents: &[Agent]) -> Change {
    Change { changed: Vec::new(), ..diff(before, agents) }
}

fn somebody(path: &Path, agents: &[Agent]) -> Result<(), Error> {
    match agents {
        [] => Err(Error(vec![format!("{}: no agent in it that is to be held", path.display())])),
        _ => Ok(()),
    }
}

fn unfit(site: &SiteConfig, change: &Change, why: &str) -> Error {
    let (path, percent) = (site.roster.file.display(), site.roster.max_removed_percent);
    Error(vec![format!(
        "{path}: {change} against the roster that was in force, more than {percent}% or all; such a change is held, but that \
         roster does not fit the configuration any more ({why}): put the file or the configuration right, or let \
         the change through before the start: {}",
        change.command(&site.name)
    )])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::SecretRef;
    use crate::inbound::settings::{GroupConfig, testing};
    use std::fs;

    const FOUR: &str = "agent,username,group\n1,ann,\n2,bob,north\n3,cid,\n4,dan,\n";

    /// A site with a group whose roster's file has this text, and a state directory that keeps [`FOUR`].
    fn site(dir: &Path, text: &str) -> SiteConfig {
        let mut site = testing::site();
        site.roster.file = dir.join("agents.csv");
        site.roster.passwords = Some(SecretRef::Env("BUNDLE".into()));
        site.roster.max_removed_percent = 25;
        site.groups.insert("north".into(), GroupConfig::default());
        fs::write(&site.roster.file, text).unwrap();
        kept::keep(dir, &site.name, FOUR.as_bytes()).unwrap();
        site
    }

    fn fault(begun: Result<Begun, Error>) -> String {
        match begun {
            Ok(begun) => panic!("{:?}", begun.looked),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_removes_too_much_is_held_and_a_small_change_is_in_force_and_to_be_kept() {
        let dir = tempfile::tempdir().unwrap();
        let begin = |text: &str| begin(&site(dir.path(), text), &[], dir.path(), 0).unwrap();
        let begun = begin(FOUR);
        assert_eq!((begun.looked, begun.watch.unkept()), (Looked::Same, None));
        for text in ["agent,username\n", "agent,username\n1,ann\n2,bob\n9,zoe\n"] {
            let begun = begin(text);
            assert!(matches!(begun.looked, Looked::Held(_)), "{text}");
            assert_eq!((begun.watch.agents().len(), begun.watch.unkept()), (4, None), "{text}");
            assert!(begun.watch.status().held.is_some());
        }
        let text = "agent,username\n1,ann\n2,bob\n3,cid\n8,eve\n";
        let begun = begin(text);
        assert!(matches!(begun.looked, Looked::Changed(_)));
        assert_eq!((begun.watch.agents().len(), &*begun.watch.unkept().unwrap()), (4, text.as_bytes()));
    }

    #[test]
    fn faults_of_the_file_are_refused_whatever_was_in_force_and_so_is_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let faulty = site(dir.path(), "agent,username\n1\n");
        assert!(fault(begin(&faulty, &[], dir.path(), 0)).contains("agents.csv:2: 1 fields"));
        let nobody = site(dir.path(), "agent,username\n");
        kept::keep(dir.path(), &nobody.name, b"agent,username\n").unwrap();
        assert!(fault(begin(&nobody, &[], dir.path(), 0)).contains("no agent in it that is to be held"));
        fs::remove_file(kept::path(dir.path(), &nobody.name)).unwrap();
        assert!(fault(begin(&nobody, &[], dir.path(), 0)).contains("no agent in it that is to be held"));
    }

    #[test]
    fn where_nothing_can_be_compared_the_file_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path(), "agent,username\n1,ann\n");
        let only = begin(&site, &["1".to_owned()], dir.path(), 0).unwrap();
        assert_eq!((only.watch.agents().len(), only.watch.unkept(), only.note), (1, None, None));
        fs::write(kept::path(dir.path(), &site.name), "agent,username\n1,ann\n").unwrap();
        let begun = begin(&site, &[], dir.path(), 0).unwrap();
        assert!(begun.note.unwrap().contains("the file is taken without comparing"));
        assert!(begun.watch.agents().len() == 1 && begun.watch.unkept().is_some());
        assert!(waiting(&site, dir.path()).unwrap().is_none());
        fs::remove_file(kept::path(dir.path(), &site.name)).unwrap();
        let begun = begin(&site, &[], dir.path(), 0).unwrap();
        assert!(begun.note.is_none() && begun.watch.agents().len() == 1 && begun.watch.unkept().is_some());
    }

    #[test]
    fn a_roster_that_the_configuration_does_not_allow_any_more_is_compared_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let ungrouped = |text: &str| {
            let mut site = site(dir.path(), text);
            site.groups.clear();
            site
        };
        let three = "agent,username\n1,ann\n2,bob\n3,cid\n";
        let begun = begin(&ungrouped(three), &[], dir.path(), 0).unwrap();
        assert!(begun.watch.agents().len() == 3 && begun.note.unwrap().contains("does not fit"));
        let two = ungrouped("agent,username\n1,ann\n2,bob\n");
        let said = fault(begin(&two, &[], dir.path(), 0));
        assert!(
            said.contains("0 added, 2 removed, 0 changed") && said.contains("accept --site main"),
            "{said}"
        );
        assert!(said.contains("group \"north\" is none of site main's"), "{said}");
        let Waiting { change, agents, content, .. } = waiting(&two, dir.path()).unwrap().unwrap();
        assert_eq!((change.removed, agents), (vec!["3".to_owned(), "4".to_owned()], 2));
        kept::keep(dir.path(), "main", &content).unwrap();
        assert_eq!(begin(&two, &[], dir.path(), 0).unwrap().watch.agents().len(), 2);
    }
}
