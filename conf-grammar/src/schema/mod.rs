//! The table of all blocks and clauses: what may stand where and what it takes.
//!
//! Everything that knows a clause by name reads this table: the parser and its suggestions, the model
//! for its defaults, and the pages that tell people about the language.

mod setting;
mod table;

pub(crate) use setting::{DefaultValue, Setting};
pub(crate) use table::{block, is_section};

/// The release of conntrack-tools whose files are the oldest that are read.
pub(crate) const FIRST_RELEASE: &str = "0.9.3";
/// Addresses of one family that a filter in the kernel holds.
pub(crate) const KERNEL_ENTRIES_MAX: usize = 127;
/// Links of a file.
pub(crate) const LINKS_MAX: usize = 4;
/// Longest name of an interface: `IFNAMSIZ` of `<linux/if.h>` less its NUL.
pub(crate) const INTERFACE_MAX: usize = 15;
/// Longest name of a helper or a policy.
pub(crate) const NAME_MAX: usize = 16;

/// A kind of block; each has its own clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    File,
    General,
    Unix,
    Scheduler,
    Filter,
    Protocols,
    Addresses,
    States,
    Sync,
    Ftfw,
    Alarm,
    Notrack,
    Multicast,
    Udp,
    Tcp,
    Options,
    ExpectationNames,
    Stats,
    Helper,
    HelperType,
    HelperPolicy,
    IgnoredAddresses,
    IgnoredProtocols,
}

impl BlockKind {
    /// Every kind, outer blocks before the ones inside them.
    pub(crate) const ALL: [Self; 23] = [
        Self::File,
        Self::General,
        Self::Unix,
        Self::Scheduler,
        Self::Filter,
        Self::Protocols,
        Self::Addresses,
        Self::States,
        Self::Sync,
        Self::Ftfw,
        Self::Alarm,
        Self::Notrack,
        Self::Multicast,
        Self::Udp,
        Self::Tcp,
        Self::Options,
        Self::ExpectationNames,
        Self::Stats,
        Self::Helper,
        Self::HelperType,
        Self::HelperPolicy,
        Self::IgnoredAddresses,
        Self::IgnoredProtocols,
    ];
}

/// Returns every clause of the language, old ones too: the title of its block, such as `` `General` ``
/// or `the file`, and its name. A name that stands in several blocks comes once for each.
pub fn clauses() -> impl Iterator<Item = (&'static str, &'static str)> {
    BlockKind::ALL.into_iter().map(block).flat_map(|block| {
        let clauses = block.clauses().iter();
        clauses.map(|clause| (block.title, clause.name))
    })
}

/// One kind of block.
pub(crate) struct BlockSpec {
    /// How messages call it: "`General`", "the file".
    pub(crate) title: &'static str,
    /// What the block is for, in paragraphs.
    pub(crate) intro: &'static str,
    /// What happens to a file that has it, as long as the daemon cannot carry it out.
    pub(crate) refused: Option<&'static str>,
    pub(crate) content: Content,
}

/// What a block holds.
pub(crate) enum Content {
    Clauses(&'static [ClauseSpec]),
    /// A list of values of one kind.
    List(Kind),
    /// TCP states, in groups that end with `for TCP`.
    States,
}

/// One clause of a block.
pub(crate) struct ClauseSpec {
    pub(crate) name: &'static str,
    /// What follows the keyword, in this order.
    pub(crate) args: &'static [Kind],
    pub(crate) body: Body,
    pub(crate) default: DefaultValue,
    pub(crate) status: Status,
    pub(crate) repeats: Repeats,
    /// The release of conntrack-tools that brought the clause.
    pub(crate) since: &'static str,
    /// The last release of conntrack-tools that took it; `None` if today's does.
    pub(crate) until: Option<&'static str>,
    /// What it does, in one to three sentences.
    pub(crate) doc: &'static str,
    /// How it stands to the stock daemon, in a block that is not refused.
    pub(crate) compat: Compat,
}

/// The block behind a clause.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    None,
    Required(BlockKind),
    /// In place of the argument.
    Alternative(BlockKind),
    /// The one that belongs to the mode that is named before it.
    OfMode,
}

/// What a second clause of the same name in one block means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// The last one counts, with a warning.
    Replace,
    /// All of them count.
    Accumulate,
}

