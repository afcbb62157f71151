//! What a line or an element may say of an entry that the entry itself does not hold.

use core::fmt;

use super::Labels;
use super::render::{Sink, decimal, padded};

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It began.
    New,
    /// It changed.
    Update,
    /// It ended.
    Destroy,
}

impl Event {
    /// Returns the word that notations for programs have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Update => "update",
            Self::Destroy => "destroy",
        }
    }

    /// Returns the mark before a line, right-aligned in nine columns, and a blank.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::New => "    [NEW] ",
            Self::Update => " [UPDATE] ",
            Self::Destroy => "[DESTROY] ",
        }
    }
}

/// The process that caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requester<'a> {
    /// Port of its netlink socket.
    pub port_id: u32,
    /// Name of the process, if it could be found.
    pub program: Option<&'a str>,
}

/// Names of connection labels.
pub trait LabelNames: fmt::Debug {
    /// Returns the name of the label, if it has one; labels are numbered from 0 to 127.
    fn name(&self, label: u8) -> Option<&str>;
}

impl Labels {
    /// Returns the numbers of the labels that are set, in rising order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let label = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            u8::try_from(label).ok().filter(|label| *label < 128)
        })
    }

    /// Returns the names of the labels that are set and have one, in the order of the numbers.
    pub(super) fn named(self, names: &dyn LabelNames) -> impl Iterator<Item = &str> {
        self.iter().filter_map(|label| names.name(label))
    }
}

/// A time zone.
pub trait LocalTime: fmt::Debug {
    /// Returns date and time there, `secs` seconds after 1970-01-01 00:00 UTC.
    fn local(&self, secs: u64) -> CivilTime;
}

/// Date and time as a clock on the wall shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilTime {
    /// Year.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Day of the week, 1 is Sunday and 7 Saturday.
    pub weekday: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60.
    pub second: u8,
}

impl CivilTime {
    /// Writes it as `ctime` does: `Fri Nov 20 20:40:41 2026`.
    pub(super) fn write(self, out: &mut impl Sink) -> fmt::Result {
        const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let name = |names: &[&'static str], number: u8| {
            let index = usize::from(number).checked_sub(1);
            index.and_then(|index| names.get(index).copied()).unwrap_or("???")
        };
        out.write_str(name(&WEEKDAYS, self.weekday))?;
        out.write_str(" ")?;
        out.write_str(name(&MONTHS, self.month))?;
        out.write_str(if self.day < 10 { "  " } else { " " })?;
        decimal(out, self.day)?;
        for (separator, number) in [(" ", self.hour), (":", self.minute), (":", self.second)] {
            out.write_str(separator)?;
            padded(out, u32::from(number), 2)?;
        }
        out.write_str(" ")?;
        decimal(out, self.year)
    }
}

/// Stand-ins for what comes from outside, for tests.
#[cfg(test)]
pub(super) mod told {
    use super::{CivilTime, LabelNames, LocalTime};

    /// It is always noon.
    #[derive(Debug)]
    pub(in crate::flow) struct Noon;

    impl LocalTime for Noon {
        fn local(&self, _: u64) -> CivilTime {
            CivilTime {
                year: 2026,
                month: 11,
                day: 1,
                weekday: 1,
                hour: 12,
                minute: 0,
                second: 9,
            }
        }
    }

    /// Labels of even number have a name.
    #[derive(Debug)]
    pub(in crate::flow) struct EvenLabels;

    impl LabelNames for EvenLabels {
        fn name(&self, label: u8) -> Option<&str> {
            const NAMES: [&str; 4] = ["web", "mail-in", "spaced name", "b d"];
            NAMES
                .into_iter()
                .nth(usize::from(label / 2 % 4))
                .filter(|_| label.is_multiple_of(2))
        }
    }
}
