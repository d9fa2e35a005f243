//! Messages stored but not acknowledged: they will come again, first and in the same order.
//!
//! Deliberately absent: recognising a repeat by its meaning (that is `dedup`); here bytes are compared.

use crate::base::digest::Digest;

/// Digests of the raw messages of replies that closed no batch.
#[derive(Clone, Debug, Default)]
pub struct Pending(Vec<Digest>);

/// More than this is not remembered: what comes again beyond it counts as new (duplicates over loss).
const MAX: usize = 10_000;

impl Pending {
    /// A new session knows nothing of the old one's queue.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// How many of the first messages are a repeat of what is pending: the longest match from the start.
    /// What follows the first difference is new.
    pub fn repeats(&self, messages: &[Digest]) -> usize {
        self.0.iter().zip(messages).take_while(|(stored, came)| stored == came).count()
    }

    /// After a batch was stored: a closed batch ends all waiting, an open one adds to it.
    pub fn stored(&mut self, messages: &[Digest], unacknowledged: bool) {
        let repeats = self.repeats(messages);
        if !unacknowledged {
            self.0.clear();
        } else {
            self.0.extend(messages.iter().skip(repeats).take(MAX.saturating_sub(self.0.len())));
        }
    }

    /// From a checkpoint; what is no digest there is left out, and counts as new when it comes again.
    pub fn from_hex(list: &[String]) -> Pending {
        Pending(list.iter().take(MAX).map_while(|hex| Digest::from_hex(hex)).collect())
    }

    /// For the checkpoint.
    pub fn hex(&self) -> Vec<String> {
        self.0.iter().map(Digest::hex).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(text: &str) -> Vec<Digest> {
        text.bytes().map(|byte| Digest::of(&[byte])).collect()
    }

    #[test]
    fn the_first_messages_of_a_redelivered_batch_are_repeats_up_to_the_first_difference() {
        let mut pending = Pending::default();
        pending.stored(&digests("ab"), true);
        assert_eq!(pending.repeats(&digests("abc")), 2);
        assert_eq!(pending.repeats(&digests("axb")), 1);
        assert_eq!(pending.repeats(&digests("ba")), 0);
        pending.stored(&digests("abc"), true);
        assert_eq!(pending.repeats(&digests("abcd")), 3);
        pending.stored(&digests("abc"), false);
        assert_eq!(pending.repeats(&digests("abc")), 0);
    }
}
