//! Tables of sinks for a test's configuration.

/// What the server tells and the bridge knows: without its own events, and without the gaps of interactions.
pub const NOT_BRIDGE: &str = "match = { medium = [\"facebooksession\", \"agent\"], \
    event = [\"message\", \"status_change\", \"properties_updated\", \"error\", \"state_change\"], visibility = [] }\n";
/// The same, and what it does not know.
pub const TOLD: &str = "match = { medium = [\"facebooksession\", \"agent\", \"unknown\"], \
    event = [\"message\", \"status_change\", \"properties_updated\", \"error\", \"state_change\", \"unknown\"], visibility = [] }\n";
/// The bridge's own events only.
pub const BRIDGE: &str = "match = { medium = [\"bridge\"] }\n";
/// Waits that a test can sit out, and no dead letters.
pub const KEEP_TRYING: &str = "retry = { initial = \"20ms\", max = \"200ms\", max_attempts = 100000 }\n";

pub fn kafka(name: &str, brokers: &str, topic: &str, more: &str) -> String {
    format!(
        "[sink.kafka.{name}]\nbrokers = [\"{brokers}\"]\ntopic = \"{topic}\"\n{}{more}",
        default_privacy(more)
    )
}

/// With everything, unless `more` says which events.
/// Signed with the tests' secret, unless `more` names secrets.
pub fn webhook(name: &str, url: &str, more: &str) -> String {
    let secrets = if more.contains("secrets") { "" } else { "secrets = [{ env = \"CRM_SECRET\" }]\n" };
    let all = if more.contains("match") { "" } else { "match = { visibility = [] }\n" };
    format!(
        "[sink.webhook.{name}]\nurl = \"{url}\"\nallow_plaintext = true\n{secrets}{all}{}{more}",
        default_privacy(more)
    )
}

pub fn stdout(name: &str, more: &str) -> String {
    format!("[sink.stdout.{name}]\n{}{more}", default_privacy(more))
}

fn default_privacy(more: &str) -> &'static str {
    if more.contains("privacy") { "" } else { "privacy = \"full\"\n" }
}
