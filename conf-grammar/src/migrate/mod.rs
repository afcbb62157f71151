//! An old file in today's spelling.
//!
//! The file is not written anew: every old clause says by its [`Status`] in the table which ranges of
//! bytes are to change, and the rest of the file stays as it is.

mod edit;
mod moved;
mod page;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Outcome;
use crate::diagnose::Sink;
use crate::dialect::Dialect;
use crate::model::{NAMELESS_PROTOCOL, protocol_spelling};
use crate::parse::text::Text;
use crate::parse::value::{ModeName, Value};
use crate::parse::{self, Clause};
use crate::schema::Status;
use crate::span::Span;
use edit::{Comments, Edits};
use moved::{Item, Moved};
use page::Page;

/// The section that takes what belongs into no other.
const GENERAL: &str = "General";

/// What became of an old file.
#[derive(Clone, Debug)]
pub struct Migration {
    /// The file in today's spelling; `None` if it has errors.
    pub text: Option<String>,
    /// What is different, in the order of the old file.
    pub changes: Vec<Change>,
    /// What the parser has to say about the old file.
    pub outcome: Outcome,
}

/// One difference between an old file and its modern form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The place in the old file.
    pub span: Span,
    /// What became of it, in one sentence.
    pub message: String,
}

/// Rewrites the old clauses of a file as they are written today.
///
/// - Old names of clauses and modes are replaced.
/// - Clauses without effect go. A comment takes the place of those whose effect is missed, and says
///   what to do about it.
/// - `IgnoreTrafficFor`, `IgnoreProtocol` and `Replicate` become part of `Filter`, with the comments
///   inside them; `Checksum` of `Sync` becomes part of each link; what belongs into `General` goes there.
///   Protocol numbers become names. A number without a name keeps its `IgnoreProtocol`, for `Filter`
///   takes names only, and so do the entries behind it.
/// - A byte order mark goes.
///
/// All else stays as it is, byte for byte, and no comment is lost; of the empty lines around a line
/// that goes one is left. Networks with bits below their prefix, repeated clauses and the like are no
/// matter of age and stay as well. The new file configures the same daemon, and migrating it changes
/// nothing more.
///
/// ```
/// let old = b"General {\n\tSocketBufferSize 262142  # bytes\n\tFamily IPv4\n}\nStats { }\n";
/// let migration = conf_grammar::migrate("old.conf", old);
/// let new = "General {\n\tNetlinkBufferSize 262142  # bytes\n}\nStats { }\n";
/// assert_eq!(migration.text.as_deref(), Some(new));
/// assert_eq!(migration.changes.len(), 2);
/// ```
pub fn migrate(file_name: &str, source: &[u8]) -> Migration {
    migrate_with(file_name, source, Dialect::Strict)
}

/// Rewrites a file like [`migrate`] that was written in a language of choice; what only the stock
/// dialect accepts is no matter of age and stays.
pub fn migrate_with(file_name: &str, source: &[u8], dialect: Dialect) -> Migration {
    let outcome = crate::parse_with(file_name, source, dialect);
    let (text, changes) = match std::str::from_utf8(source) {
        Ok(source) if !outcome.has_errors() => rewrite(source, dialect),
        Ok(_) | Err(_) => (None, Vec::new()),
    };
    Migration {
        text,
        changes,
        outcome,
    }
}

fn rewrite(source: &str, dialect: Dialect) -> (Option<String>, Vec<Change>) {
    const BYTE_ORDER_MARK: char = '\u{FEFF}';
    let bare = source.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source);
    let text = Text::decode(bare.as_bytes());
    let file = parse::read(bare.as_bytes(), &mut Sink::new(dialect));
    let (Some(file), Ok(page)) = (file, Page::new(&text)) else {
        return (None, Vec::new());
    };
    let mut rewriter = Rewriter {
        page: &page,
        edits: Edits::default(),
        moved: Moved::default(),
        changes: Vec::new(),
    };
    if bare.len() < source.len() {
        rewriter.changed(Span::START, "the byte order mark is removed".to_owned());
    }
    rewriter.file(&file);
    let (text, mut changes) = rewriter.finish(&file, bare);
    changes.sort_by_key(|change| change.span.location);
    (Some(text), changes)
}

struct Rewriter<'p> {
    page: &'p Page<'p>,
    edits: Edits,
    moved: Moved,
    changes: Vec<Change>,
}

fn bytes(span: Span) -> Range<usize> {
    span.start..span.end
}

