//! The stdout sink: one structured envelope a line, or for a person at a terminal one event a line (`pretty`).
//!
//! One thread writes and flushes, so that a slow reader holds up this lane alone: a call comes back only when its
//! lines are out. A reader that has gone away ends the lane. Deliberately absent: logs, which go to stderr.

mod pretty;

use super::{Cause, Delivery, Outcome, Shape, Shown, closed};
use crate::base::encode;
use crate::outbound::settings::StdoutMode;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// One call at a time: lines keep the journal's order.
pub const SHAPE: Shape = Shape {
    calls: 1,
    items: 256,
    keys: 256,
    per_key: 256,
    window_events: 512,
    window_bytes: 8 << 20,
    max_retry_after: Duration::ZERO,
    frozen: false,
    parks: false,
    exact: false,
};

/// Every word that stands in a cause of this sink.
pub const REASONS: &[&str] = &["broken-pipe", "closed", "io", "not-encodable"];

/// Lines for the thread, and where it says how it went.
struct Job {
    lines: Vec<u8>,
    done: oneshot::Sender<Result<(), ErrorKind>>,
}

pub struct StdoutSink {
    pretty: bool,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl StdoutSink {
    /// Standard output itself.
    pub fn start(mode: StdoutMode) -> Result<StdoutSink, String> {
        let stdout = std::io::stdout();
        let pretty = match mode {
            StdoutMode::Lines => false,
            StdoutMode::Pretty => true,
            StdoutMode::Auto => stdout.is_terminal(),
        };
        StdoutSink::new(stdout, pretty)
    }

    /// Starts the writing thread; fails only where the system gives no thread.
    pub fn new(to: impl Write + Send + 'static, pretty: bool) -> Result<StdoutSink, String> {
        let (jobs, inbox) = mpsc::channel(1);
        let (ending, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("stdout sink".to_owned())
            .spawn(move || {
                write_jobs(to, inbox);
                let _ = ending.send(());
            })
            .map_err(|error| format!("no thread for writing: {error}"))?;
        Ok(StdoutSink { pretty, jobs: Mutex::new(Some(jobs)), ended: Mutex::new(Some(ended)) })
    }

    pub async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let Some(jobs) = self.sender() else { return closed(batch) };
        let mut lines = Vec::with_capacity(batch.len().saturating_mul(1024));
        let mut outcomes = Vec::with_capacity(batch.len());
        for delivery in batch {
            let line = if self.pretty { Some(pretty::line(&delivery.event)) } else { structured(delivery) };
            match line {
                Some(line) => {
                    lines.extend(line);
                    lines.push(b'\n');
                    outcomes.push(Outcome::Done);
                }
                None => outcomes.push(Outcome::Reject { cause: super::not_encodable() }),
            }
        }
        let (done, written) = oneshot::channel();
        if jobs.send(Job { lines, done }).await.is_err() {
            return closed(batch);
        }
        let failed = match written.await {
            Ok(Ok(())) => return outcomes,
            Ok(Err(kind)) => failure(kind),
            Err(_) => return closed(batch),
        };
        // How much of the batch came through is not known: all of it follows again, under the same ids.
        let again = |outcome| if outcome == Outcome::Done { failed.clone() } else { outcome };
        outcomes.into_iter().map(again).collect()
    }

    /// The envelope also where lines are for people: it says all that leaves. None where the event can not be encoded.
    pub fn shown(delivery: &Delivery) -> Option<Shown> {
        Some(Shown { beside: Vec::new(), body: ("line", structured(delivery)?) })
    }

    /// Waits until the last line is out, at most `grace`.
    pub async fn close(&self, grace: Duration) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            let _ = tokio::time::timeout(grace, ended).await;
        }
    }

    fn sender(&self) -> Option<mpsc::Sender<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `raw` keeps the sender's line breaks; between JSON tokens a blank means the same, and inside a string none can stand.
fn structured(delivery: &Delivery) -> Option<Vec<u8>> {
    let mut line = encode::structured(&delivery.event, &delivery.sequence_text).ok()?;
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    Some(line)
}

fn failure(kind: ErrorKind) -> Outcome {
    if kind == ErrorKind::BrokenPipe {
        return Outcome::Disable {
            cause: Cause::new("broken-pipe", "the reader of standard output is gone"),
        };
    }
    let cause = Cause::new("io", format!("standard output can not be written: {kind}"));
    Outcome::Retry { cause, after: None }
}

fn write_jobs(mut to: impl Write, mut inbox: mpsc::Receiver<Job>) {
    let mut torn = false;
    while let Some(Job { lines, done }) = inbox.blocking_recv() {
        let written = write(&mut to, &lines, torn);
        torn = written.is_err();
        let _ = done.send(written.map_err(|error| error.kind()));
    }
}

/// After a failure a line may be half written: a line break first, so that it spoils nothing more.
fn write(to: &mut impl Write, lines: &[u8], torn: bool) -> std::io::Result<()> {
    if torn {
        to.write_all(b"\n")?;
    }
    to.write_all(lines)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::delivery;
    use std::collections::VecDeque;
    use std::sync::Arc;

    /// Fails as told, else keeps what it gets.
    #[derive(Clone, Default)]
    struct Pipe {
        failures: Arc<Mutex<VecDeque<ErrorKind>>>,
        kept: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if let Some(kind) = self.failures.lock().unwrap().pop_front() {
                self.kept.lock().unwrap().extend_from_slice(&bytes[..bytes.len() / 2]);
                return Err(kind.into());
            }
            self.kept.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_disables_the_sink() {
        let pipe = Pipe::default();
        pipe.failures.lock().unwrap().push_back(ErrorKind::BrokenPipe);
        let sink = StdoutSink::new(pipe, false).unwrap();
        let outcomes = sink.deliver(&[delivery(1, "a")]).await;
        assert!(matches!(&outcomes[..], [Outcome::Disable { cause }] if cause.reason == "broken-pipe"));
    }

    #[tokio::test]
    async fn after_another_failure_whole_lines_follow_on_a_line_of_their_own() {
        let pipe = Pipe::default();
        pipe.failures.lock().unwrap().push_back(ErrorKind::StorageFull);
        let sink = StdoutSink::new(pipe.clone(), false).unwrap();
        let outcomes = sink.deliver(&[delivery(1, "a")]).await;
        assert!(matches!(&outcomes[..], [Outcome::Retry { cause, .. }] if cause.reason == "io"));
        assert_eq!(sink.deliver(&[delivery(1, "a")]).await, [Outcome::Done]);
        let text = String::from_utf8(pipe.kept.lock().unwrap().clone()).unwrap();
        let last = text.lines().last().unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(last).is_ok(), "{text}");
    }

    #[tokio::test]
    async fn closing_does_not_wait_for_a_reader_that_does_not_read() {
        let (held, pipe) = std::os::unix::net::UnixStream::pair().unwrap();
        let sink = StdoutSink::new(pipe, false).unwrap();
        let batch: Vec<_> = (1..2000).map(|number| delivery(number, "a")).collect();
        {
            let call = sink.deliver(&batch);
            tokio::pin!(call);
            assert!(futures_util::poll!(&mut call).is_pending());
        }
        sink.close(Duration::from_millis(1)).await;
        drop(held);
    }
}
