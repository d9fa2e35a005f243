//! Exactly once: events and the lane's position leave in one transaction.
//!
//! The position is a record of the control topic (`control`). One transaction at a time; one that does not commit is
//! over with its producer: the sink is built anew, and its first question to the control topic says what became of it.
//! Deliberately absent: offsets of consumers, which a sink has none of.

use super::super::{Cause, Decided, Delivery, Local, Outcome, Place};
use super::context::Context;
use super::control::{self, Record};
use super::{KafkaSink, cause};
use crate::journal::Sequence;
use crate::outbound::sink::NoPlace;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For brokers to answer one step of a transaction.
const STEP: Duration = Duration::from_secs(30);
/// A commit that does not come through for so long is given up; what became of it is asked anew.
const COMMIT: Duration = Duration::from_secs(60);
/// Before a topic that a broker does not know is asked for again.
const UNKNOWN: Duration = Duration::from_secs(1);

/// What makes a sink exact.
pub struct Exact {
    pub control: String,
    /// The journal's name, and the sink's.
    pub journal: String,
    pub sink: String,
    /// For the reader of the control topic.
    pub client: ClientConfig,
    committed: Mutex<Option<Sequence>>,
}

/// What every transactional id begins with.
pub const ID_PREFIX: &str = "cometbridge-";

/// The transactional id of a sink: the same over restarts, another for another journal.
pub fn transactional_id(journal: &str, sink: &str) -> String {
    format!("{ID_PREFIX}{journal}-{sink}")
}

impl Exact {
    pub fn new(control: String, journal: &str, sink: &str, client: ClientConfig) -> Exact {
        let (journal, sink) = (journal.to_owned(), sink.to_owned());
        Exact { control, journal, sink, client, committed: Mutex::default() }
    }

    pub fn committed(&self) -> Option<Sequence> {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, at: Sequence) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Whether this place can be gone on from, given what the journal knows.
    fn judge(&self, found: Option<Record>, local: &Local) -> Result<Place, Cause> {
        let here = local.position.unwrap_or(0);
        if let Some(decided) = local.decided {
            let ours = found.as_ref().filter(|record| record.journal == self.journal);
            let beside = ours.map(|record| record.beside.clone()).unwrap_or_default();
            let position = match decided {
                Decided::At(position) => position,
                Decided::There => found.map_or(here, |record| record.position.min(local.last)),
            };
            return Ok(Place { position, beside });
        }
        let Some(record) = found else {
            if !local.kept {
                return Ok(Place { position: here, beside: Vec::new() });
            }
            let what = "holds no position of this sink any more, though it did: was it made anew, or its records removed?";
            return Err(self.undecided(what));
        };
        let Record { journal, position, beside } = record;
        if journal != self.journal {
            let what = format!(
                "holds a position of another journal ({journal}, this one is {}): was state_dir lost, or does another cometbridge use this topic and sink name?",
                self.journal
            );
            return Err(self.undecided(&what));
        }
        if position > local.last {
            let what = format!(
                "stands at {position}, beyond the journal's last event ({}): was an older copy of state_dir put back?",
                local.last
            );
            return Err(self.undecided(&what));
        }
        if position < here {
            let what = format!(
                "stands at {position}, behind the journal's own note ({here}): was an older topic put back?"
            );
            return Err(self.undecided(&what));
        }
        Ok(Place { position, beside })
    }

    fn undecided(&self, what: &str) -> Cause {
        Cause::new(
            "position",
            format!(
                "control topic \"{}\" {what} To decide: stop the bridge, cometbridge accept-position --sink {} --from topic|journal|latest|earliest, start it",
                self.control, self.sink
            ),
        )
    }
}

impl KafkaSink {
    /// Ends what an earlier process left open, then asks the control topic.
    pub(in crate::outbound::sink) async fn place(&self, local: &Local) -> Result<Option<Place>, NoPlace> {
        let Some(exact) = &self.exact else { return Ok(None) };
        let found = self.blocking(move |producer| producer.init_transactions(STEP)).await;
        found.map_err(|error| self.no_place(&error))?;
        let (client, topic, key) = (exact.client.clone(), exact.control.clone(), exact.sink.clone());
        let (access, tokens) = (self.access.clone(), self.tokens.clone());
        let context = move || super::reader(&access, tokens.as_ref());
        let read = tokio::task::spawn_blocking(move || control::read(&client, context, &topic, &key)).await;
        let read = read.unwrap_or_else(|_| Err(Cause::new("closed", "the bridge is stopping")));
        let place = exact.judge(read.map_err(NoPlace::Away)?, local).map_err(NoPlace::Undecided)?;
        if local.decided.is_some() {
            // Before anything is delivered from there: a decision is carried out once.
            self.decide(exact, place.position).await.map_err(NoPlace::Away)?;
        }
        exact.commit(place.position);
        Ok(Some(place))
    }

