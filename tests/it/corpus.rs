//! The golden corpus from outside: each notification through a real CometD server and the built binary gives its golden
//! envelope at every sink.
//!
//! What the journal gives (`sequence`, `recordedtime`, ids that are made there, `time` where nothing else says one) is the
//! unit test's own in the files, so it is left out. Deliberately absent: examples of sites with other settings.

use crate::data_path::{RETRIES, event_of};
use crate::harness::cometd::{Cometd, Kind, Publish};
use crate::harness::daemon::Home;
use crate::harness::kafka::Kafka;
use crate::harness::receiver::Receiver;
use crate::harness::root;
use crate::harness::sinks::{kafka, stdout, webhook};
use crate::harness::workload;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Everything GWS tells, and nothing of the bridge's own.
const ALL: &str = "match = { visibility = [] }\n\
    except = { event = [\"gap\", \"gap_opened\", \"gap_closed\", \"ended_unseen\", \"silent\"] }\nraw = true\n";
/// Every set.
pub const SUBSCRIBE: &str = "site.main.subscribe=[\"conversations\", \"agent-states\", \"services\", \"calls\", \"emails\", \
    \"social\", \"workitems\", \"im\", \"workbins\", \"outbound\", \"users\"]";

/// The notifications, and the envelopes that must come of them. An example whose log items stand in one before it is
/// left out: they would be repeats.
fn corpus(user: &str) -> (Vec<Publish>, Vec<String>) {
    let folder = root().join("tests/fixtures/normalise");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let (mut publish, mut expected, mut items) = (Vec::new(), Vec::new(), BTreeSet::new());
    for path in files {
        let fixture: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let events = fixture["expected"].as_array().unwrap();
        let ids: Vec<&str> = events.iter().filter_map(log_item).collect();
        if fixture["site"] != json!({}) || ids.iter().any(|id| items.contains(*id)) {
            continue;
        }
        items.extend(ids.into_iter().map(str::to_owned));
        publish.push(Publish {
            user: user.to_owned(),
            channel: fixture["channel"].as_str().unwrap().to_owned(),
            data: fixture["data"].clone(),
            tag: fixture["name"].as_str().unwrap().to_owned(),
        });
        expected.extend(events.iter().map(comparable));
    }
    expected.sort();
    (publish, expected)
}

fn log_item(event: &Value) -> Option<&str> {
    event["id"].as_str().filter(|id| id.contains("/messages/"))
}

fn comparable(event: &Value) -> String {
    let (of_item, received) = (log_item(event).is_some(), event["timesource"] == "receipt");
    let mut event = event.clone();
    let attributes = event.as_object_mut().unwrap();
    attributes.retain(|name, _| match name.as_str() {
        // Kafka's binary mode has it in `content-type`.
        "sequence" | "recordedtime" | "datacontenttype" => false,
        "id" => of_item,
        "time" => !received,
        _ => true,
    });
    // Since when an agent's state stands depends on the examples before.
    if attributes["type"] == "genesys.gws.agent.state_change.v1" {
        attributes["data"].as_object_mut().unwrap().remove("since");
    }
    // And so does which keys of attached data changed.
    if let Some(data) = attributes["data"].as_object_mut() {
        data.remove("userDataChanges");
    }
    // Kafka's headers are texts.
    for value in attributes.values_mut().filter(|value| value.is_number()) {
        *value = json!(value.to_string());
    }
    event.to_string()
}

fn same(sink: &str, events: &[Value], expected: &[String]) {
    let mut found: Vec<String> = events.iter().map(comparable).collect();
    found.sort();
    let missing: Vec<&String> = expected.iter().filter(|one| !found.contains(one)).take(3).collect();
    let more: Vec<&String> = found.iter().filter(|one| !expected.contains(one)).take(3).collect();
    assert!(missing.is_empty() && more.is_empty(), "{sink}: missing {missing:#?}\nnot expected {more:#?}");
    assert_eq!(found.len(), expected.len(), "{sink}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_gives_its_golden_envelopes_at_every_sink() {
    let server = Cometd::start(Kind::Java, &["--max-interval", "60000"]);
    let (broker, receiver, home) = (Kafka::start().await, Receiver::start().await, Home::new());
    let users = workload::users(1);
    home.write_roster(&users);
    let sinks = kafka("events", &broker.brokers(), "gws.events", ALL)
        + &webhook("crm", &receiver.url, ALL)
        + &stdout("console", ALL);
    home.write_config(&server.url, &sinks);
    let mut daemon = home.start_with(&["--set", SUBSCRIBE]);
    daemon.connected(1).await;
    let (publish, expected) = corpus(&users[0]);
    println!("{} notifications, {} events", publish.len(), expected.len());
    assert!(publish.len() > 80);
    for one in &publish {
        let delivered = server.publish(std::slice::from_ref(one)).await;
        assert_eq!(delivered, [1], "{}: on {}", one.tag, one.channel);
    }
    for (kind, sink) in [("kafka", "events"), ("webhook", "crm"), ("stdout", "console")] {
        let series = format!("cometbridge_sink_delivered_total{{kind=\"{kind}\",sink=\"{sink}\"}}");
        daemon.until(&series, Duration::from_secs(120), |n| n >= expected.len() as f64).await;
    }
    let records = broker.read("gws.events", expected.len(), Duration::from_secs(10)).await;
    same("kafka", &records.iter().map(event_of).collect::<Vec<_>>(), &expected);
    same("webhook", &receiver.events_once(daemon.metric(RETRIES).await), &expected);
    let lines: Vec<Value> =
        home.stdout_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    same("stdout", &lines, &expected);
    assert!(daemon.stop().await.success());
}
