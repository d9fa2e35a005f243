//! `cometbridge agents`, `pause`, `resume` and `retry`: ask the running daemon.
//!
//! Deliberately absent: anything that could be said without a daemon: where none runs, no session is held.

use crate::app::answers::Detail;
use crate::app::cli::{Agents, OfSite, Pause, Retry};
use crate::app::remote::Remote;
use crate::app::run::settings_to_ask;
use crate::app::{Fault, print};
use crate::inbound::fleet::{AgentStatus, Span};
use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// Agents asked for at once.
const PAGE: &str = "1000";

#[derive(Deserialize)]
struct Page {
    agents: Vec<AgentStatus>,
    next: Option<String>,
}

pub async fn agents(arguments: Agents) -> Result<(), Fault> {
    let remote = Remote::new(&settings_to_ask(&arguments.configured)?).await?;
    if let Some(agent) = &arguments.agent {
        let query = [("site", arguments.site.as_deref())];
        let answer = remote.get(&["agents", agent], &query).await?;
        if arguments.json {
            return print(&format!("{answer}\n"));
        }
        let detail: Detail = serde_json::from_value(answer).context("the running daemon's answer")?;
        return print(&one(&detail));
    }
    let mut after: Option<String> = None;
    let mut head = true;
    loop {
        let query = [
            ("limit", Some(PAGE)),
            ("site", arguments.site.as_deref()),
            ("standing", arguments.standing.as_deref()),
            ("after", after.as_deref()),
        ];
        let answer = remote.get(&["agents"], &query).await?;
        let page: Page = serde_json::from_value(answer).context("the running daemon's answer")?;
        print(&if arguments.json { as_json(&page.agents)? } else { as_text(&page.agents, head) })?;
        head = false;
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

pub async fn pause(arguments: Pause) -> Result<(), Fault> {
    let remote = Remote::new(&settings_to_ask(&arguments.configured)?).await?;
    let body = serde_json::json!({"reason": arguments.reason}).to_string();
    done(&remote.post(&["sites", &arguments.site, "pause"], &[], body.into()).await?)
}

pub async fn resume(arguments: OfSite) -> Result<(), Fault> {
    let remote = Remote::new(&settings_to_ask(&arguments.configured)?).await?;
    done(&remote.post(&["sites", &arguments.site, "resume"], &[], Vec::new()).await?)
}

pub async fn retry(arguments: Retry) -> Result<(), Fault> {
    let remote = Remote::new(&settings_to_ask(&arguments.configured)?).await?;
    let site = arguments.site.as_deref();
    match (&arguments.agent, site) {
        (Some(agent), _) => {
            done(&remote.post(&["agents", agent, "retry"], &[("site", site)], Vec::new()).await?)
        }
        // The command line asks for one of them.
        (None, site) => {
            done(&remote.post(&["sites", site.unwrap_or_default(), "retry"], &[], Vec::new()).await?)
        }
    }
}

fn done(answer: &Value) -> Result<(), Fault> {
    let word = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let of = if word("agent").is_empty() { String::new() } else { format!(", agent {}", word("agent")) };
    print(&format!("site {}{of}: {}\n", word("site"), word("done")))
}

fn as_json(agents: &[AgentStatus]) -> Result<String, Fault> {
    let mut out = String::new();
    for agent in agents {
        out.push_str(&serde_json::to_string(agent)?);
        out.push('\n');
    }
    Ok(out)
}

/// A line an agent; the cause last, as it may be long.
fn as_text(agents: &[AgentStatus], head: bool) -> String {
    let mut out = String::new();
    if agents.is_empty() && head {
        return "no agents\n".to_owned();
    }
    if head {
        let _ = writeln!(out, "{:<11} {:<24} {:<16} AGENT  CAUSE", "STANDING", "SINCE", "SITE");
    }
    for status in agents {
        let AgentStatus { agent, site, standing, since, cause, gap, .. } = status;
        let gap = match gap {
            Some(gap) => format!("  [gap since {}: {}]", gap.since, gap.cause),
            None => String::new(),
        };
        // Writing to a String can not fail.
        let _ = writeln!(out, "{standing:<11} {since:<24} {site:<16} {}  {cause}{gap}", printable(agent));
    }
    out
}

/// A key is free text: no control character of it reaches a terminal (none is in a roster that was read well).
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn one(detail: &Detail) -> String {
    let status = &detail.status;
    let mut out = String::new();
    let _ = writeln!(out, "agent {} of site {}", printable(&status.agent), status.site);
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {name:<18} {text}");
        }
    };
    let or_never = |at: &Option<String>| at.clone().unwrap_or_else(|| "never".to_owned());
    line("stands", &format!("{} since {}", status.standing, status.since));
    line("because", &status.cause);
    line("phase", &status.phase);
    line("group", status.group.as_deref().unwrap_or_default());
    line("last good answer", &or_never(&status.last_good));
    line("last notification", &or_never(&status.last_notification));
    line(
        "acknowledges",
        match status.ack {
            Some(true) => "yes",
            Some(false) => "no: a lost reply can not come again",
            None => "not known yet",
        },
    );
    line("node", status.node.as_deref().unwrap_or_default());
    let _ = writeln!(out, "timeline, oldest first");
    if detail.timeline.is_empty() {
        let _ = writeln!(out, "  nothing yet");
    }
    for span in &detail.timeline {
        let _ = writeln!(out, "  {}", of_span(span));
    }
    out
}

