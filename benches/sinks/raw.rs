//! The raw loops: the least that sends the same, each in a process of its own that prints what it came to.
//!
//! Deliberately absent: a journal, JSON, signatures, tries after the first.

use crate::peers::cpu;
use crate::{Measured, events};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs this program with these arguments and reads its figures.
pub fn measured(arguments: &[&str]) -> Measured {
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut figures = text.split_whitespace().map(|figure| figure.parse().unwrap());
    Measured { a_second: figures.next().unwrap(), micros_each: figures.next().unwrap() }
}

fn print(count: usize, began: Instant, used: Duration) {
    let used = cpu(std::process::id()).saturating_sub(used);
    let a_second = count as f64 / began.elapsed().as_secs_f64();
    println!("{a_second} {}", used.as_secs_f64() * 1e6 / count as f64);
}

/// The same records with the client settings of the sink, but for librdkafka's five requests in flight, made beforehand in
/// part: the loop is to cost nothing itself.
/// Structured records hold the whole envelope as their value and one header.
pub fn kafka(brokers: &str, topic: &str, count: usize, structured: bool) {
    let mut config = ClientConfig::new();
    for (name, value) in [
        ("bootstrap.servers", brokers),
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("compression.type", "lz4"),
        ("linger.ms", "5"),
        ("message.timeout.ms", "0"),
        ("partitioner", "murmur2_random"),
    ] {
        config.set(name, value);
    }
    let producer: BaseProducer = config.create().unwrap();
    // Where the topic is, and one record: the lane's clock runs from its first ones on, too.
    producer.send(BaseRecord::to(topic).key("first").payload("first")).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(60)).unwrap();
    let some: Vec<_> = (0..events::KEYS.min(count)).map(|n| ready(n, structured)).collect();
    let (began, used) = (Instant::now(), cpu(std::process::id()));
    for (key, headers, value) in some.iter().cycle().take(count) {
        let mut record = BaseRecord::to(topic).key(key).payload(value).headers(headers.clone());
        while let Err((error, same)) = producer.send(record) {
            assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
            producer.poll(Duration::from_millis(1));
            record = same;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    print(count, began, used);
}

/// Key, headers and value of a record.
fn ready(n: usize, structured: bool) -> (String, OwnedHeaders, String) {
    let of_type = ("content-type".to_owned(), "application/cloudevents+json".to_owned());
    let (list, value) =
        if structured { (vec![of_type], events::envelope(n)) } else { (events::headers(n), events::data(n)) };
    let headers = list.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
        headers.insert(Header { key: name, value: Some(value) })
    });
    (events::key(n), headers, value)
}

/// So many events a request (one, or a list of them), so many requests at once. The body is made beforehand.
pub fn webhook(url: &str, count: usize, batch: usize, concurrency: usize) {
    let (requests, body, content_type) = if batch == 1 {
        (count, events::envelope(0), "application/cloudevents+json")
    } else {
        let list: Vec<_> = (0..batch).map(events::envelope).collect();
        (count / batch, format!("[{}]", list.join(",")), "application/cloudevents-batch+json")
    };
    let each = requests / concurrency;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (began, used) = (Instant::now(), cpu(std::process::id()));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..concurrency {
            let (client, url, body) = (client.clone(), url.to_owned(), body.clone());
            tasks.spawn(async move {
                for _ in 0..each {
                    let request = client.post(&url).header("content-type", content_type);
                    let reply = request.body(body.clone()).send().await.unwrap();
                    assert!(reply.status().is_success());
                    reply.bytes().await.unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        print(each * concurrency * batch, began, used);
    });
}
