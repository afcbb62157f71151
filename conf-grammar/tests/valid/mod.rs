//! Random files without errors, as text.
//!
//! A file is drawn from a tape of numbers: every choice takes the next one, and behind the end of the
//! tape all are 0, the simplest choice. A shorter tape of smaller numbers is a simpler file, which is
//! how proptest shrinks it.

pub(crate) mod layout;
mod writer;

use proptest::prelude::*;

use layout::lay_out;
use writer::Writer;

/// Which clauses a file may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// Those of today.
    Modern,
    /// Those of any release.
    Any,
}

/// A clause or a list entry, with its block if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    words: String,
    block: Option<Vec<Self>>,
}

impl Item {
    fn name(&self) -> &str {
        self.words.split(' ').next().unwrap_or_default()
    }
}

/// Returns random sections of a file.
pub(crate) fn sections(age: Age) -> impl Strategy<Value = (Vec<Item>, Tape)> {
    tape().prop_map(move |mut tape| (Writer::new(&mut tape, age).file(), tape))
}

/// Returns random files of text, laid out in all ways that the language allows.
pub(crate) fn file(age: Age) -> impl Strategy<Value = String> {
    sections(age).prop_map(|(items, mut tape)| lay_out(&items, &mut tape))
}

fn tape() -> impl Strategy<Value = Tape> {
    proptest::collection::vec(any::<u16>(), 0..1200).prop_map(|choices| Tape(choices.into_iter()))
}

/// The choices that make a file.
#[derive(Clone, Debug)]
pub(crate) struct Tape(std::vec::IntoIter<u16>);

impl Tape {
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in 1..items.len() {
            let other = at - self.below(at + 1);
            items.swap(at, other);
        }
    }
}

/// Puts independent clauses into another order: those of one name keep theirs, for the last of them
/// counts, and so do entries of lists. A timeout may stand in `Sync` and in `Mode`, which makes
/// those depend on each other.
pub(crate) fn permute(items: &mut [Item], tape: &mut Tape) {
    let names: Vec<String> = items.iter().map(|item| item.name().to_owned()).collect();
    let mut order: Vec<usize> = (0..items.len()).collect();
    tape.shuffle(&mut order);
    let mut waiting: Vec<Option<Item>> = items.iter().cloned().map(Some).collect();
    for (slot, pick) in items.iter_mut().zip(order) {
        let of_name = (0..waiting.len()).filter(|&at| names[at] == names[pick]);
        let next = of_name.filter_map(|at| waiting[at].take()).next();
        *slot = next.expect("a name is picked as often as it stands there");
    }
    for item in items {
        let is_list = matches!(item.name(), "Protocol" | "Address" | "State" | "ExpectationSync");
        match (item.name() == "Sync", item.block.as_mut()) {
            (true, Some(block)) => block
                .iter_mut()
                .for_each(|inner| permute(std::slice::from_mut(inner), tape)),
            (false, Some(block)) if !is_list => permute(block, tape),
            (false, Some(_)) | (_, None) => {}
        }
    }
}

/// Adds lines that are wrong, whatever block they stand in.
pub(crate) fn spoil(items: &mut Vec<Item>, n: usize, tape: &mut Tape) {
    for _ in 0..n {
        let fault = clause(tape.pick(&["Nonsense", "Nonsense x", "N0nsense { x 1 }", "Nonsense = x"]));
        let mut block = &mut *items;
        // As deep as there are blocks of clauses, or less.
        while !tape.one_in(3) {
            let at = tape.below(block.len().max(1));
            let is_open = |item: &Item| {
                let is_list = [
                    "Protocol",
                    "Address",
                    "State",
                    "ExpectationSync",
                    "IgnoreProtocol",
                ];
                item.block.is_some() && !is_list.contains(&item.name())
            };
            if !block.get(at).is_some_and(is_open) {
                break;
            }
            block = block[at].block.as_mut().expect("it is a block");
        }
        let at = tape.below(block.len() + 1);
        block.insert(at, fault);
    }
}

fn clause(words: impl Into<String>) -> Item {
    Item {
        words: words.into(),
        block: None,
    }
}

fn block(words: impl Into<String>, items: Vec<Item>) -> Item {
    Item {
        words: words.into(),
        block: Some(items),
    }
}