    /// A transaction with the position alone.
    async fn decide(&self, exact: &Exact, position: Sequence) -> Result<(), Cause> {
        let failed = |outcomes: Vec<Outcome>| match outcomes.into_iter().next() {
            Some(Outcome::Reconnect { cause } | Outcome::Retry { cause, .. } | Outcome::Reject { cause }) => {
                Err(cause)
            }
            Some(_) => Err(Cause::new("transaction", "the position could not be put down")),
            None => Ok(()),
        };
        failed(self.deliver_exactly(exact, &[], position).await)
    }

    fn no_place(&self, error: &KafkaError) -> NoPlace {
        match self.ended(error, "transactions can not be begun") {
            Outcome::Reconnect { cause } => NoPlace::Away(self.trouble().unwrap_or(cause)),
            _ => NoPlace::Away(Cause::new("kafka", error.to_string())),
        }
    }

    /// One transaction: all of the batch and the position, or nothing.
    pub(super) async fn deliver_exactly(
        &self,
        exact: &Exact,
        batch: &[Delivery],
        upto: Sequence,
    ) -> Vec<Outcome> {
        if let Err(error) = self.blocking(|producer| producer.begin_transaction()).await {
            return whole(batch, self.ended(&error, "a transaction can not be begun"));
        }
        let outcomes = self.deliver_all(batch).await;
        if outcomes.iter().any(|outcome| *outcome != Outcome::Done) {
            let aborted = self.blocking(|producer| producer.abort_transaction(STEP)).await;
            if outcomes.iter().any(|outcome| retried_for(outcome, &["unknown-topic"])) {
                tokio::time::sleep(UNKNOWN).await;
            }
            return not_all(
                outcomes,
                aborted.err().map(|error| self.ended(&error, "a transaction can not be aborted")),
            );
        }
        let beside = batch.iter().filter(|one| one.beside).map(|one| one.sequence).collect();
        let record = Record { journal: exact.journal.clone(), position: upto, beside };
        if let Err(code) = self.keep(exact, &record).await {
            let cause = cause::told(code, &exact.control);
            let _ = self.blocking(|producer| producer.abort_transaction(STEP)).await;
            return whole(batch, Outcome::Reconnect { cause });
        }
        match self.commit().await {
            Ok(()) => {
                exact.commit(upto);
                outcomes
            }
            Err(error) => whole(batch, self.ended(&error, "a transaction can not be committed")),
        }
    }

    /// Puts the position into the transaction.
    async fn keep(&self, exact: &Exact, record: &Record) -> Result<(), Code> {
        let value = record.text();
        let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let slot = self.flight.reserve(value.len(), 0, tell).await;
        let sent = BaseRecord::with_opaque_to(&exact.control, slot.token())
            .partition(control::PARTITION)
            .key(exact.sink.as_str())
            .payload(value.as_bytes());
        let sent = match self.producer().as_ref() {
            Some(producer) => producer.send(sent).map_err(|(error, _)| error),
            None => return Err(Code::State),
        };
        sent.map_err(|error| error.rdkafka_error_code().unwrap_or(Code::Unknown))?;
        slot.sent();
        match heard.recv().await {
            Some((_, report)) => report,
            None => Err(Code::State),
        }
    }

    /// Asks again as long as the brokers may still say yes.
    async fn commit(&self) -> Result<(), KafkaError> {
        let began = Instant::now();
        loop {
            match self.blocking(|producer| producer.commit_transaction(STEP)).await {
                Err(KafkaError::Transaction(error)) if error.is_retriable() && began.elapsed() < COMMIT => {}
                done => return done,
            }
        }
    }

    /// A step that failed: with this producer nothing more can be done.
    fn ended(&self, error: &KafkaError, what: &str) -> Outcome {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if cause::is_fenced(code) {
            let detail = "the brokers have given this sink's transactional id a new life: it was away for longer than a transaction may take, or, if this comes again and again, a second cometbridge runs on a copy of this state_dir (stop it, then start this one again)";
            return Outcome::Reconnect { cause: Cause::new("fenced", detail) };
        }
        let reason = match cause::reason(code) {
            "kafka" => "transaction",
            reason => reason,
        };
        Outcome::Reconnect { cause: Cause::new(reason, format!("{what}: {code}")) }
    }

