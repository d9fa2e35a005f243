//! Transcripts of a day with faults, transfers, agents who are not held and a kill -9, against the simulator's truth:
//! what is said to be complete lacks nothing, and each revision comes once.
//!
//! `COMETBRIDGE_SEED` chooses the day; `COMETBRIDGE_CAMPAIGN` its full size, more than 1,000 conversations.
//! Deliberately absent: how much is found complete, but that some is.

use super::oracle::{Ended, Oracle};
use super::states::content;
use super::{scenario, seed};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

struct Size {
    agents: usize,
    seconds: u64,
    /// Conversations that are over, at least.
    over: usize,
}

impl Size {
    fn chosen() -> Size {
        match std::env::var_os("COMETBRIDGE_CAMPAIGN") {
            Some(_) => Size { agents: 60, seconds: 40, over: 1_000 },
            None => Size { agents: 12, seconds: 12, over: 30 },
        }
    }
}

/// Faults that lose something, that bring it late, and that make it not understood.
const KINDS: &[(&str, &str)] = &[
    ("lost-reply", "on = \"connect\""),
    ("cut", "after = { from = 0, to = 3000 }"),
    ("drop", ""),
    ("expire", ""),
    ("unknown", "on = \"connect\""),
    ("status", "status = [429, 500, 503]\non = \"rest\""),
    ("huge-item", "bytes = 100000"),
    ("odd", "variant = { from = 0, to = 7 }"),
];

fn day(size: &Size, seed: u64, held: usize) -> String {
    let mut text = format!(
        "seed = {seed}\nagents = {}\n[server]\nack = false\ntimeout = \"1s\"\nmax_interval = \"4s\"\n[day]\nspeed = 60.0\n\
         length = \"{}s\"\nwait_for_sessions = {held}\nconversations_per_hour = 40.0\nstates_per_hour = 4.0\npause = \"30s\"\n\
         messages = [3, 10]\nmax_open = 4\ntransfer = 0.06\nconsult = 0.06\n",
        size.agents,
        size.seconds * 60
    );
    let rate = 0.4 * size.agents as f64;
    for (kind, values) in KINDS {
        let _ = writeln!(
            text,
            "[[fault]]\nkind = \"{kind}\"\nrate_per_minute = {rate:.1}\nuntil = \"{}s\"\n{values}",
            size.seconds
        );
    }
    text
}

/// Every sixth agent is not held.
fn roster(home: &Home) {
    let all = std::fs::read_to_string(home.path("agents.csv")).unwrap();
    let held = all.lines().enumerate().filter(|(number, _)| *number == 0 || is_held(*number));
    home.write("agents.csv", &held.map(|(_, line)| format!("{line}\n")).collect::<String>());
}

