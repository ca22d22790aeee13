//! How the original's users expect values that JSON has no form for: modules for `#[serde(with = "…")]`.
//!
//! Python's services write datetimes, UUIDs, addresses and bytes as text (wire: section 4). Sets are lists, which serde
//! does by itself.
//!
//! ```
//! use std::{net::IpAddr, time::{Duration, SystemTime}};
//! use rpc_runtime::wire;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Lease {
//!     #[serde(with = "wire::datetime")]
//!     until: SystemTime,
//!     #[serde(with = "wire::text")]
//!     address: IpAddr, // or a `uuid::Uuid`, a decimal: whatever displays and parses
//!     #[serde(with = "wire::bytes")]
//!     token: Vec<u8>,
//! }
//!
//! let until = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_223_045_500);
//! let lease = Lease { until, address: [10, 0, 0, 1].into(), token: b"t0".to_vec() };
//! let json = serde_json::to_string(&lease).expect("all of it is text");
//! assert_eq!(json, r#"{"until":"2026-11-21T01:04:05.500000","address":"10.0.0.1","token":"t0"}"#);
//! assert_eq!(serde_json::from_str::<Lease>(&json).expect("it reads back").until, until);
//! ```

/// Keeps `text` as it is, if it is one value of the wire's JSON: also what `serde_json` would refuse, as `NaN` or a
/// number of any size.
///
/// # Errors
/// If it is not.
pub fn raw(text: &str) -> Result<Box<serde_json::value::RawValue>, serde_json::Error> {
    crate::json::raw(text)
}

/// Decodes one value of the wire's JSON, such as the text of a raw value: also what `serde_json` would refuse.
///
/// ```
/// assert!(rpc_runtime::wire::read::<f64>("NaN").is_ok_and(f64::is_nan));
/// ```
///
/// # Errors
/// If it is not one, or not a `T`.
pub fn read<'de, T: serde::Deserialize<'de>>(text: &'de str) -> Result<T, serde_json::Error> {
    crate::json::from_str(text)
}

/// A point in time, in UTC: `2026-11-21T01:04:05.500000`, always with six digits and without a zone.
///
/// What it reads may leave the fraction out, have a blank for the `T`, and name a zone, which is taken into account:
/// `Z`, `+00:00`, `-0330`. Only years from 0 to 9999 can be written.
pub mod datetime {
    use std::time::{Duration, SystemTime};

    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};

    /// Writes it.
    ///
    /// # Errors
    /// If it is outside of the years 0 to 9999.
    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        let Some([year, month, day, hour, minute, second, micros]) = parts(*time) else {
            return Err(ser::Error::custom("a point in time outside of the years 0 to 9999"));
        };
        serializer.collect_str(&format_args!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}"
        ))
    }

    /// Returns it as notifications have it: with a blank, and without a fraction that is nothing (wire: section 8.1).
    pub(crate) fn blank(time: SystemTime) -> String {
        let [year, month, day, hour, minute, second, micros] = parts(time).unwrap_or_default();
        let fraction = match micros {
            0 => String::new(),
            micros => format!(".{micros:06}"),
        };
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}")
    }

    /// Returns year, month, day, hour, minute, second and microsecond, in the years 0 to 9999.
    fn parts(time: SystemTime) -> Option<[i64; 7]> {
        let micros = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).ok()?,
            Err(before) => -i64::try_from(before.duration().as_micros()).ok()?,
        };
        let (days, time) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
        let parts = [year, month, day, seconds / 3600, seconds / 60 % 60, seconds % 60, micros];
        (0..=9999).contains(&year).then_some(parts)
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is no text of this form.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            let expected = "a point in time such as 2026-11-21T01:04:05.500000";
            de::Error::invalid_value(de::Unexpected::Str(&text), &expected)
        })
    }

    /// The microseconds of a day.
    const DAY: i64 = 86_400_000_000;

    pub(crate) fn parse(text: &str) -> Option<SystemTime> {
        let (date, time) = text.split_at_checked(10)?;
        let mut date = date.split('-').map(digits);
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        if date.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let time = time.strip_prefix(['T', 't', ' '])?;
        let (time, offset) = match time.find(['Z', 'z', '+', '-']) {
            Some(at) => (&time[..at], zone(&time[at..])?),
            None => (time, 0),
        };
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let mut time = time.split(':').map(digits);
        let (hour, minute, second) =
            (time.next()??, time.next()??, time.next().unwrap_or(Some(0))?);
        if time.next().is_some() || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let fraction = format!("{fraction:0<6}");
        let micros = digits(fraction.get(..6)?)?;
        digits(&fraction)?;
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        let micros = seconds * 1_000_000 + micros;
        let away = Duration::from_micros(micros.unsigned_abs());
        if micros < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(away)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(away)
        }
    }

    fn digits(text: &str) -> Option<i64> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain { text.parse().ok() } else { None }
    }

    /// Reads a zone: how many seconds it is ahead of UTC.
    fn zone(text: &str) -> Option<i64> {
        if matches!(text, "Z" | "z") {
            return Some(0);
        }
        let (sign, offset) = text.split_at_checked(1)?;
        let (hours, minutes) = match offset.split_once(':') {
            Some((hours, minutes)) => (hours, minutes),
            None => offset.split_at_checked(2)?,
        };
        let minutes = if minutes.is_empty() { 0 } else { digits(minutes)? };
        let ahead = digits(hours)? * 3600 + minutes * 60;
        Some(if sign == "-" { -ahead } else { ahead })
    }

    /// Returns how many days lie between 1970-01-01 and a date of the Gregorian calendar.
    ///
    /// Years are counted from March, so that the leap day is the last of one; 400 of them have 146 097 days.
    fn days(year: i64, month: i64, day: i64) -> i64 {
        let year = if month <= 2 { year - 1 } else { year };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// Returns the date that lies so many days after 1970-01-01.
    fn date(days: i64) -> (i64, i64, i64) {
        let days = days + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        (era * 400 + year + i64::from(month <= 2), month, day)
    }
}

