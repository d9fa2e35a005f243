//! The shipped examples load, and say what they mean to say.

use super::tests::Home;
use crate::base::secret::SecretRef;
use crate::inbound::settings::Scope;
use crate::outbound::settings::{KafkaMode, OnLimit, Preset, Target};

pub(super) const PRODUCTION: &str = include_str!("../../config/examples/production.toml");
const LAPTOP: &str = include_str!("../../config/examples/laptop.toml");
const SASL: &str = include_str!("../../config/examples/kafka-sasl.toml");

/// A throw-away certificate; its key was never kept.
pub(super) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUbmj9BLdLjFLw7H8CPwqAwR6wD2owCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjIxNDQ4NTRaGA8yMTI2MTAyOTE0NDg1
NFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMI1
sIoYQNzV9wM/x7ocjmFZafJuMpBFqiYREKMIQTzmn4JGlKrzxQlWzQPIwbAirFDp
awM69RiZQj2vcDrdwwWjUzBRMB0GA1UdDgQWBBRuSV86/1nGR7tkMl/Bnm9wV4pY
QzAfBgNVHSMEGDAWgBRuSV86/1nGR7tkMl/Bnm9wV4pYQzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQClFPaCJHjwknHFCb/CNGiUMpAtJ/r+SMST
DJFS8VsKUAIgXbf/rPxhsAviVYXis05OpwvEMC7G+tDsFVdYFVyb+cM=
-----END CERTIFICATE-----
";

/// Every file that the examples name.
pub(super) fn furnish(home: &Home) {
    home.put("ca.pem", CERTIFICATE, 0o644);
    home.put("branch.csv", "agent,username\n2001,bert\n", 0o600);
    home.put("passwords.csv", "anna,hunter2\n", 0o600);
    for name in [
        "admin.token",
        "state.key",
        "proxy.password",
        "crm.secret",
        "crm.authorization",
        "client.pem",
        "kafka.key.password",
    ] {
        home.put(name, "whsec_hunter2\n", 0o600);
    }
}

fn load(text: &str) -> (Home, crate::config::Settings) {
    let home = Home::new();
    furnish(&home);
    let text = text.replace("/etc/cometbridge", "DIR");
    let text = text
        .replace("\"roster/agents.csv\"", "\"DIR/agents.csv\"")
        .replace("\"roster/passwords.csv\"", "\"DIR/passwords.csv\"");
    let settings = home.load(&text, &[], &[]);
    let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
    (home, settings)
}

#[test]
fn the_production_example_loads() {
    let (home, settings) = load(PRODUCTION);
    assert_eq!(
        settings.sites.iter().map(|site| site.realm.as_str()).collect::<Vec<_>>(),
        ["centre", "centre"]
    );
    let main = settings.sites.iter().find(|site| site.name == "main").unwrap();
    assert_eq!(main.base_urls.len(), 2);
    assert_eq!(main.time_zone.iana_name(), Some("Europe/Berlin"));
    let [kafka, webhook] = &settings.sinks[..] else { panic!("two sinks") };
    assert_eq!(
        (kafka.name.as_str(), kafka.raw, kafka.max_lag.on_limit),
        ("events", true, OnLimit::StopIntake)
    );
    assert_eq!(webhook.matching.medium, ["facebooksession", "chat"]);
    let Target::Webhook(target) = &webhook.target else { panic!("a webhook") };
    assert_eq!(target.secrets, [SecretRef::File(home.path("crm.secret"))]);
    assert_eq!((target.headers.len(), target.concurrency), (2, 16));
    let places: Vec<_> = settings.secrets.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        places,
        [
            "admin.token",
            "state_key",
            "site.branch.roster.passwords",
            "site.branch.proxy_password",
            "site.main.roster.passwords",
            "sink.webhook.crm.secrets[0]",
            "sink.webhook.crm.headers.Authorization",
        ]
    );
}

#[test]
fn the_laptop_example_loads() {
    let (_home, settings) = load(LAPTOP);
    assert_eq!(settings.sinks.len(), 1);
    assert!(matches!(settings.sinks[0].target, Target::Stdout(_)));
    assert_eq!(settings.sites[0].base_urls[0].scheme(), "http");
}

#[test]
fn the_kafka_example_loads() {
    let (_home, settings) = load(SASL);
    assert_eq!(settings.sites[0].scope, Scope::Agent);
    let Target::Kafka(events) = &settings.sinks[0].target else { panic!("Kafka") };
    assert_eq!(events.mode, KafkaMode::Structured);
    let password = SecretRef::Credential("kafka.password".to_owned());
    assert_eq!(events.librdkafka_secrets, [("sasl.password".to_owned(), password)]);
    assert!(events.librdkafka.contains(&("sasl.username".to_owned(), "cometbridge".to_owned())));
    assert_eq!(settings.sinks[1].privacy.preset, Preset::NoContent);
}
