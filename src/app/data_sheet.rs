//! `cometbridge data-sheet`: what is read, how long it is kept, and where it goes, by class of personal data.
//!
//! For whoever keeps the record of processing. It follows from the configuration alone: nobody is asked, no secret is
//! read, and of a destination only host or topic is said. Deliberately absent: what receivers do with it.

use crate::app::cli::DataSheet;
use crate::app::run::settings;
use crate::app::{Fault, print};
use crate::base::classes::Class;
use crate::config::{Settings, written};
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
    /// Values of an interaction that its events carry along, as far as these rules let them.
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

fn kept(settings: &Settings) -> Vec<Kept> {
    let journal = &settings.journal;
    let mut kept = vec![
        Kept {
            what: "events, with all that was received, after every sink has them",
            setting: "journal.keep_delivered",
            time: written(journal.keep_delivered),
        },
        Kept {
            what: "dead letters, with all that was received",
            setting: "journal.keep_dead_letters",
            time: format!("{}, at most {}", written(journal.keep_dead_letters), journal.max_dead_letters),
        },
        Kept {
            what: "times in which an agent's notifications were not seen, after their end",
            setting: "journal.keep_gaps",
            time: written(journal.keep_gaps),
        },
        Kept {
            what: "digests of what was received, without text, to tell what comes again",
            setting: "dedup.window",
            time: written(journal.dedup_window),
        },
    ];
    if settings.sinks.iter().any(|sink| sink.transcripts) {
        kept.push(Kept {
            what: "logs of conversations for their transcripts, after the last event of each",
            setting: "transcript.keep",
            time: written(journal.keep_drafts),
        });
        kept.push(Kept {
            what: "numbers of transcripts, under digests without ids, after the logs they were made of",
            setting: "dedup.window",
            time: written(journal.dedup_window),
        });
    }
    if settings.sinks.iter().any(|sink| !sink.context.is_empty()) {
        kept.push(Kept {
            what: "values that events of an interaction carry along, after the last event of each",
            setting: "dedup.window",
            time: written(journal.dedup_window),
        });
    }
    kept.push(Kept {
        what: "replies of a server that could not be read, each body once, in state_dir/quarantine",
        setting: "no setting",
        time: "until removed, at most 50".to_owned(),
    });
    kept.extend(settings.sinks.iter().map(|sink| Kept {
        what: "events that a sink has not had yet, at the longest",
        setting: match sink.target {
            Target::Kafka(_) => "sink.kafka.max_lag",
            Target::Webhook(_) => "sink.webhook.max_lag",
            Target::Stdout(_) => "sink.stdout.max_lag",
        },
        time: match sink.max_lag.on_limit {
            OnLimit::Release => format!("{} ({})", written(sink.max_lag.age), sink.name),
            OnLimit::StopIntake => format!("without limit ({})", sink.name),
        },
    }));
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
        context: sink.context.clone(),
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
    }
    out.push_str("\nHow long it is kept\n");
    for Kept { what, setting, time } in &sheet.kept {
        let _ = writeln!(out, "  {time}: {what} [{setting}]");
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
