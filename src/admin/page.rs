//! The status page: plain HTML for people, without scripts or anything from elsewhere.
//!
//! Deliberately absent: anything `/api/v1/status` and `/readyz?verbose` do not say.

use super::Status;
use crate::base::health::{self, Health};
use jiff::Timestamp;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;\
background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:1.6rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.good{color:#16692b}.poor{color:#8a5a00}.bad{color:#a31515}\
@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}th,td{border-color:#444}.good{color:#6cc583}\
.poor{color:#e0b050}.bad{color:#ff8a80}}";

/// The whole page.
pub fn render(status: &Status, health: &Health, now: Timestamp) -> String {
    let (word, class) = match (health.stuck().is_empty(), health.unready().is_empty()) {
        (false, _) => ("not alive", "bad"),
        (true, false) => ("not ready", "bad"),
        (true, true) => ("ready", "good"),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>cometbridge: {word}</title><style>{STYLE}</style></head><body>\
         <h1>cometbridge {} is <span class=\"{class}\">{word}</span></h1><p>Up {} (since {}). Also here: \
         <a href=\"/readyz?verbose\">readiness</a>, <a href=\"/metrics\">metrics</a>, \
         <a href=\"/api/v1/status\">this as JSON</a>.</p>{}{}{}{}</body></html>\n",
        escape(&status.version),
        uptime(&status.started, now),
        escape(&status.started),
        sites(status),
        sinks(status),
        journal(status),
        parts(health),
    )
}

fn sites(status: &Status) -> String {
    let mut rows = String::new();
    for site in &status.sites {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td>\
             <td>{}</td></tr>",
            escape(&site.name),
            site.agents,
            counts(&site.standings),
            counts(&site.sessions),
            site.without_ack,
            nodes(site),
            escape(&site.base_url),
            remarks(site)
        );
    }
    let head = "<th>Site</th><th class=\"n\">Agents</th><th>Standing</th><th>Sessions</th><th class=\"n\">Without ack</th>\
                <th>Nodes</th><th>Base URL in use</th><th>Remarks</th>";
    table("Sites", head, &rows)
}

fn counts(states: &super::States) -> String {
    let counts: Vec<String> =
        states.iter().map(|(state, count)| format!("{count} {}", escape(state))).collect();
    counts.join(", ")
}

fn nodes(site: &super::SiteStatus) -> String {
    match site.nodes {
        0 => "unknown".to_owned(),
        1 => "1".to_owned(),
        nodes => format!("{nodes}, the busiest with {}", site.busiest_node),
    }
}

/// What an operator has to know, and perhaps to do.
fn remarks(site: &super::SiteStatus) -> String {
    let mut out = String::new();
    if !site.paused.is_empty() {
        let _ = write!(out, "<span class=\"bad\">logins are paused: {}</span> ", escape(&site.paused));
    }
    if !site.roster.is_empty() {
        let _ = write!(out, "<span class=\"poor\">roster: {}</span>", escape(&site.roster));
    }
    out
}

fn sinks(status: &Status) -> String {
    let mut rows = String::new();
    for sink in &status.sinks {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td>{}</td></tr>",
            escape(&sink.name),
            escape(&sink.kind),
            escape(&sink.state),
            sink.lag_events,
            bytes(sink.lag_bytes),
            span(sink.lag_seconds),
            sink.parked_events,
            escape(&sink.detail)
        );
    }
    let head = "<th>Sink</th><th>Kind</th><th>State</th><th class=\"n\">Behind by events</th><th class=\"n\">Bytes</th>\
                <th class=\"n\">Time</th><th class=\"n\">Parked</th><th>Detail</th>";
    table("Sinks", head, &rows)
}

fn journal(status: &Status) -> String {
    let journal = &status.journal;
    let row = format!(
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
        escape(&journal.state),
        journal.last_sequence,
        journal.events,
        bytes(journal.bytes)
    );
    let head = "<th>State</th><th class=\"n\">Last sequence</th><th class=\"n\">Events kept</th><th class=\"n\">Size</th>";
    table("Journal", head, &row)
}

