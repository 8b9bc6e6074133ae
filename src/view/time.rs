use std::time::Duration;

use crate::domain::Time;

/// To the second, for tables: `2019-10-02 19:57:36Z`.
#[must_use]
pub fn moment(time: Time) -> String {
    time.to_utc().format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The two greatest units: `3m 31s`, `1h 4m`, `2d 3h`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_people() {
        let time = Time::parse("2019-10-02T19:57:36.9Z").unwrap().unwrap();
        assert_eq!(moment(time), "2019-10-02 19:57:36Z");
        let table = [(0, "0s"), (59, "59s"), (211, "3m 31s"), (3_600, "1h 0m"), (3_899, "1h 4m"), (183_700, "2d 3h")];
        for (seconds, shown) in table {
            assert_eq!(duration(Duration::from_secs(seconds)), shown);
        }
    }
}
