//! Values with units: durations (`"30s"`) and sizes (`"64KiB"`).
//!
//! A bare number is refused: nobody can tell seconds from milliseconds by looking. Deliberately absent: sums
//! (`"1h30m"`), fractions, and powers of ten (`"64KB"`), each of which somebody reads differently.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;

const DURATIONS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: &[(&str, u64)] =
    &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// What a duration looks like, for messages.
pub(super) const EXPECTED_DURATION: &str =
    "expected a duration such as \"30s\": a whole number and ms, s, m, h or d";
/// What a size looks like, for messages.
pub(super) const EXPECTED_SIZE: &str =
    "expected a size such as \"64KiB\": a whole number and B, KiB, MiB, GiB or TiB";

/// A duration as it stands in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duration(pub std::time::Duration);

/// A size in bytes as it stands in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub u64);

impl Duration {
    pub(super) fn parse(text: &str) -> Result<Duration, &'static str> {
        let millis = parse(text, DURATIONS).ok_or(EXPECTED_DURATION)?;
        Ok(Duration(std::time::Duration::from_millis(millis)))
    }
}

impl Size {
    pub(super) fn parse(text: &str) -> Result<Size, &'static str> {
        parse(text, SIZES).map(Size).ok_or(EXPECTED_SIZE)
    }
}

/// A number of the smallest unit as people write it: `90s`, `2GiB`.
fn written(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number >= *factor && number.is_multiple_of(*factor);
    match units.iter().rev().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => format!("{number}{}", units.first().map_or("", |(unit, _)| unit)),
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX) {
            0 => f.write_str("0s"),
            millis => f.write_str(&written(millis, DURATIONS)),
        }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&written(self.0, SIZES))
    }
}

/// Number and unit, no blank between, in the smallest unit. `None` too where it does not fit 64 bits.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Duration::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Size::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "size", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_known() {
        let millis = |text| Duration::parse(text).unwrap().0.as_millis();
        let all = ["500ms", "30s", "5m", "24h", "14d", "0s"].map(millis);
        assert_eq!(all, [500, 30_000, 300_000, 86_400_000, 1_209_600_000, 0]);
        let bytes = |text| Size::parse(text).unwrap().0;
        let all = ["7B", "64KiB", "16MiB", "2GiB", "1TiB"].map(bytes);
        assert_eq!(all, [7, 65_536, 16_777_216, 2_147_483_648, 1_099_511_627_776]);
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        for text in ["", "30", "s", "30 s", " 30s", "30S", "1.5s", "1h30m", "-1s", "+1s", "30sec", "٣s"] {
            assert_eq!(Duration::parse(text), Err(EXPECTED_DURATION), "{text}");
        }
        for text in ["", "64", "64KB", "64kib", "64K", "1.5GiB", "64 KiB", "99999999999TiB"] {
            assert_eq!(Size::parse(text), Err(EXPECTED_SIZE), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(number in 0u64..1 << 40) {
            let span = Duration(std::time::Duration::from_millis(number));
            prop_assert_eq!(Duration::parse(&span.to_string()), Ok(span));
            prop_assert_eq!(Size::parse(&Size(number).to_string()), Ok(Size(number)));
        }

        #[test]
        fn any_text_gives_an_answer(text in ".{0,40}") {
            let _ = (Duration::parse(&text), Size::parse(&text));
        }
    }
}
