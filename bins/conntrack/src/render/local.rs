//! The time zone of the machine.

use engine::flow::{CivilTime, LocalTime};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::command::Output;

/// The zone in which times are told.
#[derive(Clone, Debug)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// Returns that of the machine if this output tells times; else no file is read, for nobody asks.
    pub(super) fn system(output: &Output) -> Self {
        if output.timestamp || output.ktimestamp {
            Self(TimeZone::system())
        } else {
            Self(TimeZone::UTC)
        }
    }

    /// Returns this one.
    #[cfg(test)]
    pub(super) const fn fixed(zone: TimeZone) -> Self {
        Self(zone)
    }
}

impl LocalTime for Zone {
    fn local(&self, secs: u64) -> CivilTime {
        let secs = i64::try_from(secs).unwrap_or(i64::MAX);
        let moment = Timestamp::from_second(secs).unwrap_or(Timestamp::MAX);
        let local = self.0.to_datetime(moment);
        CivilTime {
            year: local.year().unsigned_abs(),
            month: local.month().unsigned_abs(),
            day: local.day().unsigned_abs(),
            weekday: local.weekday().to_sunday_one_offset().unsigned_abs(),
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
            second: local.second().unsigned_abs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_as_clocks_in_the_zone_show_it() {
        let east = Zone(TimeZone::fixed(jiff::tz::offset(2)));
        // 2026-11-20 20:40:41 UTC, a Friday.
        let shown = CivilTime {
            year: 2026,
            month: 11,
            day: 20,
            weekday: 6,
            hour: 22,
            minute: 40,
            second: 41,
        };
        assert_eq!(east.local(1_795_207_241), shown);
        assert_eq!(
            Zone(TimeZone::UTC).local(u64::MAX).year,
            9999,
            "the last moment there is, in place of one behind it"
        );
    }
}