fn of_span(span: &Span) -> String {
    let end = |at: &Option<String>, missing: &str| format!("{:<24}", at.as_deref().unwrap_or(missing));
    let from = end(&span.from, "earlier");
    if span.covered {
        return format!("{from}  {}  covered", end(&span.to, "now"));
    }
    let to = end(&span.to, "still open");
    format!("{from}  {to}  BLIND    {} ({}), gap {}", span.cause, span.certainty, span.gapid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::fleet::OpenGap;

    fn status() -> AgentStatus {
        AgentStatus {
            agent: "1001".into(),
            site: "main".into(),
            group: None,
            phase: "backoff".into(),
            standing: "down".into(),
            cause: "HTTP 503".into(),
            since: "2026-11-22T07:00:00.000Z".into(),
            last_good: None,
            last_notification: None,
            ack: Some(false),
            node: Some("a1b2".into()),
            gap: Some(OpenGap {
                id: "g1".into(),
                cause: "server-ended".into(),
                certainty: "certain".into(),
                since: "2026-11-22T06:59:00.000Z".into(),
            }),
        }
    }

    #[test]
    fn a_list_has_a_line_an_agent_with_cause_and_open_gap() {
        assert_eq!(
            as_text(&[status()], true),
            "STANDING    SINCE                    SITE             AGENT  CAUSE\n\
             down        2026-11-22T07:00:00.000Z main             1001  HTTP 503  \
             [gap since 2026-11-22T06:59:00.000Z: server-ended]\n"
        );
        assert_eq!((as_text(&[], true).as_str(), as_text(&[], false).as_str()), ("no agents\n", ""));
    }

    #[test]
    fn one_agent_is_told_with_its_covered_and_blind_time() {
        let span = |from: Option<&str>, to: Option<&str>, covered: bool| Span {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            covered,
            gapid: if covered { String::new() } else { "g1".into() },
            cause: if covered { String::new() } else { "restart".into() },
            certainty: if covered { String::new() } else { "certain".into() },
        };
        let timeline = vec![span(None, Some("T1"), true), span(Some("T1"), None, false)];
        let text = one(&Detail { status: status(), timeline });
        assert_eq!(
            text,
            "agent 1001 of site main\n  stands             down since 2026-11-22T07:00:00.000Z\n  because            HTTP 503\n  \
             phase              backoff\n  last good answer   never\n  last notification  never\n  \
             acknowledges       no: a lost reply can not come again\n  node               a1b2\ntimeline, oldest first\n  \
             earlier                   T1                        covered\n  \
             T1                        still open                BLIND    restart (certain), gap g1\n"
        );
    }

    #[test]
    fn what_the_daemon_answers_is_read_back() {
        let detail = Detail { status: status(), timeline: Vec::new() };
        let text = serde_json::to_string(&detail).unwrap();
        assert!(text.contains(r#""timeline":[]"#) && text.contains(r#""agent":"1001""#), "{text}");
        let back: Detail = serde_json::from_str(&text).unwrap();
        assert_eq!(back.status, detail.status);
    }
}
