//! `cometbridge data-sheet`: what is read, how long it is kept, and where it goes, by class of personal data.
//!
//! For whoever keeps the record of processing. It follows from the configuration alone: nobody is asked, no secret is
//! read, and of a destination only host or topic is said. Deliberately absent: what receivers do with it.

use crate::app::cli::DataSheet;
use crate::app::run::settings;
use crate::app::{Fault, print};
use crate::base::classes::Class;
use crate::config::{Settings, written};
use crate::outbound::mask::leaving;
use crate::outbound::settings::{Action, Of, OnLimit, SinkConfig, Target};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The sheet, as `--json` prints it.
#[derive(Serialize)]
struct Sheet {
    read: Vec<Source>,
    kept: Vec<Kept>,
    goes: Vec<Destination>,
}

#[derive(Serialize)]
struct Source {
    site: String,
    hosts: Vec<String>,
    /// Channels of notifications; what is open is also read over REST at a start, after a gap and for comparison.
    topics: Vec<String>,
    /// Whether what was typed and perhaps never sent is kept.
    typing_text: bool,
    /// Classes and fields that are not kept; then the sender's own JSON is not either.
    not_collected: Vec<String>,
}

#[derive(Serialize)]
struct Kept {
    what: &'static str,
    place: &'static str,
    /// Where it stands in the configuration.
    setting: &'static str,
    time: String,
}

#[derive(Serialize)]
struct Destination {
    sink: String,
    kind: &'static str,
    to: String,
    privacy: &'static str,
    /// Whether the sender's own JSON leaves too, with whatever stands in it.
    raw: bool,
    classes: BTreeMap<&'static str, String>,
    /// Fields for which a rule says something else.
    fields: BTreeMap<String, String>,
    userdata: Vec<String>,
    /// Values of an interaction that its events carry along; what these rules never let out is not among them.
    context: Vec<String>,
}

pub fn print_sheet(arguments: &DataSheet) -> Result<(), Fault> {
    let sheet = sheet(&settings(&arguments.configured)?);
    if arguments.json {
        return print(&format!("{}\n", serde_json::to_string(&sheet)?));
    }
    print(&text(&sheet))
}

fn sheet(settings: &Settings) -> Sheet {
    let read = settings.sites.iter().map(|site| Source {
        site: site.name.clone(),
        hosts: site.base_urls.iter().filter_map(|url| url.host_str().map(str::to_owned)).collect(),
        topics: site.channels.clone(),
        typing_text: site.typing_text,
        not_collected: site.left_out.as_ref().map(|left_out| left_out.words()).unwrap_or_default(),
    });
    Sheet {
        read: read.collect(),
        kept: kept(settings),
        goes: settings.sinks.iter().map(destination).collect(),
    }
}

const JOURNAL: &str = "state_dir/journal.sqlite";
const ROSTERS: &str = "state_dir/rosters";
const QUARANTINE: &str = "state_dir/quarantine";
/// Where no key of the configuration says how long.
const FIXED: &str = "no setting";

/// In the journal.
fn row(what: &'static str, setting: &'static str, time: String) -> Kept {
    Kept { what, setting, time, place: JOURNAL }
}

fn kept(settings: &Settings) -> Vec<Kept> {
    let mut kept = events(settings);
    kept.extend(sessions(settings));
    kept.extend(waiting(settings));
    kept
}

/// What was received, and what is made of it.
fn events(settings: &Settings) -> Vec<Kept> {
    let journal = &settings.journal;
    let mut kept = vec![
        row(
            "events, with all that was received and is not dropped (above), after every sink has them",
            "journal.keep_delivered",
            written(journal.keep_delivered),
        ),
        row(
            "dead letters, with all that was received and is not dropped (above)",
            "journal.keep_dead_letters",
            format!("{}, at most {}", written(journal.keep_dead_letters), journal.max_dead_letters),
        ),
        row("events whose rows were found damaged, as they are", FIXED, "until they are erased".to_owned()),
        row(
            "times in which an agent's notifications were not seen, after their end",
            "journal.keep_gaps",
            written(journal.keep_gaps),
        ),
        row(
            "digests of what was received, without text, to tell what comes again",
            "dedup.window",
            written(journal.dedup_window),
        ),
    ];
    if settings.sinks.iter().any(|sink| sink.transcripts) {
        kept.push(row(
            "logs of conversations for their transcripts, after the last event of each",
            "transcript.keep",
            written(journal.keep_drafts),
        ));
        kept.push(row(
            "numbers of transcripts, under digests without ids, after the logs they were made of",
            "dedup.window",
            written(journal.dedup_window),
        ));
    }
    if settings.sinks.iter().any(|sink| !sink.context.is_empty()) {
        kept.push(row(
            "values that events of an interaction carry along, after the last event of each",
            "dedup.window",
            written(journal.dedup_window),
        ));
    }
    kept.push(Kept {
        what: "replies of a server that could not be read, whole as they came (4 MiB of each), each body once: what is dropped (above) may stand in them",
        setting: FIXED,
        time: "until removed or newer ones take their place, at most 50".to_owned(),
        place: QUARANTINE,
    });
    kept
}

