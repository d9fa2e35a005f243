//! A cluster that says on its way down that it has no brokers.
//!
//! Neither librdkafka's mock cluster nor a real broker says it when asked to: this one speaks just enough of Kafka.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// So many that librdkafka's main thread is still busy with them when the thread of the broker it forgot has ended.
const MANY: i32 = 5_000;
const NO_LEADER: i32 = -1;

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;
/// With the one version of each that is spoken.
const SPOKEN: [(i16, i16); 5] =
    [(PRODUCE, 3), (FETCH, 4), (METADATA, 1), (API_VERSIONS, 0), (INIT_PRODUCER_ID, 0)];

const UNSUPPORTED_VERSION: i16 = 35;
const NOT_LEADER: i16 = 6;
const LEADER_NOT_AVAILABLE: i16 = 5;

struct Broker {
    port: u16,
    leaving: AtomicBool,
    /// It has said that there are no brokers.
    told: AtomicBool,
}

impl Broker {
    async fn start() -> Arc<Broker> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = Arc::new(Broker { port, leaving: AtomicBool::new(false), told: AtomicBool::new(false) });
        let serving = Arc::clone(&broker);
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&serving).serve(connection));
            }
        });
        broker
    }

    /// Until the client hangs up.
    async fn serve(self: Arc<Self>, mut connection: TcpStream) {
        while let Ok(size) = connection.read_i32().await {
            let mut request = vec![0; usize::try_from(size).unwrap()];
            connection.read_exact(&mut request).await.unwrap();
            let mut request = &request[..];
            let (api, version) = (int16(&mut request), int16(&mut request));
            let correlation = int32(&mut request);
            text(&mut request);
            let mut reply = correlation.to_be_bytes().to_vec();
            self.answer(api, version, request, &mut reply);
            connection.write_i32(i32::try_from(reply.len()).unwrap()).await.unwrap();
            connection.write_all(&reply).await.unwrap();
        }
    }

    fn answer(&self, api: i16, version: i16, request: &[u8], reply: &mut Vec<u8>) {
        let leaving = self.leaving.load(Ordering::SeqCst);
        match api {
            API_VERSIONS => {
                put16(reply, if version == 0 { 0 } else { UNSUPPORTED_VERSION });
                put32(reply, i32::try_from(SPOKEN.len()).unwrap());
                for (api, version) in SPOKEN {
                    [api, version, version].into_iter().for_each(|number| put16(reply, number));
                }
            }
            METADATA => {
                self.metadata(leaving, reply);
                self.told.fetch_or(leaving, Ordering::SeqCst);
            }
            INIT_PRODUCER_ID => {
                put32(reply, 0);
                put16(reply, 0);
                reply.extend(7_i64.to_be_bytes());
                put16(reply, 0);
            }
            PRODUCE => produced(leaving, request, reply),
            other => panic!("nobody asks for {other}"),
        }
    }

    fn metadata(&self, leaving: bool, reply: &mut Vec<u8>) {
        put32(reply, i32::from(!leaving));
        if !leaving {
            put32(reply, 1);
            put_text(reply, "127.0.0.1");
            put32(reply, i32::from(self.port));
            put16(reply, -1);
        }
        put32(reply, if leaving { -1 } else { 1 });
        put32(reply, 1);
        put16(reply, 0);
        put_text(reply, "t");
        reply.push(0);
        put32(reply, MANY);
        for partition in 0..MANY {
            put16(reply, if leaving { LEADER_NOT_AVAILABLE } else { 0 });
            put32(reply, partition);
            put32(reply, if leaving { NO_LEADER } else { 1 });
            // Replicas, and those in sync.
            for _ in 0..2 {
                put32(reply, 1);
                put32(reply, 1);
            }
        }
    }
}

fn produced(leaving: bool, mut request: &[u8], reply: &mut Vec<u8>) {
    text(&mut request);
    int16(&mut request);
    int32(&mut request);
    assert_eq!(int32(&mut request), 1, "one topic");
    let topic = text(&mut request);
    assert_eq!(int32(&mut request), 1, "one partition");
    put32(reply, 1);
    put_text(reply, &topic);
    put32(reply, 1);
    put32(reply, int32(&mut request));
    put16(reply, if leaving { NOT_LEADER } else { 0 });
    reply.extend(0_i64.to_be_bytes());
    reply.extend((-1_i64).to_be_bytes());
    put32(reply, 0);
}

fn int16(from: &mut &[u8]) -> i16 {
    let (number, rest) = from.split_first_chunk().unwrap();
    *from = rest;
    i16::from_be_bytes(*number)
}

fn int32(from: &mut &[u8]) -> i32 {
    let (number, rest) = from.split_first_chunk().unwrap();
    *from = rest;
    i32::from_be_bytes(*number)
}

/// None is an empty one here.
fn text(from: &mut &[u8]) -> String {
    let length = usize::try_from(int16(from)).unwrap_or(0);
    let (text, rest) = from.split_at(length);
    let text = String::from_utf8(text.to_vec()).unwrap();
    *from = rest;
    text
}

fn put16(to: &mut Vec<u8>, number: i16) {
    to.extend(number.to_be_bytes());
}

fn put32(to: &mut Vec<u8>, number: i32) {
    to.extend(number.to_be_bytes());
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    put16(to, i16::try_from(text.len()).unwrap());
    to.extend(text.as_bytes());
}

/// Far longer than any of it takes.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it comes back")
}

/// What becomes of events while the cluster is out for a moment.
async fn over_an_outage(broker: &Broker, config: &KafkaConfig) -> Vec<Outcome> {
    let sink = KafkaSink::build(config, "journal", "sink").await.unwrap();
    assert_eq!(soon(sink.deliver(&[delivery(1, "k")], 0)).await, [Outcome::Done]);
    broker.told.store(false, Ordering::SeqCst);
    broker.leaving.store(true, Ordering::SeqCst);
    let batch = [delivery(2, "k"), delivery(3, "k")];
    let call = sink.deliver(&batch, 0);
    tokio::pin!(call);
    soon(async {
        while !broker.told.load(Ordering::SeqCst) {
            assert!(futures_util::poll!(&mut call).is_pending());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    broker.leaving.store(false, Ordering::SeqCst);
    soon(call).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_forgotten_all_its_brokers_is_left_for_a_new_one() {
    let broker = Broker::start().await;
    let config = KafkaConfig {
        brokers: vec![format!("127.0.0.1:{}", broker.port)],
        librdkafka: Vec::new(),
        ..config(&cluster(), KafkaMode::Binary)
    };
    // Now and then librdkafka's threads meet in time, and it finds its way back by itself.
    for _ in 0..30 {
        let outcomes = over_an_outage(&broker, &config).await;
        if outcomes == [Outcome::Done, Outcome::Done] {
            continue;
        }
        for outcome in &outcomes {
            let left = matches!(outcome, Outcome::Reconnect { cause } if cause.reason == "stranded");
            assert!(left, "{outcomes:?}");
        }
        let sink = KafkaSink::build(&config, "journal", "sink").await.unwrap();
        assert_eq!(soon(sink.deliver(&[delivery(2, "k")], 0)).await, [Outcome::Done]);
        return;
    }
    panic!("librdkafka does not forget its brokers for good any more: what watches over it can go");
}
