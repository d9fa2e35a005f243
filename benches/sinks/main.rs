//! What leaves the daemon, beside the least that could send it: Kafka beside a raw `BaseProducer`, a webhook beside a
//! raw reqwest loop, and batches beside single requests.
//!
//! A journal is filled once; each run of the daemon reads it from its beginning under a new sink's name. The broker is
//! the one of the tests (tests/peers), the receiver a process of its own. Both sides take turns, and a ratio is the one in
//! the middle of the turns', as a machine may change its pace between them. `cargo bench --bench
//! sinks`; `-- --only kafka` or `webhook` does half; `-- --quick` sends little, and its figures say nothing. It prints ratios beside what is wanted of them and
//! asserts nothing of time; it fails where something is not delivered. Deliberately absent: TLS, several brokers.

// A failed test or benchmark says so by a panic; the rules against it are for the product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::too_many_lines)]

mod events;
mod lane;
mod peers;
mod raw;

use lane::Bed;
use peers::{Kafka, receiver};

/// Requests in flight, and events of a batch.
const CONCURRENCY: usize = 32;
const BATCH: usize = 100;

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub a_second: f64,
    /// Processor time of the sending process.
    pub micros_each: f64,
}

struct Size {
    kafka: usize,
    single: usize,
    batches: usize,
    turns: usize,
    /// Of single requests, whose ratio sways most.
    single_turns: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let at = |name: &str| arguments.iter().position(|argument| argument == name);
    if let Some(at) = at("--raw-kafka") {
        let structured = arguments[at + 4] == "structured";
        return raw::kafka(
            &arguments[at + 1],
            &arguments[at + 2],
            arguments[at + 3].parse().unwrap(),
            structured,
        );
    }
    if let Some(at) = at("--raw-webhook") {
        let (count, batch) = (arguments[at + 2].parse().unwrap(), arguments[at + 3].parse().unwrap());
        return raw::webhook(&arguments[at + 1], count, batch, CONCURRENCY);
    }
    if at("--receiver").is_some() {
        return peers::receive();
    }
    let size = if at("--quick").is_some() {
        Size { kafka: 3_000, single: 1_000, batches: 3_000, turns: 1, single_turns: 1 }
    } else {
        Size { kafka: 400_000, single: 60_000, batches: 400_000, turns: 3, single_turns: 7 }
    };
    let bed = Bed::fill(size.kafka.max(size.single).max(size.batches));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("{} B a value, load average {}", events::VALUE, load.split(' ').next().unwrap());
    let only = at("--only").map(|at| arguments[at + 1].clone());
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    if wanted("kafka") {
        of_kafka(&bed, &size);
    }
    if wanted("webhook") {
        of_webhooks(&bed, &size);
    }
}

fn of_kafka(bed: &Bed, size: &Size) {
    let broker = Kafka::start();
    let mut both = Vec::new();
    for mode in ["binary", "structured"] {
        let (mut raw, mut lanes) = (Vec::new(), Vec::new());
        for turn in 0..size.turns {
            let (theirs, ours) = (format!("raw-{mode}-{turn}"), format!("lane-{mode}-{turn}"));
            broker.prepare(&[&theirs, &ours]);
            let count = size.kafka.to_string();
            raw.push(raw::measured(&["--raw-kafka", &broker.brokers, &theirs, &count, mode]));
            let table =
                format!("brokers = [\"{}\"]\ntopic = \"{ours}\"\nmode = \"{mode}\"\n", broker.brokers);
            lanes.push(bed.run("kafka", &ours, &table, size.kafka));
        }
        let ratio = ratio(&lanes, &raw);
        let (raw, lane) = (median(raw), median(lanes));
        show(&format!("raw producer, {mode}"), raw);
        show(&format!("Kafka lane, {mode}"), lane);
        at_least(&format!("T13, {mode}: Kafka events/s, cometbridge / raw"), ratio, 0.7);
        both.push((mode, raw, lane));
    }
    for (mode, raw, lane) in both {
        // What librdkafka alone takes of it is no less than the raw loop's.
        println!(
            "T13, {mode}: processor time above the raw loop's, us: {:.1}",
            lane.micros_each - raw.micros_each
        );
        at_most(&format!("T13, {mode}: processor time of a Kafka event, us"), lane.micros_each, 5.0);
    }
}

fn of_webhooks(bed: &Bed, size: &Size) {
    let (_receiver, url) = receiver();
    let (mut raw, mut single) = (Vec::new(), Vec::new());
    let (mut raw_batches, mut batches) = (Vec::new(), Vec::new());
    let table = |more: &str| {
        format!(
            "url = \"{url}\"\nsecrets = [{{ env = \"BENCH_SECRET\" }}]\nconcurrency = {CONCURRENCY}\n{more}"
        )
    };
    let batch = table(&format!("mode = \"batch\"\nbatch = {{ events = {BATCH}, bytes = \"1MiB\" }}\n"));
    let raw_loop = |count: usize, batch: usize| {
        raw::measured(&["--raw-webhook", &url, &count.to_string(), &batch.to_string()])
    };
    for turn in 0..size.single_turns {
        raw.push(raw_loop(size.single, 1));
        single.push(bed.run("webhook", &format!("single-{turn}"), &table(""), size.single));
    }
    for turn in 0..size.turns {
        raw_batches.push(raw_loop(size.batches.max(BATCH * CONCURRENCY), BATCH));
        batches.push(bed.run("webhook", &format!("batch-{turn}"), &batch, size.batches));
    }
    let of_single = ratio(&single, &raw);
    let (raw, single) = (median(raw), median(single));
    let (raw_batches, batches) = (median(raw_batches), median(batches));
    show("raw reqwest loop", raw);
    show("webhook lane", single);
    show("raw loop, batches", raw_batches);
    show("webhook lane, batches", batches);
    at_least("T14, webhook events/s, cometbridge / raw", of_single, 0.8);
    println!("T14, batches beside the raw loop's: {:.2}", batches.a_second / raw_batches.a_second);
    println!("T14, the raw loop's batches / its single requests: {:.2}", raw_batches.a_second / raw.a_second);
    at_least("T14, webhook events/s, batches / single", batches.a_second / single.a_second, 40.0);
}

/// Of the events a second of each turn.
fn ratio(ours: &[Measured], theirs: &[Measured]) -> f64 {
    let of_turn = |(ours, theirs): (&Measured, &Measured)| ours.a_second / theirs.a_second;
    let mut turns: Vec<f64> = ours.iter().zip(theirs).map(of_turn).collect();
    turns.sort_by(f64::total_cmp);
    println!("    by turn: {}", turns.iter().map(|one| format!("{one:.2}")).collect::<Vec<_>>().join(" "));
    turns[turns.len() / 2]
}

/// The run in the middle, by events a second.
fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|one, other| one.a_second.total_cmp(&other.a_second));
    runs[runs.len() / 2]
}

fn show(name: &str, run: Measured) {
    println!("{name:>24}: {:.0} events/s, {:.1} us of processor time each", run.a_second, run.micros_each);
}

fn at_least(what: &str, is: f64, wanted: f64) {
    let word = if is >= wanted { "PASS" } else { "over" };
    println!("{what}: {is:.2}, wanted at least {wanted:.1}: {word}");
}

fn at_most(what: &str, is: f64, wanted: f64) {
    let word = if is <= wanted { "PASS" } else { "over" };
    println!("{what}: {is:.2}, wanted at most {wanted:.1}: {word}");
}