fn is_held(number: usize) -> bool {
    !number.is_multiple_of(6)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_that_is_said_to_be_complete_lacks_nothing() {
    let (size, seed) = (Size::chosen(), seed());
    let held = (1..=size.agents).filter(|number| is_held(*number)).count();
    println!("transcripts: COMETBRIDGE_SEED={seed}, {} agents, {held} held", size.agents);
    let mut home = Home::new();
    home.token = Some(scenario::TOKEN);
    let oracle = Oracle::start(&home, &day(&size, seed, held));
    roster(&home);
    let all = scenario::config(&home, &oracle.url, &scenario::Size::chosen());
    let more = "transcripts = true\n[transcript]\nquiet = \"300ms\"\ngive_up = \"8s\"\n";
    home.write("cometbridge.toml", &format!("{all}{more}"));
    let mut daemon = home.start();
    daemon.until("cometbridge_transcripts_total", LIMIT, |made| made >= 3.0).await;
    daemon.kill();
    let mut daemon = home.start();
    eventually("the day is over", LIMIT, || async { oracle.day_over().await.then_some(()) }).await;
    oracle.rest().await;
    daemon.connected(held).await;
    let truth = oracle.truth().await;
    eventually("all that came stands in a transcript", LIMIT, || async {
        open(&home).is_empty().then_some(())
    })
    .await;
    let (asked, listed) = listing(&home).await;
    assert!(daemon.stop().await.success());
    let over: HashMap<String, &Ended> =
        truth.ended.iter().map(|one| (format!("{}/{}", one.medium, one.id), one)).collect();
    assert!(over.len() >= size.over, "only {} conversations are over", over.len());
    let lines = home.stdout_of_each().concat();
    let (complaints, counts) = judge(&lines, &over);
    println!("  {} conversations over, transcripts: {counts:?}", over.len());
    assert!(complaints.is_empty(), "seed {seed}: {} complaints\n{}", complaints.len(), shown(&complaints));
    assert!(counts.contains_key("true") && counts.len() > 1, "they are all alike: {counts:?}");
    // The command says the same of them, whether a daemon answers it or not.
    assert_eq!(asked, 0, "{listed}");
    let untrue: Vec<String> =
        listed.lines().filter_map(|line| wrong(&serde_json::from_str(line).unwrap(), &over)).collect();
    assert!(untrue.is_empty(), "seed {seed}: {}", shown(&untrue));
    let (code, without, _) = Daemon::asked(&home, &["completeness", "--day", &today(), "--json"]).await;
    assert_eq!((code, without.lines().count()), (0, listed.lines().count()));
}

const LIMIT: Duration = Duration::from_secs(180);

fn shown(complaints: &[String]) -> String {
    complaints.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

async fn listing(home: &Home) -> (i32, String) {
    let (code, out, error) = Daemon::asked(home, &["completeness", "--day", &today(), "--json"]).await;
    (code, if code == 0 { out } else { error })
}

/// Ids of items that stand in no transcript of their conversation yet.
fn open(home: &Home) -> Vec<String> {
    let mut waits: HashSet<String> = HashSet::new();
    for line in home.stdout_lines() {
        let Ok(json) = serde_json::from_str::<Value>(&line) else { continue };
        match json["event"].as_str() {
            Some("message") => {
                waits.insert(json["id"].as_str().unwrap().to_owned());
            }
            Some("transcript") => {
                for item in json["data"]["items"].as_array().unwrap() {
                    waits.remove(item["eventId"].as_str().unwrap());
                }
            }
            _ => {}
        }
    }
    waits.into_iter().collect()
}

fn judge(lines: &[String], over: &HashMap<String, &Ended>) -> (Vec<String>, BTreeMap<String, usize>) {
    let (mut out, mut counts) = (Vec::new(), BTreeMap::new());
    let mut sequences: HashMap<String, String> = HashMap::new();
    let mut texts: HashMap<String, &String> = HashMap::new();
    let mut revisions: HashMap<String, u64> = HashMap::new();
    for line in lines {
        // The kill may have cut one.
        let Ok(json) = serde_json::from_str::<Value>(line) else { continue };
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        sequences.insert(text("id"), text("sequence"));
        if json["event"] != "transcript" {
            continue;
        }
        if let Some(first) = texts.insert(text("id"), line) {
            if first != line {
                out.push(format!("one id, two contents: {first}\n{line}"));
            }
            continue;
        }
        let before = revisions.entry(text("subject")).or_default();
        *before += 1;
        let is = json["revision"].as_u64().unwrap_or(1);
        if is != *before {
            out.push(format!("{} has revision {is}: want {before}", text("id")));
        }
        let data = &json["data"];
        *counts.entry(data["complete"].as_str().unwrap().to_owned()).or_default() += 1;
        let late = data["items"].as_array().unwrap().iter().find(|item| {
            let at = sequences.get(item["eventId"].as_str().unwrap());
            at.is_none_or(|at| *at >= text("sequence"))
        });
        out.extend(late.map(|item| format!("{} stands before its item {item}", text("id"))));
        if data["complete"] == "true" {
            out.extend(lacks(&text("subject"), data, over));
        }
    }
    (out, counts)
}

/// What a transcript lacks, or has otherwise.
fn lacks(subject: &str, data: &Value, over: &HashMap<String, &Ended>) -> Option<String> {
    let Some(one) = over.get(subject) else { return Some(format!("{subject} is complete and goes on")) };
    let items = data["items"].as_array().unwrap();
    let same = one.log.len() == items.len()
        && one
            .log
            .iter()
            .zip(items)
            .all(|(truth, item)| content(truth, "type") == content(&item["message"], "kind"));
    (!same).then(|| {
        format!("{subject} is complete with {} items, the log has {}: {data}", items.len(), one.log.len())
    })
}

/// A line of the command that is wrong.
fn wrong(line: &Value, over: &HashMap<String, &Ended>) -> Option<String> {
    let subject = format!("{}/{}", line["medium"].as_str()?, line["interaction"].as_str()?);
    if line["complete"] != "true" {
        return line["reasons"].as_array()?.is_empty().then(|| format!("no reason: {line}"));
    }
    let whole = over.get(&subject).map(|one| one.log.len() as u64);
    (line["items"].as_u64() != whole).then(|| format!("{line}: the log has {whole:?}"))
}
