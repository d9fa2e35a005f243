//! The vendor's stamps: offsets without a colon, a blank for the `T`, no offset at all, numbers of two units.
//!
//! A stamp that cannot be read, or that no four-digit year can say, is no stamp: the caller takes another time.
//! Deliberately absent: which stamp counts for an event.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

/// Longest text looked at; every known form is under 40 bytes.
const MAX_TEXT: usize = 64;

/// Numbers of at least this size are milliseconds, smaller ones seconds: it is the year 5138 in seconds and March
/// 1973 in milliseconds.
const MILLIS_FROM: u64 = 100_000_000_000;

/// One moment in two forms, both RFC 3339 with milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub utc: String,
    /// With the offset the sender wrote (or the site's, where there was none).
    pub local: String,
}

/// Reads a text stamp; `zone` is for those without an offset.
pub fn parse(text: &str, zone: &TimeZone) -> Option<Stamp> {
    let text = text.trim();
    if text.len() > MAX_TEXT {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let clock = rest.trim_start_matches(['T', 't', ' ']);
    if clock.len() == rest.len() {
        return None;
    }
    let (time, offset) = clock.split_at(clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len()));
    let date: civil::Date = date.parse().ok()?;
    let time: civil::Time = time.trim_end().parse().ok()?;
    let at = date.to_datetime(time);
    if offset.is_empty() {
        let zoned = at.to_zoned(zone.clone()).ok()?;
        return stamp(zoned.timestamp(), zoned.offset());
    }
    let offset = offset_of(offset)?;
    stamp(offset.to_timestamp(at).ok()?, offset)
}

/// Reads a number: milliseconds or seconds since the epoch, told apart by size.
pub fn from_number(number: i64) -> Option<Stamp> {
    let at = if number.unsigned_abs() >= MILLIS_FROM {
        Timestamp::from_millisecond(number).ok()?
    } else {
        Timestamp::from_second(number).ok()?
    };
    stamp(at, Offset::UTC)
}

/// Reads a number as it is written, with a fraction too.
pub fn from_digits(text: &str) -> Option<Stamp> {
    if let Ok(number) = text.parse() {
        return from_number(number);
    }
    let number: f64 = text.parse().ok()?;
    let millis = if number.abs() >= MILLIS_FROM as f64 { number } else { number * 1000.0 };
    // What no integer holds is no time either: the cast ends at the largest, which is beyond every year.
    millis
        .is_finite()
        .then(|| Timestamp::from_millisecond(millis.round() as i64).ok())
        .flatten()
        .and_then(|at| stamp(at, Offset::UTC))
}

/// A server's generation time in milliseconds as UTC text; nothing for what is no time after the epoch.
pub fn server(millis: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(millis).ok().filter(|_| millis > 0)?;
    stamp(at, Offset::UTC).map(|stamp| stamp.utc)
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm`.
fn offset_of(text: &str) -> Option<Offset> {
    if text.eq_ignore_ascii_case("z") {
        return Some(Offset::UTC);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.strip_prefix(['+', '-'])?.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()
}

fn stamp(at: Timestamp, offset: Offset) -> Option<Stamp> {
    // RFC 3339 knows four-digit years only.
    let sayable = |offset: Offset| (0..=9999).contains(&offset.to_datetime(at).year());
    if !sayable(offset) || !sayable(Offset::UTC) {
        return None;
    }
    let utc = format!("{at:.3}");
    let local =
        if offset == Offset::UTC { utc.clone() } else { format!("{:.3}", at.display_with_offset(offset)) };
    Some(Stamp { utc, local })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("2014-01-02T14:23:18.000-0800", "2014-01-02T22:23:18.000Z", "2014-01-02T14:23:18.000-08:00")]
    #[case("2014-01-09 11:58:12.035+0200", "2014-01-09T09:58:12.035Z", "2014-01-09T11:58:12.035+02:00")]
    #[case(" 2014-01-09T11:58:12.035 +02:00 ", "2014-01-09T09:58:12.035Z", "2014-01-09T11:58:12.035+02:00")]
    #[case("2014-01-09T11:58:12Z", "2014-01-09T11:58:12.000Z", "2014-01-09T11:58:12.000Z")]
    #[case("2014-01-09t11:58:12.123456z", "2014-01-09T11:58:12.123Z", "2014-01-09T11:58:12.123Z")]
    #[case("2014-01-09T11:58:12.5+05", "2014-01-09T06:58:12.500Z", "2014-01-09T11:58:12.500+05:00")]
    #[case("2014-07-09T11:58:12", "2014-07-09T09:58:12.000Z", "2014-07-09T11:58:12.000+02:00")]
    #[case("2014-01-09 11:58:12.035", "2014-01-09T10:58:12.035Z", "2014-01-09T11:58:12.035+01:00")]
    fn every_known_form_is_read(#[case] text: &str, #[case] utc: &str, #[case] local: &str) {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(parse(text, &berlin), Some(Stamp { utc: utc.into(), local: local.into() }));
    }

    #[rstest]
    #[case("")]
    #[case("yesterday")]
    #[case("2014-01-02")]
    #[case("2014-13-02T14:23:18Z")]
    #[case("2014-01-02X14:23:18Z")]
    #[case("2014-01-02T14:23:18+9900")]
    #[case("2014-01-02T14:23:18+08:0")]
    #[case("9999-12-31T23:59:59-1000")]
    #[case("+12014-01-02T14:23:18Z")]
    fn what_cannot_be_read_is_no_stamp(#[case] text: &str) {
        assert_eq!(parse(text, &TimeZone::UTC), None);
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds_by_their_size() {
        assert_eq!(from_number(1_389_261_492_035).unwrap().utc, "2014-01-09T09:58:12.035Z");
        assert_eq!(from_number(1_389_261_492).unwrap().utc, "2014-01-09T09:58:12.000Z");
        for (digits, utc) in [
            ("1389261492.035", Some("2014-01-09T09:58:12.035Z")),
            ("1389261492035.0", Some("2014-01-09T09:58:12.035Z")),
            ("1389261492", Some("2014-01-09T09:58:12.000Z")),
            ("1e400", None),
            ("-1e300", None),
            ("NaN", None),
            ("soon", None),
        ] {
            assert_eq!(from_digits(digits).map(|stamp| stamp.utc).as_deref(), utc, "{digits}");
        }
        assert_eq!(from_number(i64::MAX), None);
        assert_eq!(from_number(i64::MIN), None);
    }

    #[test]
    fn a_server_time_before_the_epoch_or_beyond_year_9999_does_not_count() {
        assert_eq!(server(-1), None);
        assert_eq!(server(0), None);
        assert_eq!(server(253_402_300_800_000), None);
        assert_eq!(server(1_769_554_688_150).unwrap(), "2026-01-27T22:58:08.150Z");
    }

    proptest! {
        #[test]
        fn no_text_and_no_number_makes_it_panic(
            text in "\\PC{0,40}",
            near in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]{1,9})?[-+Z]?[0-9:]{0,5}",
            number: i64,
        ) {
            let zone = TimeZone::get("America/New_York").unwrap();
            parse(&text, &zone);
            if let Some(stamp) = parse(&near, &zone) {
                prop_assert_eq!(stamp.utc.len(), 24);
                prop_assert!(stamp.local.parse::<Timestamp>().is_ok());
            }
            from_number(number);
            server(number);
        }
    }
}
