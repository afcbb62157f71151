//! What a clause counts as when a file does not give it.

#![expect(
    clippy::panic,
    reason = "settings are constants: the compiler meets these panics, no program does"
)]

use crate::model::SchedulerClass;
use crate::parse::value::ModeName;
use crate::schema::{BlockKind, block};

/// The default of a clause, as the table has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DefaultValue {
    /// Nothing to speak of: the clause is a block, an entry of a list, or without effect.
    None,
    /// The clause must be given.
    Required,
    /// The clause, or the one that is named, must be given.
    Either(&'static str),
    Number(u32),
    Bool(bool),
    Path(&'static str),
    Class(SchedulerClass),
    Mode(ModeName),
    /// No value of the clause's kind; the text says what holds instead.
    Unset(&'static str),
}

/// A clause with its default, for the model to ask for.
///
/// A setting is a constant: one that the table does not have, or has with another kind of default,
/// does not compile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) name: &'static str,
    pub(crate) default: T,
}

impl Setting<u32> {
    pub(crate) const fn number(kind: BlockKind, name: &'static str) -> Self {
        let DefaultValue::Number(default) = default_value(kind, name) else {
            panic!("the default of this clause is not a number");
        };
        Self { name, default }
    }
}

impl Setting<bool> {
    pub(crate) const fn switch(kind: BlockKind, name: &'static str) -> Self {
        let DefaultValue::Bool(default) = default_value(kind, name) else {
            panic!("the default of this clause is neither on nor off");
        };
        Self { name, default }
    }
}

impl Setting<&'static str> {
    pub(crate) const fn path(kind: BlockKind, name: &'static str) -> Self {
        let DefaultValue::Path(default) = default_value(kind, name) else {
            panic!("the default of this clause is not a path");
        };
        Self { name, default }
    }
}

impl Setting<SchedulerClass> {
    pub(crate) const fn class(kind: BlockKind, name: &'static str) -> Self {
        let DefaultValue::Class(default) = default_value(kind, name) else {
            panic!("the default of this clause is not a scheduling class");
        };
        Self { name, default }
    }
}

impl Setting<ModeName> {
    pub(crate) const fn mode(kind: BlockKind, name: &'static str) -> Self {
        let DefaultValue::Mode(default) = default_value(kind, name) else {
            panic!("the default of this clause is not a mode");
        };
        Self { name, default }
    }
}

const fn default_value(kind: BlockKind, name: &str) -> DefaultValue {
    let clauses = block(kind).clauses();
    let mut at = 0;
    while at < clauses.len() {
        if is_same(clauses[at].name, name) {
            return clauses[at].default;
        }
        at += 1;
    }
    panic!("this kind of block has no such clause");
}

/// `==` of strings is no constant function.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_the_default_of_its_row() {
        const HASH_SIZE: Setting<u32> = Setting::number(BlockKind::General, "HashSize");
        assert_eq!((HASH_SIZE.name, HASH_SIZE.default), ("HashSize", 65_536));
    }

    #[test]
    fn names_are_the_same_only_as_a_whole() {
        let cases = [("Type", "Type"), ("Type", "Typo"), ("Type", "Types"), ("", "")];
        let got: Vec<bool> = cases.iter().map(|(one, other)| is_same(one, other)).collect();
        assert_eq!(got, [true, false, false, true]);
    }
}
