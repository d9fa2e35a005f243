//! Logs: to standard error, as text or JSON. Standard output belongs to the stdout sink.

use crate::config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// Sets the process's log up; the second call is refused and changes nothing.
pub fn start(settings: &LogSettings) {
    // librdkafka speaks through tracing too: its warnings are wanted, its chatter is not.
    let filter = EnvFilter::new(format!("{},rdkafka=warn,librdkafka=warn", settings.level));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Set already: a test in the same process.
    let _ = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
}
