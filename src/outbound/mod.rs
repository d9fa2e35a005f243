//! Journal → lanes → sinks: what leaves the bridge.
//!
//! Each sink has a lane that reads the journal at its own pace from its own durable position. `fanout` starts
//! the lanes, `lane` is one of them (with `window`, what it holds in hand, `lag`, how far behind it may fall, and
//! `report`, what it says of itself), `route` and `mask` say what a sink wants and may see, `sample` shows it, `sink`
//! delivers, `oauth` is what its token fetchers share. `transcript` makes events of what the journal holds.
//! Deliberately absent: any knowledge of CometD or of where an event came from.

pub mod fanout;
mod lag;
mod lane;
pub mod mask;
mod oauth;
mod report;
pub mod route;
mod sample;
pub mod settings;
pub mod sink;
pub mod source;
pub mod transcript;
mod window;

pub use fanout::{Lanes, start};
pub use lane::{TOPIC, position_note};
pub use sink::{notes, probe_live, probe_offline};

#[cfg(test)]
mod lane_tests;
#[cfg(test)]
pub(crate) mod testing;
