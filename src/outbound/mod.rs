//! Journal → lanes → sinks: what leaves the bridge.
//!
//! Each sink has a lane that reads the journal at its own pace from its own durable position. Deliberately
//! absent: any knowledge of CometD or of where an event came from.

pub mod settings;
pub mod sink;
