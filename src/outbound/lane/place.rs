//! Sinks that keep their own position: the destination's one counts, the stored one follows it.
//!
//! Deliberately absent: how a destination keeps it.

use super::{Fault, Lane, TICK};
use crate::journal::Sequence;
use crate::outbound::lane::aside::Aside;
use crate::outbound::sink::{Cause, Decided, Local, NoPlace, Place, Sink};
use crate::outbound::source::Source;
use crate::outbound::window::Window;
use tokio::time::Instant;

/// The journal's note on a sink that keeps its own position: [`KEPT`], or what somebody decided on: a sequence or
/// [`TOPIC`].
const NOTE: &str = "exactly-once ";
const KEPT: &str = "kept";
/// The destination is right, whatever it says.
pub const TOPIC: &str = "topic";

/// Fenced so often without a commit in between, the sink ends.
const FENCED: u32 = 4;

/// The name of the note on a sink.
pub fn position_note(sink: &str) -> String {
    format!("{NOTE}{sink}")
}

fn decided(note: &str) -> Option<Decided> {
    if note == TOPIC { Some(Decided::There) } else { note.parse().ok().map(Decided::At) }
}

impl<S: Source> Lane<S> {
    /// Before a sink's first delivery: goes on where the destination stands. The inner error says why it can not.
    pub(super) async fn take_place(&mut self, sink: &Sink) -> Result<Result<(), NoPlace>, Fault> {
        let shape = sink.shape();
        if !shape.exact {
            return Ok(Ok(()));
        }
        let note = self.source.note(&position_note(&self.config.name)).await?;
        let local = Local {
            position: self.settled,
            last: self.head.borrow().last,
            kept: note.is_some(),
            decided: note.as_deref().and_then(decided),
        };
        self.noted = note.as_deref() == Some(KEPT);
        let place = match self.ask(sink, local).await? {
            Ok(place) => place,
            Err(none) => return Ok(Err(none)),
        };
        let Some(Place { position, beside }) = place else { return Ok(Ok(())) };
        if local.decided.is_some() {
            // The destination holds it now. Where it is further back, the journal must not trim beyond it any more.
            let (sink, note) = (&self.config.name, position_note(&self.config.name));
            let stored = self.source.set_position(sink, position, &note, KEPT);
            stored.await.map_err(|error| Fault::Journal(error.to_string()))?;
            (self.noted, self.settled) = (true, Some(position));
        }
        self.crowded = None;
        tracing::info!(sink = self.config.name, position, "the destination stands after this sequence");
        self.committed = Some(position);
        self.reading = None;
        self.window = Window::new(position, shape.window_events, shape.window_bytes);
        self.next.unpark.extend(beside);
        self.last_settle().await?;
        self.aside = Aside::new(self.config.park);
        let parked = self.source.parked_keys(&self.config.name).await?;
        self.aside.found(parked, self.wiring.clock.now(), Instant::now());
        self.skip = self.source.aside_after(&self.config.name, position).await?.into_iter().collect();
        Ok(Ok(()))
    }

    /// Asks the destination, which can take a while; a stop and the limits are heard meanwhile.
    async fn ask(&mut self, sink: &Sink, local: Local) -> Result<Result<Option<Place>, NoPlace>, Fault> {
        let away = |what: &str| Ok(Err(NoPlace::Away(Cause::new("closed", what))));
        let asked = sink.place(local);
        tokio::pin!(asked);
        let stop = self.wiring.stop.clone();
        loop {
            tokio::select! {
                place = &mut asked => return Ok(place),
                () = stop.cancelled() => return away("the bridge is stopping"),
                () = tokio::time::sleep(TICK) => {
                    if self.tick().await? {
                        return away("the lane was moved on meanwhile");
                    }
                }
            }
        }
    }

    /// Before the lane is moved on: a destination that keeps the position is told so when it can be asked again.
    pub(super) async fn jump(&mut self, to: Sequence) -> Result<(), Fault> {
        if self.committed.is_none() {
            return Ok(());
        }
        let noted = self.source.set_note(&position_note(&self.config.name), &to.to_string()).await;
        noted.map_err(|error| Fault::Journal(error.to_string()))?;
        (self.committed, self.noted) = (Some(to), false);
        Ok(())
    }

    /// Brokers fence a producer that was away for too long, and so does a second process with the same journal: only
    /// the latter does it again and again.
    pub(super) fn keeps_being_fenced(&mut self, cause: &Cause) -> bool {
        self.fenced = if cause.reason == "fenced" { self.fenced.saturating_add(1) } else { 0 };
        self.fenced >= FENCED
    }

    /// After a call: what the destination keeps now.
    pub(super) async fn moved(&mut self, committed: Option<Sequence>) -> Result<(), Fault> {
        if committed == self.committed {
            return Ok(());
        }
        (self.committed, self.fenced) = (committed, 0);
        self.builds = 0;
        self.report.got_through(self.failing());
        if !self.noted {
            let kept = self.source.set_note(&position_note(&self.config.name), KEPT).await;
            kept.map_err(|error| Fault::Journal(error.to_string()))?;
            self.noted = true;
        }
        Ok(())
    }

    /// The position that may be stored: never beyond the destination's own.
    pub(super) fn to_settle(&self) -> Sequence {
        self.committed.map_or(self.window.position(), |committed| committed.min(self.window.position()))
    }
}
