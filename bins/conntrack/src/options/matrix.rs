//! Which options go with which command.

use super::Refusal;
use super::table::{GENERAL, Kind, PARTS, Tracked};

/// The columns that a command takes, and those that it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns {
    may: u32,
    must: u32,
}

const NONE: Columns = Columns { may: 0, must: 0 };

/// Of each kind of command, the columns of general options.
const OF_KIND: [Columns; Kind::ALL.len()] = {
    let mut table = [NONE; Kind::ALL.len()];
    let mut kind = 0;
    while kind < Kind::ALL.len() {
        let mut row = 0;
        while row < GENERAL.len() {
            let option = &GENERAL[row];
            table[kind].may |= (option.may >> kind & 1) << row;
            table[kind].must |= (option.must >> kind & 1) << row;
            row += 1;
        }
        kind += 1;
    }
    table
};

/// The same of the options of each protocol.
const OF_PROTOCOL: [[Columns; Kind::ALL.len()]; 8] = {
    let mut table = [[NONE; Kind::ALL.len()]; 8];
    let mut row = 0;
    while row < PARTS.len() {
        let option = &PARTS[row];
        let mut at = 0;
        while at < option.uses.len() {
            let mut protocol = 0;
            while protocol < table.len() {
                let has = (option.uses[at].protocols >> protocol & 1) as u32;
                let mut kind = 0;
                while kind < Kind::ALL.len() {
                    let columns = &mut table[protocol][kind];
                    columns.may |= (option.uses[at].may >> kind & has) << option.part as u32;
                    columns.must |= (option.uses[at].must >> kind & has) << option.part as u32;
                    kind += 1;
                }
                protocol += 1;
            }
            at += 1;
        }
        row += 1;
    }
    table
};

/// What is wrong with a set of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Illegal(u32),
    Needed(u32),
}

impl Columns {
    /// Returns the first column that is wrong.
    const fn check(self, given: u32) -> Option<Wrong> {
        let illegal = given & !(self.may | self.must);
        let needed = self.must & !given;
        if illegal | needed == 0 {
            return None;
        }
        let column = (illegal | needed).trailing_zeros();
        Some(if illegal >> column & 1 == 1 {
            Wrong::Illegal(column)
        } else {
            Wrong::Needed(column)
        })
    }
}

/// Checks the general options of a command.
pub(super) fn check_general(kind: Kind, given: u32) -> Result<(), Refusal> {
    let name = |column: u32| GENERAL[column as usize].names[0];
    match OF_KIND[kind as usize].check(given) {
        None => Ok(()),
        Some(Wrong::Illegal(column)) => Err(Refusal::IllegalOption(name(column))),
        Some(Wrong::Needed(column)) => Err(Refusal::NeededOption(name(column))),
    }
}

/// Checks the options of a protocol.
pub(super) fn check_protocol(tracked: Tracked, kind: Kind, given: u16) -> Result<(), Refusal> {
    match OF_PROTOCOL[tracked as usize][kind as usize].check(given.into()) {
        None => Ok(()),
        Some(Wrong::Illegal(column)) => Err(Refusal::IllegalOption(part_name(tracked, column))),
        Some(Wrong::Needed(column)) => Err(Refusal::NeededOption(part_name(tracked, column))),
    }
}

/// Returns what an option of a protocol is called; of a protocol named earlier, what it is called there.
fn part_name(tracked: Tracked, column: u32) -> &'static str {
    let of_column = || PARTS.iter().filter(|row| row.part as u32 == column);
    let own = of_column().find(|row| row.protocols() & tracked.bit() != 0);
    own.or_else(|| of_column().next()).map_or("", |row| row.names[0])
}

/// Returns the name of an option that a protocol without options cannot have.
pub(super) fn illegal_part(given: u16) -> Option<&'static str> {
    let row = PARTS.iter().find(|row| row.part.bit() & given != 0);
    row.map(|row| row.names[0])
}

/// Checks that one of two pairs is full. Without any, or with one of the first alone, the first is missed.
pub(super) fn check_pairs(
    orig: [bool; 2],
    reply: [bool; 2],
    names: [[&'static str; 2]; 2],
) -> Result<(), Refusal> {
    if orig == [true; 2] || reply == [true; 2] {
        return Ok(());
    }
    let [first, second] = if orig == [false; 2] && reply != [false; 2] {
        names[1]
    } else {
        names[0]
    };
    Err(Refusal::NeededPair(first, second))
}

/// The names of the addresses in messages about pairs.
pub(super) const ADDRESS_PAIRS: [[&str; 2]; 2] = [["src", "dst"], ["reply-src", "reply-dst"]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_kinds_are_at_their_numbers() {
        for (at, row) in GENERAL.iter().enumerate() {
            assert_eq!(row.column as usize, at);
        }
        for (at, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, at);
        }
    }

    /// The matrix as it was probed, a line a command; lower case where ours takes more.
    #[test]
    fn the_matrix_is_the_probed_one() {
        let text = Kind::ALL.map(|kind| {
            let columns = OF_KIND[kind as usize];
            let cells = GENERAL.iter().map(|row| {
                let bit = row.column.bit();
                match (columns.must & bit != 0, columns.may & bit != 0) {
                    (true, _) => 'R',
                    (false, true) => 'o',
                    (false, false) => '-',
                }
            });
            format!("{:12} {}", kind.spelt(), cells.collect::<String>())
        });
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn the_first_wrong_column_is_told() {
        use super::super::table::Column;
        let of = |kind, columns: &[Column]| {
            check_general(kind, columns.iter().fold(0, |set, column| set | column.bit()))
        };
        assert_eq!(
            of(Kind::Create, &[Column::Src]),
            Err(Refusal::NeededOption("protonum"))
        );
        assert_eq!(
            of(Kind::List, &[Column::Id, Column::Timeout]),
            Err(Refusal::IllegalOption("timeout"))
        );
        assert_eq!(of(Kind::Count, &[]), Ok(()));
    }
}