/// What is known of agents, whatever was received of them.
fn sessions(settings: &Settings) -> Vec<Kept> {
    let held = || "while the agent is in the roster".to_owned();
    let checkpoint = match settings.state_key {
        Some(_) => {
            "where each agent's session stands, with ids of interactions; the id of its user, cookies, client id and CSRF token, encrypted"
        }
        None => {
            "where each agent's session stands, with ids of interactions; the id of its user, cookies, client id and CSRF token, not encrypted, as no state_key is set"
        }
    };
    vec![
        row(checkpoint, "state_key", held()),
        row(
            "what is known of each agent's interactions (after the end of each), devices and channels: ids, states and digests, without text",
            "dedup.window",
            written(settings.journal.dedup_window),
        ),
        row(
            "keyed digests of the secret that logged in and of the one that was refused, by agent, with the reason",
            FIXED,
            "while the agent is in the roster; of a refused one until another works".to_owned(),
        ),
        row(
            "small notes: why a site is paused, that something was erased (never what)",
            FIXED,
            "a pause until it is ended, the others without limit".to_owned(),
        ),
        Kept {
            what: "the roster in force as it was read: agents, user names, groups, and where secrets stand, no secret",
            setting: FIXED,
            time: "while the site is configured".to_owned(),
            place: ROSTERS,
        },
    ]
}

/// What waits for a sink.
fn waiting(settings: &Settings) -> Vec<Kept> {
    let mut kept = Vec::new();
    for sink in &settings.sinks {
        let (lag, retry) = match sink.target {
            Target::Kafka(_) => ("sink.kafka.max_lag", "sink.kafka.retry.max_age"),
            Target::Webhook(_) => ("sink.webhook.max_lag", "sink.webhook.retry.max_age"),
            Target::Stdout(_) => ("sink.stdout.max_lag", "sink.stdout.retry.max_age"),
        };
        let longest = match sink.max_lag.on_limit {
            OnLimit::Release => format!("{} ({})", written(sink.max_lag.age), sink.name),
            OnLimit::StopIntake => format!("without limit ({})", sink.name),
        };
        let failing = format!("{} ({})", written(sink.retry.max_age), sink.name);
        kept.push(row("events that a sink has not had yet, at the longest", lag, longest));
        kept.push(row(
            "events that a sink failed to take, until they are delivered or dead letters",
            retry,
            failing,
        ));
    }
    kept
}

fn destination(sink: &SinkConfig) -> Destination {
    let to = match &sink.target {
        Target::Kafka(kafka) => format!("topic {} at {}", kafka.topic, kafka.brokers.join(", ")),
        // A path or a query may hold a secret.
        Target::Webhook(webhook) => webhook.url.host_str().unwrap_or_default().to_owned(),
        Target::Stdout(_) => "standard output".to_owned(),
    };
    let policy = &sink.privacy;
    let classes = Class::ALL.into_iter().map(|class| (class.as_str(), word(policy.action(class))));
    let fields = policy.rules.iter().filter_map(|rule| match &rule.of {
        Of::Path(path) => Some((format!("data.{path}"), word(rule.action))),
        Of::Class(_) => None,
    });
    Destination {
        sink: sink.name.clone(),
        kind: sink.target.kind(),
        to,
        privacy: policy.preset.as_str(),
        raw: sink.raw && policy.is_whole(),
        classes: classes.collect(),
        fields: fields.collect(),
        userdata: policy.userdata.clone(),
        context: leaving(sink).0.into_iter().cloned().collect(),
    }
}

fn word(action: Action) -> String {
    match action {
        Action::Truncate(length) => format!("truncate to {length}"),
        other => other.as_str().to_owned(),
    }
}

