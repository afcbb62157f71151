//! The table of commands, options and protocols: what the scanner, the checks, the help, the manual
//! page, the completions and COMPAT.md are made from.

mod general;
mod kind;
mod protocol;

pub use general::{Column, GENERAL, OptionRow};
pub use kind::{Kind, Table, TableWord, VERBS, Verb, VerbRow, sets};
pub use protocol::{PARTS, PROTOCOLS, Part, PartRow, ProtocolRow, Tracked, Use};

/// What follows an option; the word is what the help calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    None,
    /// A value, which may begin with `-`.
    Required(&'static str),
    /// Perhaps a value: glued, behind `=`, or the next word unless that begins with `-` or `!`.
    Optional(&'static str),
}

/// Parts of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// For flows.
    Flows,
    /// For expectations.
    Expectations,
    /// For changes.
    Changes,
    /// For both.
    Common,
}

/// How an option stands to that of the stock tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No difference is known.
    Same,
    /// How it differs.
    Differs(&'static str),
    /// The stock tool has no such option; what it is for.
    Ours(&'static str),
}