impl Rewriter<'_> {
    fn changed(&mut self, span: Span, message: String) {
        self.changes.push(Change { span, message });
    }

    fn finish(mut self, file: &[Clause], source: &str) -> (String, Vec<Change>) {
        let end = self.page.line_end;
        let section = self.moved.settle(file, self.page, &mut self.edits);
        if self.edits.is_empty() {
            return (source.to_owned(), self.changes);
        }
        let mut text = self.edits.apply(self.page, source);
        if let Some(section) = section {
            if !text.is_empty() && !text.ends_with(end) {
                text += end;
            }
            if !text.is_empty() {
                text += end;
            }
            text += &section;
        }
        // A carriage return in a comment is no line end as long as there is a line feed.
        if text.contains('\r') && source.contains('\n') && !text.contains('\n') {
            text.push('\n');
        }
        (text, self.changes)
    }

    fn file(&mut self, file: &[Clause]) {
        for section in file {
            self.clause(section);
        }
        self.checksums(file);
        self.ignored_protocols(file);
        self.strays(file);
    }

    /// Changes a clause and those inside it, as far as they can be changed one by one.
    fn clause(&mut self, clause: &Clause) {
        let old = &self.page.text[bytes(clause.head)];
        match clause.spec.status {
            Status::Alive => {}
            Status::Alias(new) | Status::Renamed(new) => {
                self.edits.replace(bytes(clause.head), new);
                self.changed(clause.head, format!("`{old}` is called `{new}`"));
            }
            Status::Ignored(_) | Status::Redundant(_) => {
                self.remove(clause, None);
                self.changed(clause.head, format!("`{old}` is removed, it has no effect"));
            }
            Status::Lost(help) => {
                let was_off = matches!(clause.args.first(), Some((Value::Bool(false), _)));
                let words = self.page.words(&bytes(clause.whole));
                let note = format!("# removed: {words} ({help})");
                self.remove(clause, (!was_off).then_some(note));
                self.changed(clause.head, format!("`{old}` is removed: {help}"));
            }
            Status::Translated(_) => self.translated(clause),
            // Which of several counts is not known before all are.
            Status::Elsewhere(_) => {}
        }
        self.mode_name(clause);
        for inner in &clause.clauses {
            self.clause(inner);
        }
    }

    fn remove(&mut self, clause: &Clause, note: Option<String>) {
        self.edits
            .remove(self.page, bytes(clause.whole), Comments::Keep, note);
    }

    fn mode_name(&mut self, clause: &Clause) {
        let (Some(mode), Some((_, span))) = (clause.mode(), clause.args.first()) else {
            return;
        };
        let old = &self.page.text[bytes(*span)];
        if ModeName::by_old_name(old).is_some() {
            let new = mode.as_str();
            self.edits.replace(bytes(*span), new);
            self.changed(*span, format!("the mode `{old}` is called `{new}`"));
        }
    }

    /// Moves a clause whose modern form stands elsewhere and depends on no other clause.
    fn translated(&mut self, clause: &Clause) {
        let (set, range) = match clause.name {
            "IgnoreTrafficFor" => (&mut self.moved.addresses, self.page.block(clause)),
            "Replicate" => (&mut self.moved.states, clause.head.end..clause.whole.end),
            // Those that need a look at the whole file.
            _ => return,
        };
        let braces = usize::from(clause.name == "IgnoreTrafficFor");
        let content = &self.page.text[range.start + braces..range.end - braces];
        set.get_or_insert_default().extend(moved::lines(content));
        self.take(clause, range);
        let name = clause.name;
        self.changed(clause.head, format!("`{name}` is part of `Filter`"));
    }

    /// Removes a clause whose part `range` was moved, comments and all.
    fn take(&mut self, clause: &Clause, range: Range<usize>) {
        let head = clause.head.start..range.start.min(range.end);
        self.edits.remove(self.page, head, Comments::Keep, None);
        self.edits.remove(self.page, range, Comments::Take, None);
    }

    /// `Checksum` of `Sync` holds for every link that has none of its own; the last one counts.
    fn checksums(&mut self, file: &[Clause]) {
        let direct = || {
            file.iter()
                .filter(|section| section.name == "Sync")
                .flat_map(|sync| &sync.clauses)
        };
        let is_old = |clause: &&Clause| clause.name == "Checksum";
        let Some(counts) = direct().rfind(is_old) else {
            return;
        };
        let words = self.page.words(&bytes(counts.whole));
        for clause in direct() {
            let is_link = matches!(clause.name, "Multicast" | "UDP" | "TCP");
            if clause.name == "Checksum" {
                self.remove(clause, None);
                self.changed(clause.head, "`Checksum` is part of each link".to_owned());
            } else if is_link && !clause.clauses.iter().any(|inner| inner.name == "Checksum") {
                let item = Item::Line(words.clone());
                moved::append(clause, &[item], self.page, &mut self.edits);
            }
        }
    }

    /// `IgnoreProtocol`: the entries up to the first one that has no name.
    fn ignored_protocols(&mut self, file: &[Clause]) {
        let mut has_nameless = false;
        for clause in file.iter().filter(|section| section.name == "IgnoreProtocol") {
            let nameless = clause
                .items
                .iter()
                .position(|(value, _)| spelling(value).is_none());
            if !has_nameless && nameless.is_none() {
                self.move_protocols(clause);
                continue;
            }
            if !has_nameless {
                self.move_some_protocols(clause, nameless.unwrap_or(0));
            }
            has_nameless = true;
        }
    }

    fn move_protocols(&mut self, clause: &Clause) {
        let block = self.page.block(clause);
        let mut content = String::new();
        let mut done = block.start + 1;
        for (value, span) in &clause.items {
            content += &self.page.text[done..span.start];
            content += &self.modern_protocol(value, *span);
            done = span.end;
        }
        content += &self.page.text[done..block.end - 1];
        let set = self.moved.protocols.get_or_insert_default();
        set.extend(moved::lines(&content));
        self.take(clause, block);
        let message = "`IgnoreProtocol` is part of `Filter`";
        self.changed(clause.head, message.to_owned());
    }

    fn move_some_protocols(&mut self, clause: &Clause, n: usize) {
        for (value, span) in clause.items.iter().take(n) {
            let name = self.modern_protocol(value, *span);
            let set = self.moved.protocols.get_or_insert_default();
            set.push(Item::Line(name));
            self.edits.remove(self.page, bytes(*span), Comments::Keep, None);
            self.changed(*span, "this protocol is part of `Filter`".to_owned());
        }
        let comment = format!("# {NAMELESS_PROTOCOL}");
        if !self.page.has_comment(&comment) {
            let (start, end) = (clause.head.start, self.page.line_end);
            let indent = self.page.indent(start);
            let before = if self.page.is_first_on_line(start) {
                ""
            } else {
                end
            };
            self.edits
                .insert(start, format!("{before}{comment}{end}{indent}"));
            self.changed(
                clause.head,
                format!("`IgnoreProtocol` stays: {NAMELESS_PROTOCOL}"),
            );
        }
    }

    /// An entry as `Filter` takes it: a name stays as it is written.
    fn modern_protocol(&self, value: &Value, span: Span) -> String {
        let written = &self.page.text[bytes(span)];
        match spelling(value) {
            Some(name) if written.starts_with(|c: char| c.is_ascii_digit()) => name,
            Some(_) | None => written.to_owned(),
        }
    }

    /// Clauses that belong into a section in which they do not stand; the last one of a name counts.
    fn strays(&mut self, file: &[Clause]) {
        let inner = || {
            file.iter().flat_map(|section| {
                let is_general = section.name == GENERAL;
                section.clauses.iter().map(move |clause| (is_general, clause))
            })
        };
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (is_at_home, clause) in inner() {
            if is_at_home || is_stray(clause) {
                last.insert(clause.name, clause.head.start);
            }
        }
        for (_, clause) in inner().filter(|(_, clause)| is_stray(clause)) {
            let name = clause.name;
            self.remove(clause, None);
            if last.get(name) == Some(&clause.head.start) {
                let words = self.page.words(&bytes(clause.whole));
                self.moved.clauses.push(Item::Line(words));
                self.changed(clause.head, format!("`{name}` is moved to `{GENERAL}`"));
            } else {
                self.changed(clause.head, format!("`{name}` is removed, a later one counts"));
            }
        }
    }
}

/// Whether a clause belongs into [`GENERAL`] and stands elsewhere.
fn is_stray(clause: &Clause) -> bool {
    matches!(clause.spec.status, Status::Elsewhere(_))
}

/// The name by which a filter knows a protocol, if it has one.
fn spelling(value: &Value) -> Option<String> {
    if let Value::Protocol(number) = value {
        protocol_spelling(*number)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{BlockKind, block};

    #[test]
    fn every_old_clause_that_is_not_changed_by_its_status_alone_is_known_here() {
        for kind in BlockKind::ALL {
            for clause in block(kind).clauses() {
                match clause.status {
                    Status::Translated(_) => assert!(
                        ["IgnoreTrafficFor", "IgnoreProtocol", "Replicate", "Checksum"]
                            .contains(&clause.name),
                        "{}",
                        clause.name
                    ),
                    Status::Elsewhere(home) => assert_eq!(home, GENERAL, "{}", clause.name),
                    Status::Alive
                    | Status::Alias(_)
                    | Status::Renamed(_)
                    | Status::Ignored(_)
                    | Status::Lost(_)
                    | Status::Redundant(_) => {}
                }
            }
        }
    }
}