/// Whatever displays and parses: UUIDs, IP addresses, decimals.
pub mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    /// Writes it.
    ///
    /// # Errors
    /// None of its own.
    pub fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is no text, or the text does not parse.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Bytes that are UTF-8 text, which is how Python's services send theirs. Others are refused, as there.
pub mod bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, ser};

    /// Writes them.
    ///
    /// # Errors
    /// If they are not UTF-8: encode them, in base64 for instance.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(bytes).map_err(ser::Error::custom)?;
        serializer.serialize_str(text)
    }

    /// Reads them.
    ///
    /// # Errors
    /// If they are no text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(deserializer).map(String::into_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde::{Deserialize, Serialize};

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct At(#[serde(with = "super::datetime")] SystemTime);

    fn at(micros: i64) -> At {
        let away = Duration::from_micros(micros.unsigned_abs());
        let epoch = SystemTime::UNIX_EPOCH;
        At(if micros < 0 { epoch - away } else { epoch + away })
    }

    #[test]
    fn times_are_written_with_six_digits_and_read_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000"),
            (-1, "1969-12-31T23:59:59.999999"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000"),
            (1_795_223_045_500_000, "2026-11-21T01:04:05.500000"),
            (4_102_444_799_000_001, "2099-12-31T23:59:59.000001"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000"),
        ] {
            let json = format!("\"{text}\"");
            assert_eq!(serde_json::to_string(&at(micros)).expect("in range"), json);
            assert_eq!(serde_json::from_str::<At>(&json).expect(text), at(micros));
        }
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        for text in [
            "2026-11-21T01:04:05.5",
            "2026-11-21 01:04:05.500000",
            "2026-11-21T01:04:05.500000Z",
            "2026-11-21T02:04:05.5+01:00",
            "2026-11-20T21:34:05.500000999-0330",
        ] {
            let read: At = serde_json::from_str(&format!("\"{text}\"")).expect(text);
            assert_eq!(read, at(1_795_223_045_500_000), "{text}");
        }
        assert_eq!(
            serde_json::from_str::<At>("\"1970-01-01T00:01\"").expect("no seconds"),
            at(60_000_000)
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-21",
            "2026-13-01T00:00:00",
            "2026-1-1T00:00:00",
            "2026-11-21T25:00:00",
            "é026-11-21T00:00:00",
        ] {
            assert!(serde_json::from_str::<At>(&format!("\"{text}\"")).is_err(), "{text}");
        }
    }
}
