//! Logs: to standard error, as text or JSON. Standard output belongs to the stdout sink.

use crate::config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// Speaks of each connection it refuses, as of an error of its own; the session says it once, with more.
const ECHOES: &str = "rustls_platform_verifier=off";

/// Sets the process's log up; the second call is refused and changes nothing.
pub fn start(settings: &LogSettings) {
    // librdkafka speaks through tracing too: its warnings are wanted, its chatter is not.
    start_filtered(settings, "rdkafka=warn,librdkafka=warn");
}

/// As [`start`], but a module, e.g. `cometbridge::outbound`, is not heard.
pub fn start_without(settings: &LogSettings, module: &str) {
    start_filtered(settings, &format!("{module}=off"));
}

fn start_filtered(settings: &LogSettings, directives: &str) {
    let filter = EnvFilter::new(format!("{},{ECHOES},{directives}", settings.level));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Set already: a test in the same process.
    let _ = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
}
