//! Commands, and on which table each is carried out.

/// A command letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `-L`.
    List,
    /// `-G`.
    Get,
    /// `-D`.
    Delete,
    /// `-I`.
    Create,
    /// `-A`.
    Add,
    /// `-U`.
    Update,
    /// `-E`.
    Events,
    /// `-F`.
    Flush,
    /// `-C`.
    Count,
    /// `-S`.
    Stats,
    /// `-V`.
    Version,
    /// `-h`.
    Help,
}

/// A table that a command may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The flows.
    Conntrack,
    /// The expectations.
    Expect,
    /// Flows whose end could not be told yet.
    Dying,
    /// Flows whose first packet is on its way.
    Unconfirmed,
}

impl Table {
    /// In the order in which a name that is cut short is looked for.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Expect, "expect"),
        (Self::Conntrack, "conntrack"),
        (Self::Dying, "dying"),
        (Self::Unconfirmed, "unconfirmed"),
    ];
}

/// How the word behind a command is found that names its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableWord {
    /// Glued, behind `=`, or the next word.
    Anywhere,
    /// The next word only.
    Next,
}

/// A row of the table of commands.
#[derive(Debug)]
pub struct VerbRow {
    /// Which command.
    pub verb: Verb,
    /// Its letter.
    pub short: u8,
    /// Its name.
    pub long: &'static str,
    /// Where it names its table.
    pub table: TableWord,
    /// What is printed behind the name in the help, if a table means something to it.
    pub operand: Option<&'static str>,
    /// What it does.
    pub doc: &'static str,
}

const fn row(
    verb: Verb,
    short: u8,
    long: &'static str,
    table: TableWord,
    operand: Option<&'static str>,
    doc: &'static str,
) -> VerbRow {
    VerbRow {
        verb,
        short,
        long,
        table,
        operand,
        doc,
    }
}

/// The commands, in the order of the help.
pub const VERBS: [VerbRow; 12] = {
    use TableWord::{Anywhere, Next};
    const TABLE: Option<&str> = Some("table");
    [
        row(
            Verb::List,
            b'L',
            "dump",
            Anywhere,
            TABLE,
            "List flows or expectations",
        ),
        row(
            Verb::Get,
            b'G',
            "get",
            Anywhere,
            TABLE,
            "Show the flow or expectation of a tuple",
        ),
        row(
            Verb::Delete,
            b'D',
            "delete",
            Anywhere,
            TABLE,
            "Delete all flows that match, or an expectation",
        ),
        row(
            Verb::Create,
            b'I',
            "create",
            Anywhere,
            TABLE,
            "Create a flow or an expectation; it must not exist",
        ),
        row(
            Verb::Add,
            b'A',
            "add",
            Anywhere,
            TABLE,
            "Create a flow, or update it if it exists",
        ),
        row(
            Verb::Update,
            b'U',
            "update",
            Anywhere,
            TABLE,
            "Update all flows that match",
        ),
        row(
            Verb::Events,
            b'E',
            "event",
            Anywhere,
            TABLE,
            "Show events until a signal",
        ),
        row(Verb::Flush, b'F', "flush", Anywhere, TABLE, "Empty the table"),
        row(
            Verb::Count,
            b'C',
            "counter",
            Anywhere,
            TABLE,
            "Show the number of entries",
        ),
        row(
            Verb::Stats,
            b'S',
            "stats",
            Next,
            TABLE,
            "Show the counters of each CPU",
        ),
        row(Verb::Version, b'V', "version", Next, None, "Show the version"),
        row(
            Verb::Help,
            b'h',
            "help",
            Next,
            None,
            "Show this help; with -p, the options of that protocol too",
        ),
    ]
};

