//! `cometbridge roster diff|status|reload|accept`: asks the running daemon.
//!
//! Where none runs, `diff` compares with the roster that was in force, and `accept` lets through what the next start
//! would hold. Agents are named by key, never by user name.

use crate::app::answers::Shown;
use crate::app::cli::{Roster, RosterAccept, RosterDiff, RosterShown};
use crate::app::remote::{NoAnswer, Remote};
use crate::app::run::settings_to_ask;
use crate::app::{Fault, print};
use crate::config::Settings;
use crate::inbound::roster;
use crate::inbound::settings::SiteConfig;
use crate::journal;
use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;

/// What is done beyond telling.
enum Act {
    Reload,
    /// The change that is meant, where it was said.
    Accept(Option<String>),
}

pub async fn run(command: Roster) -> Result<(), Fault> {
    match command {
        Roster::Diff(arguments) => diff(arguments).await,
        Roster::Status(shown) => tell(shown, None).await,
        Roster::Reload(shown) => tell(shown, Some(Act::Reload)).await,
        Roster::Accept(RosterAccept { change, shown }) => tell(shown, Some(Act::Accept(change))).await,
    }
}

/// The site that is meant.
fn site<'a>(settings: &'a Settings, wanted: Option<&str>) -> Result<&'a SiteConfig, Fault> {
    let names = || settings.sites.iter().map(|site| site.name.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, settings.sites.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => {
            Err(Fault::Failed(anyhow!("there are several sites; choose one with --site: {}", names())))
        }
        (Some(wanted), sites) => sites
            .iter()
            .find(|site| site.name == wanted)
            .ok_or_else(|| Fault::Failed(anyhow!("--site {wanted}: no such site; there are: {}", names()))),
    }
}

async fn diff(RosterDiff { file, shown }: RosterDiff) -> Result<(), Fault> {
    let settings = settings_to_ask(&shown.configured)?;
    let site = site(&settings, shown.site.as_deref())?;
    let content = roster::given(&file).map_err(refused)?;
    // Faults are said with the file's own name, before anybody else is asked.
    let agents = roster::parse(&content, &file, site).map_err(refused)?;
    let remote = Remote::new(&settings).await?;
    let (change, with) = match remote.post(&["sites", &site.name, "roster", "diff"], &[], content).await {
        Ok(answer) => (
            serde_json::from_value(answer).context("the running daemon's answer")?,
            "the running daemon's roster",
        ),
        Err(NoAnswer::NoDaemon(_)) => {
            let (held, with) = match roster::in_force(site, &settings.journal.state_dir).map_err(refused)? {
                Some(held) => (held, "the roster that was in force (no daemon answers)"),
                None => (
                    roster::read(site).map_err(refused)?,
                    "the configured file (no daemon answers, and no roster is known to have been in force)",
                ),
            };
            (Shown::from(roster::diff(&held, &agents)), with)
        }
        Err(other) => return Err(other.into()),
    };
    if shown.json {
        let mut answer = serde_json::to_value(&change)?;
        if let Some(object) = answer.as_object_mut() {
            object.insert("compared_with".to_owned(), with.into());
        }
        return print(&format!("{answer}\n"));
    }
    let before = (agents.len() + change.removed_count).saturating_sub(change.added_count);
    let percent = site.roster.max_removed_percent;
    let held = match roster::too_much(change.removed_count, before, percent) {
        true => format!(
            "more than {percent}% (max_removed_percent) or all would go: such a change is held, over a restart too, until \
             cometbridge roster accept --site {} --change {}\n",
            site.name, change.id
        ),
        false => String::new(),
    };
    print(&format!("compared with {with}:\n{}{held}", of_change(&change)))
}

async fn tell(shown: RosterShown, act: Option<Act>) -> Result<(), Fault> {
    let settings = settings_to_ask(&shown.configured)?;
    let site = site(&settings, shown.site.as_deref())?;
    let remote = Remote::new(&settings).await?;
    let post = async |act: &str, query: &[(&str, Option<&str>)]| {
        remote.post(&["sites", &site.name, "roster", act], query, Vec::new()).await
    };
    let answer = match &act {
        None => remote.get(&["sites", &site.name, "roster"], &[]).await?,
        Some(Act::Reload) => post("reload", &[]).await?,
        Some(Act::Accept(change)) => match post("accept", &[("change", change.as_deref())]).await {
            Err(NoAnswer::NoDaemon(error)) => accept_stopped(&settings, site, change.as_deref(), error)?,
            answer => answer?,
        },
    };
    // A script that asks for a reload wants to know whether the file is in force.
    let undone = if matches!(act, Some(Act::Reload)) { not_in_force(&answer) } else { None };
    print(&match shown.json {
        true => format!("{answer}\n"),
        false => of_status(answer).context("the running daemon's answer")?,
    })?;
    undone.map_or(Ok(()), |why| Err(Fault::Failed(anyhow!("site {}: {why}", site.name))))
}

/// Why the file as it is now is not the roster in force.
fn not_in_force(answer: &Value) -> Option<&'static str> {
    match answer {
        answer if !answer["held"].is_null() => Some("the change is held"),
        answer if answer["faults"].as_array().is_some_and(|faults| !faults.is_empty()) => {
            Some("the file has faults and is not in force")
        }
        _ => None,
    }
}

