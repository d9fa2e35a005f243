//! What it costs to make the envelopes of a reply: the daemon's reading, normalising and encoding, beside the least that
//! makes the same envelopes with typed structures, and beside a tree of values.
//!
//! Two replies of the seed: a state change, and a log of six items (six events). First all ways must have made the same
//! envelopes, but for the ids. Processor time of one thread; the ways take turns, the turn in the middle counts. `cargo
//! bench --bench normalise`; `-- --quick` takes little, and its figures say nothing. It prints ratios beside what is
//! wanted of them and asserts nothing of time. Deliberately absent: HTTP, dedup, the journal.

// A failed test or benchmark says so by a panic; the rules against it are for the product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::too_many_lines)]

mod ours;
mod tree;
mod typed;

use serde_json::{Value, json};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What all ways write alike.
pub const AGENT: &str = "1001";
pub const SEQUENCE: &str = "1763793600-0000000000000000042";
pub const RECORDED: &str = "2026-11-22T07:00:00.123Z";

/// Makes a reply's envelopes, each with a line's end after it.
type Way = fn(&[u8], &mut Vec<u8>);

const WAYS: [(&str, Way); 3] = [
    ("cometbridge", ours::envelopes),
    ("typed structures", typed::envelopes),
    ("tree of values", tree::envelopes),
];

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (turns, each) = if quick { (1, Duration::from_millis(5)) } else { (15, Duration::from_millis(100)) };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("load average {}", load.split(' ').next().unwrap());
    for seed in ["state", "log"] {
        let body = body(seed);
        let events = same(&body);
        let mut costs = [const { Vec::new() }; WAYS.len()];
        for _ in 0..turns {
            for ((_, way), costs) in WAYS.iter().zip(&mut costs) {
                costs.push(cost(*way, &body, each));
            }
        }
        let costs = costs.map(median);
        println!("{seed}: a reply of {} B, {events} events", body.len());
        for ((name, _), cost) in WAYS.iter().zip(costs) {
            println!("{name:>24}: {cost:.0} ns a notification, {:.0} ns an event", cost / events as f64);
        }
        let [ours, typed, tree] = costs;
        at_most(&format!("T8, {seed}: cometbridge / typed structures"), ours / typed, 1.5);
        at_most(&format!("T8, {seed}: cometbridge / tree of values"), ours / tree, 0.5);
    }
}

/// A connect's reply with one notification of the golden corpus, as servers write it: without white space.
fn body(seed: &str) -> Vec<u8> {
    let file =
        format!("{}/tests/fixtures/normalise/seed-facebooksession-{seed}.json", env!("CARGO_MANIFEST_DIR"));
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let notification = json!({"channel": fixture["channel"], "data": fixture["data"]});
    let connect = json!({"channel": "/meta/connect", "id": "42", "successful": true, "ext": {"ack": 7}});
    json!([notification, connect]).to_string().into_bytes()
}

/// Whether all ways make the same envelopes; how many.
fn same(body: &[u8]) -> usize {
    let of = |way: Way| {
        let mut out = Vec::new();
        way(body, &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .map(|mut event: Value| {
                // Ids are made in different ways, from the same content.
                assert!(event.as_object_mut().unwrap().remove("id").is_some());
                event
            })
            .collect::<Vec<_>>()
    };
    let all = WAYS.map(|(_, way)| of(way));
    assert!(!all[0].is_empty());
    assert_eq!(all[1], all[0], "typed structures");
    assert_eq!(all[2], all[0], "tree of values");
    all[0].len()
}

/// Nanoseconds of processor time for one reply.
fn cost(way: Way, body: &[u8], long: Duration) -> f64 {
    let mut out = Vec::new();
    let (began, used) = (Instant::now(), cpu());
    let mut times = 0;
    while began.elapsed() < long {
        for _ in 0..50 {
            out.clear();
            way(black_box(body), &mut out);
            black_box(&out);
        }
        times += 50;
    }
    cpu().saturating_sub(used).as_nanos() as f64 / f64::from(times)
}

/// Processor time of this thread.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

fn at_most(what: &str, is: f64, wanted: f64) {
    let word = if is <= wanted { "PASS" } else { "over" };
    println!("{what}: {is:.2}, wanted at most {wanted:.1}: {word}");
}