/// A command on a table: a row of the matrix of options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// No command.
    #[default]
    None,
    /// `-L`.
    List,
    /// `-I`.
    Create,
    /// `-A`.
    Add,
    /// `-U`.
    Update,
    /// `-D`.
    Delete,
    /// `-G`.
    Get,
    /// `-F`.
    Flush,
    /// `-E`.
    Events,
    /// `-C`.
    Count,
    /// `-S`.
    Stats,
    /// `-V`.
    Version,
    /// `-h`.
    Help,
    /// `-L expect`.
    ExpectList,
    /// `-I expect`.
    ExpectCreate,
    /// `-D expect`.
    ExpectDelete,
    /// `-G expect`.
    ExpectGet,
    /// `-F expect`.
    ExpectFlush,
    /// `-E expect`.
    ExpectEvents,
    /// `-C expect`.
    ExpectCount,
    /// `-S expect`.
    ExpectStats,
}

impl Kind {
    /// All of them, each at its number.
    pub const ALL: [Self; 21] = [
        Self::None,
        Self::List,
        Self::Create,
        Self::Add,
        Self::Update,
        Self::Delete,
        Self::Get,
        Self::Flush,
        Self::Events,
        Self::Count,
        Self::Stats,
        Self::Version,
        Self::Help,
        Self::ExpectList,
        Self::ExpectCreate,
        Self::ExpectDelete,
        Self::ExpectGet,
        Self::ExpectFlush,
        Self::ExpectEvents,
        Self::ExpectCount,
        Self::ExpectStats,
    ];

    /// Returns the bit of the kind in a set of kinds.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Returns the command as a message about `--load-file` names it.
    #[must_use]
    pub const fn spelt(self) -> &'static str {
        match self {
            Self::None => "unknown",
            Self::List => "-L",
            Self::Create => "-I",
            Self::Add => "-A",
            Self::Update => "-U",
            Self::Delete => "-D",
            Self::Get => "-G",
            Self::Flush => "-F",
            Self::Events => "-E",
            Self::Count => "-C",
            Self::Stats => "-S",
            Self::Version => "-V",
            Self::Help => "-h",
            Self::ExpectList => "-L expect",
            Self::ExpectCreate => "-I expect",
            Self::ExpectDelete => "-D expect",
            Self::ExpectGet => "-G expect",
            Self::ExpectFlush => "-F expect",
            Self::ExpectEvents => "-E expect",
            Self::ExpectCount => "-C expect",
            Self::ExpectStats => "-S expect",
        }
    }
}

/// Sets of kinds, by the letters of the commands; `X` is the table of expectations.
pub mod sets {
    use super::Kind;

    /// `-L`.
    pub const L: u32 = Kind::List.bit();
    /// `-I`.
    pub const I: u32 = Kind::Create.bit();
    /// `-A`.
    pub const A: u32 = Kind::Add.bit();
    /// `-U`.
    pub const U: u32 = Kind::Update.bit();
    /// `-D`.
    pub const D: u32 = Kind::Delete.bit();
    /// `-G`.
    pub const G: u32 = Kind::Get.bit();
    /// `-F`.
    pub const F: u32 = Kind::Flush.bit();
    /// `-E`.
    pub const E: u32 = Kind::Events.bit();
    /// `-S`.
    pub const S: u32 = Kind::Stats.bit();
    /// `-h`.
    pub const H: u32 = Kind::Help.bit();
    /// `-L expect`.
    pub const XL: u32 = Kind::ExpectList.bit();
    /// `-I expect`.
    pub const XI: u32 = Kind::ExpectCreate.bit();
    /// `-D expect` and `-G expect`.
    pub const XN: u32 = Kind::ExpectDelete.bit() | Kind::ExpectGet.bit();
    /// `-G expect`.
    pub const XG: u32 = Kind::ExpectGet.bit();
    /// `-E expect`.
    pub const XE: u32 = Kind::ExpectEvents.bit();
    /// `-S expect`.
    pub const XS: u32 = Kind::ExpectStats.bit();
    /// None.
    pub const NONE: u32 = 0;
    /// All.
    pub const ALL: u32 = u32::MAX;
}