fn parts(health: &Health) -> String {
    let mut rows = String::new();
    for task in health.stuck() {
        let _ = write!(rows, "<tr><td>task</td><td class=\"bad\">{}</td></tr>", escape(&task));
    }
    for (part, how) in health.parts() {
        let (class, word, why) = match how {
            health::Status::Ok => ("good", "ok", String::new()),
            health::Status::Starting => ("poor", "starting", String::new()),
            health::Status::Degraded(why) => ("poor", "degraded: ", why),
            health::Status::Down(why) => ("bad", "down: ", why),
        };
        let part = escape(&part);
        let _ = write!(rows, "<tr><td>{part}</td><td class=\"{class}\">{word}{}</td></tr>", escape(&why));
    }
    table("Parts", "<th>Part</th><th>How it is</th>", &rows)
}

fn table(title: &str, head: &str, rows: &str) -> String {
    if rows.is_empty() {
        return format!("<h2>{title}</h2><p>None.</p>");
    }
    format!("<h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
}

/// Text as it may stand in HTML, between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn uptime(started: &str, now: Timestamp) -> String {
    match started.parse::<Timestamp>() {
        Ok(started) => span(now.duration_since(started).as_secs_f64()),
        Err(_) => "for an unknown time".to_owned(),
    }
}

/// `3 d 4 h`, `5 min 10 s`, `0.3 s`: the two largest units.
fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats clamp when cast")]
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{} KiB", count / 1_024),
        1_048_576..1_073_741_824 => format!("{} MiB", count / 1_048_576),
        _ => format!("{}.{} GiB", count / 1_073_741_824, count % 1_073_741_824 * 10 / 1_073_741_824),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{JournalStatus, SinkStatus, SiteStatus};
    use proptest::prelude::*;

    fn status(text: &str) -> Status {
        Status {
            version: text.to_owned(),
            started: "2026-11-22T07:00:00Z".to_owned(),
            sites: vec![SiteStatus {
                name: text.to_owned(),
                sessions: [(text.to_owned(), 3)].into(),
                standings: [(text.to_owned(), 3)].into(),
                base_url: text.to_owned(),
                paused: text.to_owned(),
                roster: text.to_owned(),
                ..SiteStatus::default()
            }],
            sinks: vec![SinkStatus {
                name: text.to_owned(),
                kind: text.to_owned(),
                state: text.to_owned(),
                detail: text.to_owned(),
                ..SinkStatus::default()
            }],
            journal: JournalStatus { state: text.to_owned(), ..JournalStatus::default() },
        }
    }

    #[test]
    fn times_and_sizes_are_readable() {
        let started: Timestamp = "2026-11-22T07:00:00Z".parse().unwrap();
        let now = started + jiff::SignedDuration::from_secs(3 * 86_400 + 4 * 3_600 + 5);
        assert_eq!(uptime("2026-11-22T07:00:00Z", now), "3 d 4 h");
        assert_eq!(
            [span(0.25), span(59.9), span(61.0), span(f64::NAN)],
            ["0.2 s", "59 s", "1 min 1 s", "0 s"]
        );
        assert_eq!([bytes(5), bytes(2_048), bytes(1_610_612_736)], ["5 B", "2 KiB", "1.5 GiB"]);
    }

    #[test]
    fn names_and_reasons_can_not_become_markup() {
        let health = Health::default();
        health.set("<script>p", health::Status::Down("<script>w".into()));
        let html = render(&status("<script>'\"&"), &health, Timestamp::now());
        assert!(!html.contains("<script"));
        assert!(html.contains("&lt;script&gt;&#39;&quot;&amp;"));
        assert!(html.contains("&lt;script&gt;w"));
        assert!(html.contains("not ready"));
    }

    #[test]
    fn a_site_shows_standings_nodes_pause_and_roster() {
        let mut status = status("2");
        status.sites = vec![SiteStatus {
            standings: [("live".to_owned(), 7), ("silent".to_owned(), 1)].into(),
            nodes: 3,
            busiest_node: 5,
            paused: "works on the directory".to_owned(),
            roster: "a change waits".to_owned(),
            ..SiteStatus::default()
        }];
        let html = sites(&status);
        for text in
            ["7 live, 1 silent", "3, the busiest with 5", "logins are paused: works on", "roster: a change"]
        {
            assert!(html.contains(text), "{text} in {html}");
        }
        status.sites = vec![SiteStatus::default()];
        let html = sites(&status);
        assert!(!html.contains("paused") && !html.contains("roster:") && html.contains("unknown"), "{html}");
    }

    proptest! {
        #[test]
        fn escaped_text_holds_no_markup(text in ".*") {
            let escaped = escape(&text);
            let markup = ['<', '>', '"', '\''];
            prop_assert!(!escaped.contains(markup.as_slice()));
        }
    }
}
