//! Dead letters for whoever asks: which are meant, and what is done with them.
//!
//! The same for the admin API and for a command that finds no daemon. Every action leaves one line in the log, with
//! counts and the filter, without content. Deliberately absent: who may ask (`admin`), and printing.

use crate::admin::{Letters, Question, Refusal};
use crate::base::time::Millis;
use crate::journal::{DeadLetter, Journal, LetterFilter};
use crate::outbound::mask::Mask;
use crate::outbound::settings::SinkConfig;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;

/// One dead letter with what its sink would get.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shown {
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The beginning of the last answer.
    pub answer: String,
    /// The envelope as the sink may see it.
    pub event: Value,
}

/// What is done to many letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Redrive,
    Purge,
}

/// Which letters are meant; the error says what is wrong with the words.
pub fn filter(letters: &Letters, sinks: &[SinkConfig]) -> Result<LetterFilter, String> {
    if let Some(name) = &letters.sink
        && !sinks.iter().any(|sink| sink.name == *name)
    {
        let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
        return Err(format!("sink {name}: no such sink; there are: {}", names.join(", ")));
    }
    Ok(LetterFilter {
        sink: letters.sink.clone(),
        agent: letters.agent.clone(),
        interaction: letters.interaction.clone(),
        kind: letters.r#type.clone(),
        reason: letters.reason.clone(),
        id: letters.id.clone(),
        since: letters.since.as_deref().map(|text| moment("since", text)).transpose()?,
        until: letters.until.as_deref().map(|text| moment("until", text)).transpose()?,
    })
}

/// A time, or how long ago.
fn moment(name: &str, text: &str) -> Result<Millis, String> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(stamp.as_millisecond());
    }
    let ago: Option<SignedDuration> = text.parse().ok();
    let ago = ago.filter(|ago| !ago.is_negative()).and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    ago.map(Timestamp::as_millisecond).ok_or_else(|| {
        format!("{name}: {text:?} is neither a time (2026-01-31T12:00:00Z) nor how long ago (90m, 36h)")
    })
}

/// The answer to a question about dead letters.
pub async fn answer(question: Question, journal: &Journal, sinks: &[SinkConfig]) -> Result<Value, Refusal> {
    let meant = |letters: &Letters| filter(letters, sinks).map_err(Refusal::Invalid);
    match question {
        Question::DeadLetters { letters, limit } => {
            let found = journal.dead_letters(&meant(&letters)?, limit).await.map_err(unavailable)?;
            let found = as_the_sinks_may_see(found, sinks, &journal.digest_key()).await;
            let found = found.map_err(Refusal::Unavailable)?;
            serde_json::to_value(found).map_err(unavailable)
        }
        Question::CountLetters { letters } => {
            let counts = journal.count_dead_letters(&meant(&letters)?).await.map_err(unavailable)?;
            serde_json::to_value(counts).map_err(unavailable)
        }
        Question::ShowLetter { number } => show(journal, number, sinks).await,
        Question::Redrive { letters } => act(Action::Redrive, journal, &letters, sinks).await,
        Question::Purge { letters } => act(Action::Purge, journal, &letters, sinks).await,
        _ => Err(Refusal::NotFound("no question about dead letters".to_owned())),
    }
}

/// Does it, or only says what it would do.
pub async fn act(
    action: Action,
    journal: &Journal,
    letters: &Letters,
    sinks: &[SinkConfig],
) -> Result<Value, Refusal> {
    let filter = filter(letters, sinks).map_err(Refusal::Invalid)?;
    if filter == LetterFilter::default() && !letters.all {
        let text = "all dead letters of all sinks? Say which ones, or all=true";
        return Err(Refusal::Invalid(text.to_owned()));
    }
    if letters.rate == Some(0) {
        return Err(Refusal::Invalid("rate: at least 1 a second".to_owned()));
    }
    let counts = journal.count_dead_letters(&filter).await.map_err(unavailable)?;
    if letters.dry_run {
        return Ok(json!({"dry_run": true, "counts": counts}));
    }
    let (word, done) = match action {
        Action::Redrive => ("redrive", journal.redrive_dead_letters(&filter, letters.rate).await),
        Action::Purge => ("purge", journal.purge_dead_letters(&filter).await),
    };
    // The filter may name an interaction or an agent's key, never content.
    tracing::warn!(
        audit = true,
        action = word,
        letters = done.as_ref().map_or_else(|error| format!("broken off: {error}"), u64::to_string),
        sink = filter.sink.as_deref().unwrap_or("all"),
        filter = serde_json::to_string(&filter).unwrap_or_default(),
        "an operator acts on dead letters"
    );
    let done = done.map_err(unavailable)?;
    Ok(json!({"dry_run": false, "letters": done, "counts": counts}))
}

pub async fn show(journal: &Journal, number: u64, sinks: &[SinkConfig]) -> Result<Value, Refusal> {
    let found = journal.dead_letter(number).await.map_err(unavailable)?;
    let Some((letter, event, answer)) = found else {
        return Err(Refusal::NotFound(format!("there is no dead letter {number}")));
    };
    let mask = mask_of(&letter.sink, sinks, &journal.digest_key()).await.map_err(Refusal::Unavailable)?;
    let masked = mask.apply(&event);
    let text = crate::base::encode::structured(&masked, &journal.sequence_text(letter.sequence));
    let event = text.ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    serde_json::to_value(Shown { letter: named(letter, &mask), answer, event }).map_err(unavailable)
}

/// Letters as they are listed: `id` and `subject` are those that the sink gets.
/// `secret` is the journal's own.
pub async fn as_the_sinks_may_see(
    letters: Vec<DeadLetter>,
    sinks: &[SinkConfig],
    secret: &[u8; 32],
) -> Result<Vec<DeadLetter>, String> {
    let mut masks: HashMap<String, Mask> = HashMap::new();
    let mut out = Vec::with_capacity(letters.len());
    for letter in letters {
        if !masks.contains_key(&letter.sink) {
            masks.insert(letter.sink.clone(), mask_of(&letter.sink, sinks, secret).await?);
        }
        out.push(match masks.get(&letter.sink) {
            Some(mask) => named(letter, mask),
            None => letter,
        });
    }
    Ok(out)
}

fn named(mut letter: DeadLetter, mask: &Mask) -> DeadLetter {
    (letter.id, letter.subject) = mask.names(&letter.id, &letter.subject);
    letter
}

/// Of a sink that is no longer configured nothing with content is shown.
async fn mask_of(name: &str, sinks: &[SinkConfig], secret: &[u8; 32]) -> Result<Mask, String> {
    match sinks.iter().find(|sink| sink.name == name) {
        Some(sink) => Mask::new(sink, secret).await.map_err(|reason| format!("sink {name}: {reason}")),
        None => Ok(Mask::without_content(secret)),
    }
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_stamp_or_how_long_ago() {
        assert_eq!(moment("since", "2026-01-31T12:00:00Z"), Ok(1_769_860_800_000));
        // The later look at the clock comes last, or a millisecond between the two would count against it.
        let then = moment("since", "36h").unwrap();
        let ago = Timestamp::now().as_millisecond() - then;
        assert!((129_600_000..129_660_000).contains(&ago));
        for wrong in ["yesterday", "-5m", "", "5"] {
            assert!(moment("until", wrong).unwrap_err().starts_with("until: "), "{wrong}");
        }
    }
}
