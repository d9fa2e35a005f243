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

/// Characters of the hash that an id of an agent's event becomes (`outbound::mask`).
const HASH: usize = 32;

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
        sinks: Vec::new(),
        agent: letters.agent.clone(),
        interaction: letters.interaction.clone(),
        kind: letters.r#type.clone(),
        reason: letters.reason.clone(),
        id: letters.id.clone(),
        since: letters.since.as_deref().map(|text| moment("since", text)).transpose()?,
        until: letters.until.as_deref().map(|text| moment("until", text)).transpose()?,
    })
}

/// What to look through for an id that is not the journal's own, but one as a listing shows it; none where it is the
/// journal's, or there is no id at all. The form tells: `<realm>/<hash>` is no id that an event is given.
pub fn shown(filter: &LetterFilter) -> Option<LetterFilter> {
    let (realm, hash) = filter.id.as_deref()?.split_once('/')?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_hash = hash.len() == HASH && hash.bytes().all(hex);
    (is_hash && !realm.is_empty()).then(|| LetterFilter { id: None, ..filter.clone() })
}

/// The filter by the journal's own id, of those sinks alone that get it as it was asked for; `ids` are sink and id of what
/// [`shown`] says. Nothing that is listed or told says which id that is.
pub async fn as_recorded(
    asked: LetterFilter,
    ids: Vec<(String, String)>,
    sinks: &[SinkConfig],
    secret: &[u8; 32],
) -> Result<LetterFilter, String> {
    let mut masks = Masks::new(sinks, secret);
    let mut filter = asked.clone();
    for (sink, id) in ids {
        let printed = masks.of(&sink).await?.names(&id, "").0;
        if Some(&printed) == asked.id.as_ref() {
            filter.id = Some(id);
            filter.sinks.push(sink);
        }
    }
    Ok(filter)
}

/// Those that are meant, as the journal knows them.
async fn meant(
    asked: &LetterFilter,
    journal: &Journal,
    sinks: &[SinkConfig],
) -> Result<LetterFilter, Refusal> {
    let Some(rest) = shown(asked) else { return Ok(asked.clone()) };
    let ids = journal.dead_letter_ids(&rest).await.map_err(unavailable)?;
    as_recorded(asked.clone(), ids, sinks, &journal.digest_key()).await.map_err(Refusal::Unavailable)
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
    let asked = |letters: &Letters| filter(letters, sinks).map_err(Refusal::Invalid);
    match question {
        Question::DeadLetters { letters, limit } => {
            let meant = meant(&asked(&letters)?, journal, sinks).await?;
            let found = journal.dead_letters(&meant, limit).await.map_err(unavailable)?;
            let found = as_the_sinks_may_see(found, sinks, &journal.digest_key()).await;
            let found = found.map_err(Refusal::Unavailable)?;
            serde_json::to_value(found).map_err(unavailable)
        }
        Question::CountLetters { letters } => {
            let meant = meant(&asked(&letters)?, journal, sinks).await?;
            let counts = journal.count_dead_letters(&meant).await.map_err(unavailable)?;
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
    let asked = filter(letters, sinks).map_err(Refusal::Invalid)?;
    if asked == LetterFilter::default() && !letters.all {
        let text = "all dead letters of all sinks? Say which ones, or all=true";
        return Err(Refusal::Invalid(text.to_owned()));
    }
    if letters.rate == Some(0) {
        return Err(Refusal::Invalid("rate: at least 1 a second".to_owned()));
    }
    let filter = meant(&asked, journal, sinks).await?;
    let counts = journal.count_dead_letters(&filter).await.map_err(unavailable)?;
    if letters.dry_run {
        return Ok(json!({"dry_run": true, "counts": counts}));
    }
    let (word, done) = match action {
        Action::Redrive => ("redrive", journal.redrive_dead_letters(&filter, letters.rate).await),
        Action::Purge => ("purge", journal.purge_dead_letters(&filter).await),
    };
    // As it was asked: it may name an interaction or an agent's key, never content.
    tracing::warn!(
        audit = true,
        action = word,
        letters = done.as_ref().map_or_else(|error| format!("broken off: {error}"), u64::to_string),
        sink = asked.sink.as_deref().unwrap_or("all"),
        filter = serde_json::to_string(&asked).unwrap_or_default(),
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
    let mut masks = Masks::new(sinks, secret);
    let mut out = Vec::with_capacity(letters.len());
    for letter in letters {
        let mask = masks.of(&letter.sink).await?;
        out.push(named(letter, mask));
    }
    Ok(out)
}

/// Each sink's, built when it is first asked for.
struct Masks<'a> {
    sinks: &'a [SinkConfig],
    secret: &'a [u8; 32],
    built: HashMap<String, Mask>,
}

impl<'a> Masks<'a> {
    fn new(sinks: &'a [SinkConfig], secret: &'a [u8; 32]) -> Masks<'a> {
        Masks { sinks, secret, built: HashMap::new() }
    }

    async fn of(&mut self, sink: &str) -> Result<&Mask, String> {
        let mask = match self.built.remove(sink) {
            Some(mask) => mask,
            None => mask_of(sink, self.sinks, self.secret).await?,
        };
        Ok(self.built.entry(sink.to_owned()).or_insert(mask))
    }
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
    use crate::base::secret::SecretRef;
    use crate::outbound::settings::{Policy, Preset};
    use crate::outbound::testing::config;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_listed_id_means_the_letters_that_are_listed_by_it_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("privacy.key");
        std::fs::write(&key, "a key of some length").unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let mut hashed = config("hashed", 1);
        hashed.privacy = Policy::preset(Preset::Pseudonymous);
        hashed.privacy.key = Some(SecretRef::File(key));
        let (sinks, secret) = ([hashed, config("whole", 1)], [7; 32]);
        let (own, other) = ("s/agent/1001/device/aa", "s/agent/1002/device/bb");
        let printed = mask_of("hashed", &sinks, &secret).await.unwrap().names(own, "").0;
        let ids = || {
            let of = |sink: &str, id: &str| (sink.to_owned(), id.to_owned());
            vec![of("hashed", own), of("hashed", other), of("whole", own), of("gone", own)]
        };
        let by = |id: &str| LetterFilter { id: Some(id.to_owned()), ..LetterFilter::default() };
        assert_eq!(shown(&by(&printed)), Some(LetterFilter::default()));
        let found = as_recorded(by(&printed), ids(), &sinks, &secret).await.unwrap();
        assert_eq!((found.id.as_deref(), &found.sinks[..]), (Some(own), &["hashed".to_owned()][..]));
        let unknown = by(&format!("s/{}", "0".repeat(HASH)));
        assert_eq!(as_recorded(unknown.clone(), ids(), &sinks, &secret).await.unwrap(), unknown);
        for recorded in [own, "s/chat/x/messages/5", "019c13f0-0000-7000-8000-000000000001", "s/", "/x"] {
            assert_eq!(shown(&by(recorded)), None, "{recorded}");
        }
        assert_eq!(shown(&LetterFilter::default()), None);
    }

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
