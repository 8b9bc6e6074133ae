use crate::domain::Time;

/// 1601-01-01T00:00:00Z and 9999-12-31T23:59:59.9999999Z.
const FIRST: Time = Time::from_ticks(-116_444_736_000_000_000);
const LAST: Time = Time::from_ticks(2_534_023_007_999_999_999);

/// The text as a column for other tools takes it: cut after so many characters, and those replaced that XML, which some
/// of them speak, [cannot hold](https://www.w3.org/TR/xml/#charsets).
#[must_use]
pub fn plain_text(text: &str, most: usize) -> String {
    let plain = |c: char| matches!(c, '\t' | '\n' | '\r') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
    text.chars().take(most).map(|c| if plain(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// The time as an [`Edm.DateTime`][types], with all seven digits; the nearest that the type can hold.
///
/// [types]: https://learn.microsoft.com/en-us/rest/api/storageservices/understanding-the-table-service-data-model#property-types
#[must_use]
pub fn date_time(time: Time) -> String {
    let time = time.clamp(FIRST, LAST);
    format!("{}.{:07}Z", time.to_utc().format("%Y-%m-%dT%H:%M:%S"), time.ticks().rem_euclid(10_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_hold_nothing_that_xml_cannot() {
        assert_eq!(
            plain_text("a\tb\n\u{0}\u{1f}\u{85}\u{ffff}\u{1f600}", 100),
            "a\tb\n\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{1f600}"
        );
        assert_eq!(plain_text("\u{fc}\u{1f600}x", 2), "\u{fc}\u{1f600}");
    }

    #[test]
    fn times_have_seven_digits_and_a_year_that_fits() {
        let time = |text| Time::parse(text).unwrap().unwrap();
        assert_eq!(date_time(time("2019-10-02T19:54:00.33Z")), "2019-10-02T19:54:00.3300000Z");
        assert_eq!(date_time(Time::UNKNOWN), "1970-01-01T00:00:00.0000000Z");
        assert_eq!(date_time(Time::from_ticks(i64::MIN)), "1601-01-01T00:00:00.0000000Z");
        assert_eq!(date_time(Time::from_ticks(i64::MAX)), "9999-12-31T23:59:59.9999999Z");
    }
}
