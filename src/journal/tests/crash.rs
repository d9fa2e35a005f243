//! Kill -9: the test binary runs itself as a child, which appends and prints what was acknowledged, until killed.

use super::*;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

const DIR: &str = "COMETBRIDGE_TEST_CRASH_DIR";
const ROUNDS: u64 = 25;

/// Only something to run as a child: without the directory it has nothing to do.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let bench = open(Config { state_dir: dir.into(), ..config(&temp) }).unwrap();
        bench.journal.register_sinks(&[("k".to_owned(), StartAt::Earliest)]).await.unwrap();
        let mut out = std::io::stdout();
        for n in bench.recovery.last.. {
            let mut append = events([format!("{n}a"), format!("{n}b")]);
            append.marks.push(mark(&format!("{}", n % 7), n.cast_signed(), "x", 1));
            append.known.push(known("main/1001", &format!("{}", n % 5), true, n.cast_signed()));
            // By the journal's clock, or what looks after it takes them as long expired.
            append.gaps.push(gap("main/1001", &format!("{}", n % 3), Some(START + n.cast_signed())));
            let last = settled(bench.journal.append(append)).await.unwrap().last;
            // The reader at the other end may be gone with the kill.
            writeln!(out, "acked {last}").ok();
            out.flush().ok();
            if n % 5 == 0 {
                drop(bench.journal.settle(settle("k", last.saturating_sub(20))));
            }
            if n % 50 == 0 {
                bench.journal.trim().await.unwrap();
            }
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let temp = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::tests::crash::child", "--nocapture", "--test-threads=1"])
            .env(DIR, state_dir(&temp))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = random.usize(1..60);
        let (mut acked, mut seen) = (0, 0);
        for line in lines {
            // What is in the pipe at the kill was acknowledged too.
            let line = line.unwrap();
            let Some(last) = line.split("acked ").nth(1).and_then(|text| text.parse::<u64>().ok()) else {
                continue;
            };
            acked = last;
            seen += 1;
            if seen == wanted {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(acked > before, "seed {seed}, round {round}: the child wrote nothing");
        runtime.block_on(async {
            let bench = open(config(&temp)).unwrap();
            assert!(bench.recovery.last >= acked, "seed {seed}, round {round}");
            assert_eq!(bench.recovery.last % 2, 0, "seed {seed}: half a batch");
            let position = bench.journal.position("k").await.unwrap();
            let read = bench.journal.read(position, 100_000, usize::MAX).await.unwrap();
            let sequences: Vec<u64> = read.events.iter().map(|stored| stored.sequence).collect();
            let expected: Vec<u64> = (position + 1..=bench.recovery.last).collect();
            assert_eq!(sequences, expected, "seed {seed}, round {round}");
            // What sessions know is of the same transaction as the last event, no older and no newer.
            let known = bench.journal.known("main/1001").await.unwrap();
            let newest = known.iter().map(|known| known.at).max().unwrap();
            assert_eq!(read.events.last().unwrap().event.id, format!("{newest}b"), "seed {seed}");
            let gaps = bench.journal.gaps(None, false, 9).await.unwrap();
            assert_eq!(gaps.iter().filter_map(|gap| gap.to).max(), Some(START + newest), "seed {seed}");
            before = bench.recovery.last;
            bench.journal.close().await;
        });
    }
}