    /// Steps of a transaction wait for brokers.
    async fn blocking<F>(&self, step: F) -> Result<(), KafkaError>
    where
        F: FnOnce(&ThreadedProducer<Context>) -> Result<(), KafkaError> + Send + 'static,
    {
        let Some(producer) = self.producer().as_ref().cloned() else { return Err(KafkaError::Canceled) };
        let done = tokio::task::spawn_blocking(move || step(&producer));
        done.await.unwrap_or(Err(KafkaError::Canceled))
    }
}

/// The same for each: nothing of the call was delivered. Only the first carries it: one thing happened.
fn whole(batch: &[Delivery], outcome: Outcome) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Held; batch.len().max(1)];
    if let Some(first) = outcomes.first_mut() {
        *first = outcome;
    }
    outcomes
}

/// A transaction was aborted: what is refused for good is told, the rest was not tried. Where nothing is refused the
/// first failure ends the producer, but for two: a record that is too large for its company is tried alone by the next
/// call, and a topic that one broker does not know is looked for by this producer until it is sure: a new one would
/// begin its search anew, for ever.
fn not_all(mut outcomes: Vec<Outcome>, end: Option<Outcome>) -> Vec<Outcome> {
    let refused = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Reject { .. }));
    let mut first = None;
    for outcome in &mut outcomes {
        match std::mem::replace(outcome, Outcome::Held) {
            reject @ Outcome::Reject { .. } => *outcome = reject,
            waits if retried_for(&waits, &["too-large", "unknown-topic"]) => {}
            Outcome::Retry { cause, .. } => {
                first.get_or_insert(Outcome::Reconnect { cause });
            }
            stronger @ (Outcome::Reconnect { .. } | Outcome::Disable { .. }) => first = Some(stronger),
            _ => {}
        }
    }
    let last = end.or_else(|| first.filter(|_| !refused));
    if let (Some(last), Some(place)) = (last, outcomes.iter_mut().find(|outcome| **outcome == Outcome::Held))
    {
        *place = last;
    }
    outcomes
}

fn retried_for(outcome: &Outcome, reasons: &[&str]) -> bool {
    matches!(outcome, Outcome::Retry { cause, .. } if reasons.contains(&cause.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(position: Sequence, last: Sequence, kept: bool) -> Local {
        Local { position: Some(position), last, kept, decided: None }
    }

    fn record(journal: &str, position: Sequence) -> Option<Record> {
        Some(Record { journal: journal.to_owned(), position, beside: vec![3] })
    }

    #[test]
    fn a_place_is_taken_only_where_topic_and_journal_agree() {
        let exact = Exact::new("positions".to_owned(), "j", "events", ClientConfig::new());
        let judged = |found, local: Local| match exact.judge(found, &local) {
            Ok(place) => place.position.to_string(),
            Err(cause) => cause.detail,
        };
        assert_eq!(judged(None, local(5, 9, false)), "5");
        assert_eq!(judged(record("j", 7), local(5, 9, true)), "7");
        for (found, local, word) in [
            (None, local(5, 9, true), "no position of this sink any more"),
            (record("k", 7), local(5, 9, false), "another journal"),
            (record("j", 10), local(5, 9, true), "beyond the journal's last event"),
            (record("j", 4), local(5, 9, true), "behind the journal's own note"),
        ] {
            let said = judged(found, local);
            assert!(said.contains(word) && said.contains("accept-position --sink events"), "{said}");
        }
        let decided = Local { decided: Some(Decided::At(2)), ..local(5, 9, true) };
        assert_eq!(judged(record("k", 7), decided), "2");
        let there = Local { decided: Some(Decided::There), ..local(5, 9, true) };
        assert_eq!(judged(record("k", 7), there), "7");
        assert_eq!(judged(record("k", 70), there), "9");
    }

    #[test]
    fn of_an_aborted_transaction_refusals_are_told_and_the_rest_was_not_tried() {
        let cause = |reason| Cause::new(reason, "");
        let again = Outcome::Retry { cause: cause("timeout"), after: None };
        let reject = Outcome::Reject { cause: cause("unknown-topic") };
        assert_eq!(
            not_all(vec![Outcome::Done, reject.clone(), again.clone()], None),
            [Outcome::Held, reject, Outcome::Held]
        );
        let reconnect = Outcome::Reconnect { cause: cause("timeout") };
        assert_eq!(not_all(vec![Outcome::Done, again], None), [reconnect, Outcome::Held]);
        // Neither needs another producer.
        for reason in ["too-large", "unknown-topic"] {
            let again = Outcome::Retry { cause: cause(reason), after: None };
            assert_eq!(not_all(vec![again, Outcome::Done], None), [Outcome::Held, Outcome::Held]);
        }
    }
}