fn text(sheet: &Sheet) -> String {
    let mut out = "What is read\n".to_owned();
    for Source { site, hosts, topics, typing_text, not_collected } in &sheet.read {
        let typing = if *typing_text { "kept" } else { "dropped before anything is written" };
        let _ = writeln!(out, "  site {site}, from {}", hosts.join(", "));
        let _ = writeln!(out, "    topics: {}", topics.join(", "));
        let _ = writeln!(out, "    text of typing notices: {typing}");
        if !not_collected.is_empty() {
            let _ =
                writeln!(out, "    dropped, too: {}, and the sender's own JSON", not_collected.join(", "));
        }
        if !*typing_text || !not_collected.is_empty() {
            let _ = writeln!(
                out,
                "    but not out of replies that can not be read: they are kept whole in {QUARANTINE} (below)"
            );
        }
    }
    let _ = writeln!(out, "\nHow long it is kept, in {JOURNAL} where no other place is named");
    for Kept { what, place, setting, time } in &sheet.kept {
        let elsewhere = if *place == JOURNAL { String::new() } else { format!(", in {place}") };
        let _ = writeln!(out, "  {time}: {what}{elsewhere} [{setting}]");
    }
    out.push_str("\nWhere it goes\n");
    for goes in &sheet.goes {
        let raw = if goes.raw { ", with the sender's own JSON" } else { "" };
        let Destination { sink, kind, to, privacy, classes, fields, userdata, context, .. } = goes;
        let _ = writeln!(out, "  sink {sink} ({kind}) to {to}: privacy {privacy}{raw}");
        let list = |words: &mut dyn Iterator<Item = (&str, &String)>| {
            words.map(|(name, action)| format!("{name} {action}")).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(out, "    {}", list(&mut classes.iter().map(|(name, action)| (*name, action))));
        if !fields.is_empty() {
            let _ = writeln!(
                out,
                "    but {}",
                list(&mut fields.iter().map(|(name, action)| (name.as_str(), action)))
            );
        }
        if !userdata.is_empty() {
            let _ = writeln!(out, "    keys of attached data that leave: {}", userdata.join(", "));
        }
        if !context.is_empty() {
            let _ =
                writeln!(out, "    carried along by all events of an interaction: {}", context.join(", "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn sheet_of(more: &[&str]) -> (Sheet, String) {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let roster = folder.path().join("agents.csv");
        std::fs::write(&roster, "").unwrap();
        let set = [
            "site.main.base_url=\"https://gws.example.com\"",
            "site.main.roster.file=\"ROSTER\"",
            "sink.stdout.console.privacy=\"full\"",
        ];
        let [key, roster] = [key, roster].map(|path| path.display().to_string());
        let put = |one: &&str| one.replace("KEY", &key).replace("ROSTER", &roster);
        let overrides = set.iter().chain(more).map(put).collect();
        let sheet = sheet(&load(&Sources { overrides, ..Sources::default() }).unwrap());
        let text = text(&sheet);
        (sheet, text)
    }

    #[test]
    fn all_that_the_state_directory_keeps_has_a_row_with_its_place() {
        let (sheet, text) = sheet_of(&[]);
        let said = |place: &str, words: &str| {
            let found = sheet.kept.iter().any(|kept| kept.place == place && kept.what.contains(words));
            assert!(found, "{place}: {words}\n{text}");
        };
        said(ROSTERS, "user names");
        said(JOURNAL, "the id of its user, cookies, client id and CSRF token, not encrypted");
        said(JOURNAL, "keyed digests of the secret that logged in");
        said(JOURNAL, "ids, states and digests, without text");
        said(JOURNAL, "events that a sink failed to take");
        said(QUARANTINE, "whole as they came");
        let (sheet, text) = sheet_of(&["state_key={ file = \"KEY\" }"]);
        assert!(sheet.kept.iter().any(|kept| kept.what.ends_with("CSRF token, encrypted")), "{text}");
    }

    #[test]
    fn what_never_leaves_is_not_said_to_be_carried_along() {
        let context = "sink.stdout.console.context=[\"userData.ContactId\",\"comment\",\"ani\",\"state\"]";
        for (privacy, carried) in [
            ("full", "userData.ContactId, comment, ani, state\n"),
            ("no-content", "state\n"),
            ("pseudonymous", "ani, state\n"),
            ("minimal", "state\n"),
        ] {
            let privacy = format!("sink.stdout.console.privacy=\"{privacy}\"");
            let (sheet, text) = sheet_of(&[context, &privacy, "privacy_key={ file = \"KEY\" }"]);
            let line = text
                .lines()
                .find_map(|line| line.split_once("carried along by all events of an interaction: "));
            assert_eq!(line.unwrap().1, carried.trim_end(), "{text}");
            assert_eq!(sheet.goes[0].context.join(", "), carried.trim_end());
        }
        let (_, text) = sheet_of(&[
            "sink.stdout.console.context=[\"comment\"]",
            "sink.stdout.console.privacy=\"no-content\"",
        ]);
        assert!(!text.contains("carried along"), "{text}");
    }

    #[test]
    fn what_is_dropped_is_not_said_to_be_kept_but_in_the_quarantine() {
        let dropped = "site.main.collect.drop=[\"content\"]";
        let (_, text) = sheet_of(&[dropped]);
        assert!(text.contains("dropped, too: content") && !text.contains("all that was received,"), "{text}");
        let exception = "    but not out of replies that can not be read: they are kept whole in state_dir/quarantine (below)\n";
        assert!(text.contains(exception), "{text}");
        let (_, all) = sheet_of(&["site.main.collect.typing_text=true"]);
        assert!(!all.contains("but not out of replies"), "nothing is dropped: {all}");
    }
}
