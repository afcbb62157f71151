//! Clauses that belong into another block.

use super::edit::Edits;
use super::page::{Page, is_blank};
use crate::model::Policy;
use crate::parse::Clause;
use crate::parse::value::Value;

/// New text of a block.
pub(super) enum Item {
    /// A line without its indentation.
    Line(String),
    /// A clause and its block.
    Block(&'static str, Vec<Self>),
}

/// What is to be put into section `General`.
#[derive(Default)]
pub(super) struct Moved {
    pub(super) clauses: Vec<Item>,
    pub(super) protocols: Option<Vec<Item>>,
    pub(super) addresses: Option<Vec<Item>>,
    pub(super) states: Option<Vec<Item>>,
}

impl Moved {
    /// Puts everything where it belongs: at the end of the last block that there is, so that entries
    /// keep their order and clauses their precedence; what is missing is made.
    ///
    /// Returns the section that stands in no file yet, for its end.
    pub(super) fn settle(self, file: &[Clause], page: &Page<'_>, edits: &mut Edits) -> Option<String> {
        let generals: Vec<&Clause> = file.iter().filter(|section| section.name == "General").collect();
        let filters = || inner(&generals).filter(|clause| clause.name == "Filter");
        let sets: Vec<&Clause> = filters().flat_map(|filter| &filter.clauses).collect();
        let mut filter_items = Vec::new();
        for (name, policy, head, items) in [
            ("Protocol", Policy::Ignore, "Protocol Ignore", self.protocols),
            ("Address", Policy::Ignore, "Address Ignore", self.addresses),
            ("State", Policy::Accept, "State Accept", self.states),
        ] {
            let Some(items) = items else { continue };
            let is_this = |set: &&&Clause| {
                set.name == name && matches!(set.args.first(), Some((Value::Policy(p), _)) if *p == policy)
            };
            match sets.iter().rfind(is_this) {
                Some(set) => append(set, &items, page, edits),
                None => filter_items.push(Item::Block(head, items)),
            }
        }
        let mut items = self.clauses;
        if !filter_items.is_empty() {
            match filters().next_back() {
                Some(filter) => append(filter, &filter_items, page, edits),
                None => items.push(Item::Block("Filter", filter_items)),
            }
        }
        if items.is_empty() {
            return None;
        }
        match generals.last() {
            Some(general) => {
                append(general, &items, page, edits);
                None
            }
            None => Some(render(&[Item::Block("General", items)], "", page)),
        }
    }
}

fn inner<'c>(sections: &[&'c Clause]) -> impl DoubleEndedIterator<Item = &'c Clause> {
    sections.iter().flat_map(|section| &section.clauses)
}

/// Makes lines of text that stands elsewhere.
pub(super) fn lines(text: &str) -> Vec<Item> {
    text.lines()
        .map(|line| line.trim_matches(is_blank))
        .filter(|line| !line.is_empty())
        .map(|line| Item::Line(line.to_owned()))
        .collect()
}

/// Puts items at the end of the block of a clause, in the manner of that block.
pub(super) fn append(clause: &Clause, items: &[Item], page: &Page<'_>, edits: &mut Edits) {
    let brace = clause.whole.end.saturating_sub(1);
    let indent = page.indent(brace);
    if items.is_empty() {
        return;
    }
    if page.is_first_on_line(brace) {
        let heads = clause.clauses.iter().map(|clause| clause.head);
        let mut spans = heads.chain(clause.items.iter().map(|(_, span)| *span));
        let inner = spans.find(|span| page.is_first_on_line(span.start));
        let inner = inner.map_or_else(|| page.deeper(indent), |span| page.indent(span.start).to_owned());
        edits.insert(brace - indent.len(), render(items, &inner, page));
    } else if has_comment(items) {
        let lines = render(items, &page.deeper(indent), page);
        edits.insert(brace, format!("{}{lines}{indent}", page.line_end));
    } else {
        let words = in_one_line(items);
        let has_blank = page.text[..brace].ends_with([' ', '\t', '\r', '\n']);
        edits.insert(
            brace,
            if has_blank {
                format!("{words} ")
            } else {
                format!(" {words} ")
            },
        );
    }
}

fn render(items: &[Item], indent: &str, page: &Page<'_>) -> String {
    let end = page.line_end;
    let mut text = String::new();
    for item in items {
        match item {
            Item::Line(line) => text += &format!("{indent}{line}{end}"),
            Item::Block(head, items) => {
                let lines = render(items, &page.deeper(indent), page);
                text += &format!("{indent}{head} {{{end}{lines}{indent}}}{end}");
            }
        }
    }
    text
}

fn in_one_line(items: &[Item]) -> String {
    let words = items.iter().map(|item| match item {
        Item::Line(line) => line.clone(),
        Item::Block(head, items) if items.is_empty() => format!("{head} {{ }}"),
        Item::Block(head, items) => format!("{head} {{ {} }}", in_one_line(items)),
    });
    words.collect::<Vec<String>>().join(" ")
}

fn has_comment(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Line(line) => line.contains('#'),
        Item::Block(_, items) => has_comment(items),
    })
}
