//! From words to options, as GNU `getopt_long` finds them.
//!
//! Options stand anywhere among the other words, names may be cut short, values are glued, behind
//! `=` or the next word, and `--` ends the options. The options of a protocol are known once the
//! protocol is.

use std::iter::Peekable;

use super::given::Given;
use super::lookup::Target;
use super::refusal::shown;
use super::table::{GENERAL, PARTS, Table, TableWord, VERBS, Value};
use super::{Context, Refusal};

/// Reads all words of a command line, without the name of the program.
pub(super) fn scan<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    context: &mut Context,
) -> Result<Given<'a>, Refusal> {
    let mut scanner = Scanner {
        words: words.peekable(),
        given: Given::default(),
        context,
    };
    while let Some(word) = scanner.words.next() {
        match word {
            b"--" => break,
            [b'-', b'-', ..] => scanner.long(word)?,
            [b'-', _, ..] => scanner.cluster(word)?,
            // Other words mean nothing, wherever they stand.
            _ => {}
        }
    }
    Ok(scanner.given)
}

struct Scanner<'a, 'c, W: Iterator<Item = &'a [u8]>> {
    words: Peekable<W>,
    given: Given<'a>,
    context: &'c mut Context,
}

/// What stands behind an option in its own word.
#[derive(Clone, Copy, Debug)]
struct Rest<'a> {
    /// The word.
    word: &'a [u8],
    /// What is glued to the option, or follows `=`.
    value: Option<&'a [u8]>,
}

impl<'a, W: Iterator<Item = &'a [u8]>> Scanner<'a, '_, W> {
    /// Takes `--name` or `--name=value`.
    fn long(&mut self, word: &'a [u8]) -> Result<(), Refusal> {
        let text = &word[2..];
        let equals = text.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(equals) => (&text[..equals], Some(&text[equals + 1..])),
            None => (text, None),
        };
        let target = self.context.index.name(name, self.given.known);
        let target = target.ok_or_else(|| unknown(word))?;
        if value.is_some() && !takes_value(target) {
            return Err(unknown(word));
        }
        self.option(target, Rest { word, value })
    }

    /// Takes `-x`, `-xyz` or `-xVALUE`.
    fn cluster(&mut self, word: &'a [u8]) -> Result<(), Refusal> {
        for (at, letter) in word.iter().enumerate().skip(1) {
            let target = self.context.index.letter(*letter).ok_or_else(|| unknown(word))?;
            let glued = &word[at + 1..];
            if takes_value(target) {
                let value = (!glued.is_empty()).then_some(glued);
                return self.option(target, Rest { word, value });
            }
            // Only the last of them has a next word.
            let is_last = glued.is_empty();
            match target {
                Target::Verb(row) if !is_last => self.verb(row, None)?,
                Target::Verb(_) | Target::General(_) | Target::Part(_) => {
                    self.option(target, Rest { word, value: None })?;
                }
            }
        }
        Ok(())
    }

    fn option(&mut self, target: Target, rest: Rest<'a>) -> Result<(), Refusal> {
        match target {
            Target::Verb(row) => {
                let table = rest.value.or_else(|| self.next_operand());
                self.verb(row, table)
            }
            Target::General(row) => {
                let row = &GENERAL[usize::from(row)];
                let value = self.value(row.value, rest)?;
                self.given.general(row, value, self.context)
            }
            Target::Part(row) => {
                let row = &PARTS[usize::from(row)];
                let value = self.value(row.value, rest)?;
                self.given.part(row, value.unwrap_or_default())
            }
        }
    }

    /// Finds the value of an option.
    fn value(&mut self, value: Value, rest: Rest<'a>) -> Result<Option<&'a [u8]>, Refusal> {
        match value {
            Value::None => Ok(None),
            Value::Required(_) => {
                let value = rest.value.or_else(|| self.words.next());
                let missing = || Refusal::MissingValue(shown(rest.word));
                value.map(Some).ok_or_else(missing)
            }
            Value::Optional(_) => Ok(rest.value.or_else(|| self.next_operand())),
        }
    }

    /// Takes the next word unless it looks like an option or a negation.
    fn next_operand(&mut self) -> Option<&'a [u8]> {
        self.words
            .next_if(|word| !matches!(word.first(), Some(b'-' | b'!')))
    }

    fn verb(&mut self, row: u8, table: Option<&[u8]>) -> Result<(), Refusal> {
        let table = table.map_or(Ok(Table::Conntrack), |word| {
            let found = Table::ALL
                .iter()
                .find(|(_, name)| name.as_bytes().starts_with(word));
            let found = found.map(|(table, _)| *table);
            found.ok_or_else(|| Refusal::UnknownTable(shown(word)))
        })?;
        self.given.command(VERBS[usize::from(row)].verb, table)
    }
}

/// Returns whether a value may be glued to the option or follow `=`.
fn takes_value(target: Target) -> bool {
    let value = match target {
        Target::Verb(row) => return VERBS[usize::from(row)].table == TableWord::Anywhere,
        Target::General(row) => GENERAL[usize::from(row)].value,
        Target::Part(row) => PARTS[usize::from(row)].value,
    };
    value != Value::None
}

fn unknown(word: &[u8]) -> Refusal {
    Refusal::UnknownOption(shown(word))
}