/// How a clause stands to the stock daemon, conntrackd 1.4.7.
#[derive(Clone, Copy)]
pub(crate) enum Compat {
    /// No difference is known.
    Same,
    /// A deliberate difference, with its reason.
    Differs(&'static str),
    /// The daemon does not carry it out; the text says what happens instead.
    NotYet(&'static str),
}

/// The standing of a clause today.
#[derive(Clone, Copy)]
pub(crate) enum Status {
    Alive,
    /// An old spelling that the stock daemon takes silently.
    Alias(&'static str),
    /// An old spelling.
    Renamed(&'static str),
    /// Without effect; the text says what to do instead.
    Ignored(&'static str),
    /// Without effect, and nothing else does what it did; the text says what to do instead.
    Lost(&'static str),
    /// Not needed; the text says why.
    Redundant(&'static str),
    /// Applied in its modern form, which the text names.
    Translated(&'static str),
    /// Works, but belongs into the block that the text names.
    Elsewhere(&'static str),
}

/// A kind of value.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Bool,
    Uint(Range),
    BoolOrUint(Range),
    /// Any integer, with or without a sign.
    Integer,
    Path(usize),
    BoolOrPath(LogPath),
    BoolOrFacility,
    /// A boolean, unless a block follows.
    BoolUnlessBlock,
    SchedulerClass,
    Interface,
    /// A name; the text says of what.
    Name(&'static str),
    Protocol,
    /// A protocol by name or by number.
    ProtocolOrNumber,
    Ipv4,
    Ipv6,
    AnyAddress,
    Ipv4Net,
    Ipv6Net,
    Policy,
    Mode,
    /// `Default`, or nothing.
    OptionalDefault,
    /// `From Userspace`, `From Kernelspace`, or nothing.
    OptionalFrom,
    /// TCP states up to `for TCP`.
    States,
}

impl Kind {
    /// Whether every word is a value of this kind, also one that is a keyword.
    pub(crate) fn takes_any_word(self) -> bool {
        matches!(self, Self::Interface | Self::Name(_))
    }
}

/// A path of at most `len_max` bytes, or `on` for the usual one.
#[derive(Clone, Copy)]
pub(crate) struct LogPath {
    pub(crate) len_max: usize,
    pub(crate) on: &'static str,
}

/// The numbers that a clause takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// 0 stands for the default, also when `min` is above it.
    pub(crate) zero_is_default: bool,
    /// What the numbers count.
    pub(crate) unit: &'static str,
}

impl Range {
    /// The ports of UDP and TCP.
    pub(crate) const PORTS: Self = Self {
        min: 1,
        max: 65_535,
        zero_is_default: false,
        unit: "",
    };
}

impl BlockSpec {
    /// Returns the clauses of the block; a list has none.
    pub(crate) const fn clauses(&self) -> &'static [ClauseSpec] {
        match self.content {
            Content::Clauses(clauses) => clauses,
            Content::List(_) | Content::States => &[],
        }
    }

    /// Returns the clause of this name, in exactly this spelling.
    pub(crate) fn clause(&self, name: &str) -> Option<&'static ClauseSpec> {
        self.clauses().iter().find(|clause| clause.name == name)
    }
}

/// Returns the titles of the blocks that have a clause of this name.
pub(crate) fn homes(name: &str) -> Vec<&'static str> {
    BlockKind::ALL
        .iter()
        .map(|kind| block(*kind))
        .filter(|block| {
            block
                .clause(name)
                .is_some_and(|clause| !matches!(clause.status, Status::Elsewhere(_)))
        })
        .map(|block| block.title)
        .collect()
}

/// Returns the names of all clauses of all blocks.
pub(crate) fn all_names() -> impl Iterator<Item = &'static str> {
    BlockKind::ALL
        .iter()
        .flat_map(|kind| block(*kind).clauses())
        .map(|clause| clause.name)
}

/// Returns the names of the clauses that the stock daemon of today knows.
pub(crate) fn stock_names() -> impl Iterator<Item = &'static str> {
    BlockKind::ALL
        .iter()
        .flat_map(|kind| block(*kind).clauses())
        .filter(|clause| clause.until.is_none())
        .map(|clause| clause.name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_clause_name_is_unique_in_its_block() {
        for kind in BlockKind::ALL {
            let mut names: Vec<&str> = block(kind).clauses().iter().map(|clause| clause.name).collect();
            let n = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), n, "in {kind:?}");
        }
    }

    #[test]
    fn every_new_name_of_a_clause_is_alive_in_the_same_block() {
        for kind in BlockKind::ALL {
            for clause in block(kind).clauses() {
                if let Status::Alias(new) | Status::Renamed(new) = clause.status {
                    let target = block(kind).clause(new).unwrap();
                    assert!(
                        matches!(target.status, Status::Alive),
                        "{} of {kind:?}",
                        clause.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_row_is_explained_in_whole_sentences() {
        for kind in BlockKind::ALL {
            assert!(block(kind).intro.ends_with('.'), "{kind:?}");
            for clause in block(kind).clauses() {
                assert!(clause.doc.ends_with('.'), "{} of {kind:?}", clause.name);
                if let Compat::Differs(text) | Compat::NotYet(text) = clause.compat {
                    let is_phrase = !text.is_empty() && !text.ends_with('.');
                    assert!(is_phrase, "{} of {kind:?}", clause.name);
                }
            }
        }
    }

    #[test]
    fn a_clause_of_the_sync_section_has_one_default_wherever_it_stands() {
        let of_sync = [
            BlockKind::Sync,
            BlockKind::Ftfw,
            BlockKind::Alarm,
            BlockKind::Notrack,
            BlockKind::Multicast,
            BlockKind::Udp,
            BlockKind::Tcp,
        ];
        let mut defaults = BTreeMap::new();
        let clauses = of_sync.iter().flat_map(|kind| block(*kind).clauses());
        for clause in clauses.filter(|clause| matches!(clause.status, Status::Alive)) {
            let default = format!("{:?}", clause.default);
            let first = defaults.entry(clause.name).or_insert(default.clone());
            assert!(
                matches!(clause.default, DefaultValue::Unset(_)) || *first == default,
                "{}",
                clause.name
            );
        }
    }

    #[test]
    fn homes_names_the_blocks_of_a_clause() {
        assert_eq!(homes("Filter"), ["`General`"]);
        assert_eq!(homes("PollSecs"), ["`General`"]);
        assert_eq!(homes("Port"), ["`UDP`", "`TCP`"]);
        assert!(homes("Nonsense").is_empty());
    }
}
