//! Which option a word names.

use super::table::{Column, GENERAL, PARTS, VERBS};

/// What a name stands for: a row of one of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Of the commands.
    Verb(u8),
    /// Of the general options.
    General(u8),
    /// Of the options of protocols.
    Part(u8),
}

/// All names of the tables, and where in them each letter and each name is.
#[derive(Debug)]
pub(super) struct Index {
    names: Vec<(&'static str, Target)>,
    /// By [`hash`], then the slots behind: places in `names`, plus one.
    slots: [u8; N_SLOTS],
    letters: [Option<Target>; 128],
}

/// A power of two well above the number of names.
const N_SLOTS: usize = 512;

impl Index {
    pub(super) fn new() -> Self {
        let mut index = Self {
            names: Vec::new(),
            slots: [0; N_SLOTS],
            letters: [None; 128],
        };
        for (at, row) in (0..).zip(&VERBS) {
            index.add(row.long, Target::Verb(at));
            index.add_letter(Some(row.short), Target::Verb(at));
        }
        for (at, row) in (0..).zip(&GENERAL) {
            for name in row.names {
                index.add(name, Target::General(at));
            }
            index.add_letter(row.short, Target::General(at));
        }
        for (at, row) in (0..).zip(&PARTS) {
            for name in row.names {
                index.add(name, Target::Part(at));
            }
        }
        index
    }

    fn add(&mut self, name: &'static str, target: Target) {
        self.names.push((name, target));
        let place = u8::try_from(self.names.len()).expect("there are fewer than 256 names");
        let mut slot = hash(name.as_bytes());
        while self.slots[slot] != 0 {
            slot = (slot + 1) % N_SLOTS;
        }
        self.slots[slot] = place;
    }

    fn add_letter(&mut self, letter: Option<u8>, target: Target) {
        if let Some(letter) = letter {
            self.letters[usize::from(letter)] = Some(target);
        }
    }

    /// Returns what a letter stands for.
    pub(super) fn letter(&self, letter: u8) -> Option<Target> {
        self.letters.get(usize::from(letter)).copied().flatten()
    }

    /// Returns what a name stands for while the options of `protocols` are known: that which has the
    /// name, or the only one which has a name that begins so.
    pub(super) fn name(&self, name: &[u8], protocols: u8) -> Option<Target> {
        self.exact(name)
            .filter(|target| is_known(*target, protocols))
            .or_else(|| self.prefix(name, protocols))
    }

    fn exact(&self, name: &[u8]) -> Option<Target> {
        let mut slot = hash(name);
        while let Some(at) = usize::from(self.slots[slot]).checked_sub(1) {
            let (known, target) = self.names[at];
            if known.as_bytes() == name {
                return Some(target);
            }
            slot = (slot + 1) % N_SLOTS;
        }
        None
    }

    fn prefix(&self, name: &[u8], protocols: u8) -> Option<Target> {
        let matches = self
            .names
            .iter()
            .filter(|(known, target)| {
                known.as_bytes().starts_with(name) && is_known(*target, protocols) && !is_ours(*target)
            })
            .map(|(_, target)| *target);
        let mut matches = matches.peekable();
        let first = matches.next()?;
        matches.all(|target| target == first).then_some(first)
    }
}

/// Options of protocols are known once the protocol is.
fn is_known(target: Target, protocols: u8) -> bool {
    match target {
        Target::Verb(_) | Target::General(_) => true,
        Target::Part(row) => PARTS[usize::from(row)].protocols() & protocols != 0,
    }
}

/// What the stock tool does not have is not cut short: it would make names ambiguous that are not.
fn is_ours(target: Target) -> bool {
    target == Target::General(Column::Helper as u8)
}

/// Spreads the names of the tables over the slots.
fn hash(name: &[u8]) -> usize {
    let at = |at: usize| usize::from(name.get(at).copied().unwrap_or_default());
    let (len, last) = (name.len(), name.len().saturating_sub(1));
    (at(0) * 131 + at(last) * 31 + at(len / 2) * 17 + at(last / 4 * 3) * 7 + len * 61) % N_SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(column: Column) -> Option<Target> {
        Some(Target::General(column as u8))
    }

    #[test]
    fn every_name_and_letter_is_found() {
        let index = Index::new();
        for (name, target) in &index.names {
            assert_eq!(index.exact(name.as_bytes()), Some(*target), "{name}");
            assert_eq!(index.name(name.as_bytes(), u8::MAX), Some(*target), "{name}");
        }
        for row in &GENERAL {
            let found = row.short.and_then(|letter| index.letter(letter));
            assert_eq!(found, row.short.and(general(row.column)), "{row:?}");
        }
        assert_eq!(index.letter(b'Z'), None);
        assert_eq!(index.letter(0xff), None);
    }

    #[test]
    fn no_two_rows_share_a_name_or_a_letter() {
        let index = Index::new();
        let mut names: Vec<_> = index.names.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let n_names = names.len();
        names.dedup();
        assert_eq!(names.len(), n_names);
        let mut letters: Vec<_> = VERBS.iter().map(|row| row.short).collect();
        letters.extend(GENERAL.iter().filter_map(|row| row.short));
        letters.sort_unstable();
        let n_letters = letters.len();
        letters.dedup();
        assert_eq!(letters.len(), n_letters);
    }

    #[test]
    fn a_name_may_be_cut_short_unless_two_options_begin_so() {
        let index = Index::new();
        let find = |name: &str| index.name(name.as_bytes(), 0);
        assert_eq!(find("proto"), general(Column::Proto));
        assert_eq!(find("orig-s"), general(Column::Src));
        assert_eq!(find("src"), general(Column::Src));
        assert_eq!(find("label"), general(Column::Label));
        assert_eq!(find("dum"), Some(Target::Verb(0)));
        for ambiguous in ["sr", "stat", "lab", "orig", "mask", "", "s"] {
            assert_eq!(find(ambiguous), None, "{ambiguous}");
        }
    }

    #[test]
    fn our_own_option_leaves_the_stock_ones_as_short_as_they_were() {
        let index = Index::new();
        let help = Some(Target::Verb(11));
        assert_eq!(index.name(b"he", 0), help);
        assert_eq!(index.name(b"help", 0), help);
        assert_eq!(index.name(b"helpe", 0), None);
        assert_eq!(index.name(b"helper", 0), general(Column::Helper));
    }

    #[test]
    fn options_of_a_protocol_are_known_with_it_alone() {
        use super::super::table::Tracked;
        let index = Index::new();
        assert_eq!(index.name(b"sport", 0), None);
        assert!(index.name(b"sport", Tracked::Udp.bit()).is_some());
        assert_eq!(index.name(b"state", Tracked::Udp.bit()), None);
        assert!(index.name(b"state", Tracked::Dccp.bit()).is_some());
        assert!(index.name(b"stat", Tracked::Tcp.bit()).is_none());
        assert!(index.name(b"dpor", Tracked::Tcp.bit()).is_some());
        assert!(index.name(b"orig-port", Tracked::Tcp.bit()).is_none());
    }
}