/// Lets through what the next start would hold; `error` says that no daemon answers.
fn accept_stopped(
    settings: &Settings,
    site: &SiteConfig,
    change: Option<&str>,
    error: anyhow::Error,
) -> Result<Value, Fault> {
    let (dir, name) = (&settings.journal.state_dir, &site.name);
    let none = || anyhow!("site {name}: no change of the roster is held; the next start takes the file");
    // Nothing of a daemon is there yet.
    if !dir.exists() {
        return Err(none().into());
    }
    let accept = || {
        let Some(held) = roster::waiting(site, dir).map_err(refused)? else { return Err(none().into()) };
        roster::accepts(change, &held.change, held.before, name)
            .map_err(|why| anyhow!("site {name}: {why}"))?;
        roster::keep(dir, name, &held.content).context("state_dir")?;
        Ok(json!({
            "site": name, "agents": held.agents, "since": null, "faults": [], "held": null,
            "change": Shown::from(held.change),
        }))
    };
    match journal::alone(dir, accept) {
        Err(journal::Error::Locked { path, pid }) => {
            Err(anyhow!("a daemon (pid {pid}) runs on {path} and is to be asked: {error}").into())
        }
        accepted => accepted?,
    }
}

fn refused(error: roster::Error) -> Fault {
    Fault::Configuration(error.to_string())
}

#[derive(Deserialize)]
struct Status {
    site: String,
    agents: usize,
    /// None where no daemon runs.
    since: Option<String>,
    faults: Vec<String>,
    held: Option<Held>,
    /// What came into force by this call.
    change: Option<Shown>,
}

#[derive(Deserialize)]
struct Held {
    since: String,
    change: Shown,
}

fn of_status(answer: Value) -> Result<String, serde_json::Error> {
    let Status { site, agents, since, faults, held, change } = serde_json::from_value(answer)?;
    let mut out = String::new();
    if let Some(change) = change {
        out.push_str(&of_change(&change));
    }
    // Writing to a String can not fail.
    let _ = match since {
        Some(since) => writeln!(out, "site {site}: {agents} agents in force since {since}"),
        None => writeln!(out, "site {site}: {agents} agents in force from the next start on"),
    };
    if !faults.is_empty() {
        let _ = writeln!(out, "the file is not in force, it has faults:");
        for fault in &faults {
            let _ = writeln!(out, "  {fault}");
        }
    }
    if let Some(Held { since, change }) = held {
        let _ = writeln!(
            out,
            "a change waits since {since}; to let it through: cometbridge roster accept --site {site} --change {}\n{}",
            change.id,
            of_change(&change).trim_end()
        );
    }
    Ok(out)
}

fn of_change(change: &Shown) -> String {
    let Shown { added_count, removed_count, changed_count, .. } = change;
    if added_count + removed_count + changed_count == 0 {
        return "no agent changes\n".to_owned();
    }
    let mut out = format!("{added_count} added, {removed_count} removed, {changed_count} changed\n");
    let lists = [
        ('+', &change.added, added_count),
        ('-', &change.removed, removed_count),
        ('~', &change.changed, changed_count),
    ];
    for (sign, keys, count) in lists {
        for key in keys {
            let key: String = key.chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(out, "  {sign} {key}");
        }
        let more = count.saturating_sub(keys.len());
        if more > 0 {
            let _ = writeln!(out, "  {sign} and {more} more");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::roster::Change;

    #[test]
    fn a_file_that_is_refused_or_held_is_not_in_force() {
        let of = |faults: Value, held: Value| not_in_force(&json!({"faults": faults, "held": held}));
        assert_eq!(of(json!([]), Value::Null), None);
        assert!(of(json!(["agents.csv:2: no"]), Value::Null).unwrap().contains("faults"));
        assert!(of(json!([]), json!({"since": "T"})).unwrap().contains("held"));
    }

    fn change() -> Change {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        Change { added: keys(&["5"]), removed: keys(&["1", "2"]), changed: keys(&[]) }
    }

    #[test]
    fn a_change_is_told_by_key_and_very_many_are_counted() {
        assert_eq!(of_change(&change().into()), "1 added, 2 removed, 0 changed\n  + 5\n  - 1\n  - 2\n");
        assert_eq!(of_change(&Shown::default()), "no agent changes\n");
        let many = Change { removed: (0..1_500).map(|n| n.to_string()).collect(), ..Change::default() };
        let text = of_change(&many.into());
        assert!(text.starts_with("0 added, 1500 removed") && text.ends_with("  - and 500 more\n"), "{text}");
    }

    #[test]
    fn a_status_says_what_waits_and_what_to_do() {
        let shown = serde_json::to_value(Shown::from(change())).unwrap();
        let answer = serde_json::json!({
            "site": "main", "agents": 7, "since": "T0", "faults": ["agents.csv:2: no"],
            "held": {"since": "T1", "change": shown},
        });
        assert_eq!(
            of_status(answer).unwrap().replace(&change().id(), "CHANGE"),
            "site main: 7 agents in force since T0\nthe file is not in force, it has faults:\n  agents.csv:2: no\n\
             a change waits since T1; to let it through: cometbridge roster accept --site main --change CHANGE\n\
             1 added, 2 removed, 0 changed\n  + 5\n  - 1\n  - 2\n"
        );
    }
}
