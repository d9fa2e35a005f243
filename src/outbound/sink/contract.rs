//! What every sink must do, run against each of them: a new kind of sink adds a [`Bench`] here.

use super::{Delivery, Outcome, Sink, stdout::StdoutSink};
use crate::outbound::testing::delivery;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Ids, once they are asked for.
pub type Ids = Pin<Box<dyn Future<Output = Vec<String>>>>;

/// A sink and what its destination got so far: the events' ids, in order of arrival.
pub struct Bench {
    pub sink: Sink,
    pub received: Box<dyn Fn() -> Ids>,
}

fn batch(keys: &[&str]) -> Vec<Delivery> {
    keys.iter().zip(1..).map(|(key, number)| delivery(number, key)).collect()
}

fn of_key(ids: &[String], key: &str) -> Vec<String> {
    ids.iter().filter(|id| id.contains(&format!("/{key}/"))).cloned().collect()
}

/// The contract of a destination that works.
pub async fn holds(bench: Bench) {
    let Bench { sink, received } = bench;
    assert!(sink.deliver(&[], 0).await.is_empty(), "no item, no outcome");
    sink.probe().await.unwrap();
    let keys = ["a", "b", "a", "c", "a", "b"];
    let batch = batch(&keys);
    assert_eq!(sink.deliver(&batch, 0).await, vec![Outcome::Done; keys.len()], "one outcome an item");
    let got = received().await;
    assert_eq!(got.len(), keys.len(), "each once: {got:?}");
    for key in ["a", "b", "c"] {
        let sent: Vec<_> = batch
            .iter()
            .filter(|one| one.event.partitionkey == key)
            .map(|one| one.event.id.clone())
            .collect();
        assert_eq!(of_key(&got, key), sent, "order within a key");
    }
    let (one, two) = ([delivery(11, "x")], [delivery(12, "y")]);
    let (first, second) = tokio::join!(sink.deliver(&one, 0), sink.deliver(&two, 0));
    assert_eq!((first, second), (vec![Outcome::Done], vec![Outcome::Done]), "two calls at once");
    let shape = sink.shape();
    assert!(shape.calls > 0 && shape.items > 0 && shape.keys > 0 && shape.per_key > 0);
    assert!(shape.window_events >= shape.items && shape.window_bytes > 0);
    sink.close(Duration::from_secs(5)).await;
    let after = sink.deliver(&[delivery(13, "z")], 0).await;
    assert!(matches!(&after[..], [Outcome::Retry { .. }]), "a closed sink delivers nothing: {after:?}");
    assert_eq!(received().await.len(), keys.len() + 2);
    sink.close(Duration::ZERO).await;
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn stdout_holds_the_contract() {
    let lines = Lines::default();
    let sink = Sink::Stdout(StdoutSink::new(lines.clone(), false).unwrap());
    let received = Box::new(move || {
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let id = |line: &str| {
            let envelope: serde_json::Value = serde_json::from_str(line).unwrap();
            envelope["id"].as_str().unwrap().to_owned()
        };
        let ids: Vec<_> = text.lines().map(id).collect();
        Box::pin(async move { ids }) as Ids
    });
    holds(Bench { sink, received }).await;
}
