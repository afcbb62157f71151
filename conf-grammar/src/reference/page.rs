//! The page, part by part.

use super::facts::{difference, facts, join, protocols, standing, states, syntax};
use super::{Part, TOP_LEVEL, prose};
use crate::diagnose::Code;
use crate::model::{HelperL4, KNOWN_HELPERS};
use crate::parse::value::ModeName;
use crate::schema::{
    BlockKind, BlockSpec, ClauseSpec, Compat, Content, DefaultValue, FIRST_RELEASE, Kind, Status, block,
};

/// The sections, each with the blocks inside it, in the order of the page. A clause that several blocks
/// share is told where it comes first.
const CHAPTERS: [(BlockKind, &[BlockKind]); 4] = [
    (
        BlockKind::General,
        &[
            BlockKind::Unix,
            BlockKind::Scheduler,
            BlockKind::Filter,
            BlockKind::Protocols,
            BlockKind::Addresses,
            BlockKind::States,
        ],
    ),
    (
        BlockKind::Sync,
        &[
            BlockKind::Ftfw,
            BlockKind::Alarm,
            BlockKind::Notrack,
            BlockKind::Udp,
            BlockKind::Multicast,
            BlockKind::Tcp,
            BlockKind::Options,
            BlockKind::ExpectationNames,
        ],
    ),
    (BlockKind::Stats, &[]),
    (
        BlockKind::Helper,
        &[BlockKind::HelperType, BlockKind::HelperPolicy],
    ),
];

pub(super) fn parts() -> Vec<Part> {
    let mut page = Page::default();
    page.texts(prose::INTRO);
    page.chapter("How a file is read");
    for (term, text) in prose::READING {
        page.entry((*term).to_owned(), vec![(*text).to_owned()]);
    }
    page.chapter("Sections");
    page.content(block(BlockKind::File));
    for (section, inner) in CHAPTERS {
        page.chapter(format!("Section {}", block(section).title));
        page.content(block(section));
        for kind in inner {
            page.parts.push(Part::Heading(block(*kind).title.to_owned()));
            page.content(block(*kind));
        }
        if section == BlockKind::Helper {
            page.helpers();
        }
    }
    page.old_clauses();
    page.chapter("Examples");
    for example in &prose::EXAMPLES {
        page.parts.push(Part::Heading(example.title.to_owned()));
        page.texts(&[example.intro]);
        for kind in example.uses {
            page.refusal(block(*kind));
        }
        page.parts.push(Part::Example(example.text));
    }
    page.diagnostics();
    page.files();
    page.parts
}

#[derive(Default)]
struct Page {
    parts: Vec<Part>,
    /// The clauses that were told, and where.
    told: Vec<(&'static ClauseSpec, &'static str)>,
}

impl Page {
    fn chapter(&mut self, title: impl Into<String>) {
        self.parts.push(Part::Chapter(title.into()));
    }

    fn texts(&mut self, texts: &[&str]) {
        let texts = texts.iter().map(|text| Part::Text((*text).to_owned()));
        self.parts.extend(texts);
    }

    fn entry(&mut self, term: String, texts: Vec<String>) {
        self.parts.push(Part::Entry { term, texts });
    }

    /// Tells what a block holds.
    fn content(&mut self, block: &'static BlockSpec) {
        let intro: Vec<&str> = block.intro.split("\n\n").collect();
        self.texts(&intro);
        self.refusal(block);
        match block.content {
            Content::Clauses(clauses) => self.clauses(block, clauses),
            Content::List(Kind::Protocol) => {
                self.texts(&[&format!("In any letter case: {}.", protocols())]);
            }
            Content::List(_) => {}
            Content::States => self.texts(&[&format!("The states: {}.", states())]),
        }
    }

    fn refusal(&mut self, block: &BlockSpec) {
        let sentence = block.refused.and_then(|why| difference(Compat::NotYet(why)));
        self.parts.extend(sentence.map(Part::Text));
    }

    fn clauses(&mut self, block: &'static BlockSpec, clauses: &'static [ClauseSpec]) {
        let alive = |clause: &&ClauseSpec| matches!(clause.status, Status::Alive);
        let mut shared: Vec<(&str, Vec<String>)> = Vec::new();
        let mut own = Vec::new();
        for clause in clauses.iter().filter(alive) {
            let is_same = |(other, _): &&(&ClauseSpec, &str)| other.is_told_like(clause);
            let Some((_, home)) = self.told.iter().find(is_same) else {
                self.told.push((clause, block.title));
                own.push(clause);
                continue;
            };
            match shared.iter_mut().find(|(other, _)| other == home) {
                Some((_, names)) => names.push(format!("`{}`", clause.name)),
                None => shared.push((home, vec![format!("`{}`", clause.name)])),
            }
        }
        for (home, names) in shared {
            let text = format!("The same as in {home}: {}.", join(names.into_iter()));
            self.parts.push(Part::Text(text));
        }
        for clause in own {
            self.clause(clause);
        }
    }

    fn clause(&mut self, clause: &ClauseSpec) {
        let since = if clause.since == FIRST_RELEASE {
            String::new()
        } else {
            format!(" Since {}.", clause.since)
        };
        let facts = facts(clause);
        let mut texts = if facts.is_empty() {
            vec![format!("{}{since}", clause.doc)]
        } else {
            vec![clause.doc.to_owned(), format!("{facts}{since}")]
        };
        texts.extend(difference(clause.compat));
        self.entry(syntax(clause), texts);
    }

    fn helpers(&mut self) {
        self.parts.push(Part::Heading("The helpers".to_owned()));
        let row = |helper: &crate::model::KnownHelper| {
            let protocols = helper.l4.iter().map(|l4| match l4 {
                HelperL4::Tcp => "`tcp`".to_owned(),
                HelperL4::Udp => "`udp`".to_owned(),
            });
            let text = format!(
                "Over {}. `ExpectMax` is {}, `ExpectTimeout` {} seconds.",
                join(protocols),
                helper.expect_max,
                helper.expect_timeout_secs
            );
            [format!("`{}`", helper.name), text]
        };
        self.parts.push(Part::Table {
            head: ["Helper", "Protocols, and what it expects"],
            rows: KNOWN_HELPERS.iter().map(row).collect(),
        });
    }

    /// Clauses of other times, each with its standing.
    fn old_clauses(&mut self) {
        self.chapter("Old clauses");
        self.texts(prose::OLD_CLAUSES);
        let mut rows: Vec<(&ClauseSpec, Vec<String>, String)> = Vec::new();
        for kind in BlockKind::ALL {
            let block = block(kind);
            for clause in block.clauses() {
                let Some(standing) = standing(clause) else {
                    continue;
                };
                let home = if kind == BlockKind::File {
                    TOP_LEVEL
                } else {
                    block.title
                };
                match rows.iter_mut().find(|(other, ..)| other.is_told_like(clause)) {
                    Some((_, homes, _)) => homes.push(home.to_owned()),
                    None => rows.push((clause, vec![home.to_owned()], standing)),
                }
            }
        }
        let modes = ModeName::OLD.iter().map(|(old, mode)| {
            let text = format!("Today it is `Mode {}`.", mode.as_str());
            [format!("`Mode {old}`, {}", block(BlockKind::Sync).title), text]
        });
        let clauses = rows.into_iter().map(|(clause, homes, standing)| {
            let until = clause
                .until
                .map(|until| format!(" Until {until}."))
                .unwrap_or_default();
            let text = format!("{}{until} {standing}", clause.doc);
            [format!("`{}`, {}", clause.name, join(homes.into_iter())), text]
        });
        self.parts.push(Part::Table {
            head: ["Clause, and where", "What it was, and what becomes of it"],
            rows: modes.chain(clauses).collect(),
        });
    }

    fn diagnostics(&mut self) {
        self.chapter("Diagnostics");
        self.texts(prose::DIAGNOSTICS);
        let row = |code: &Code| [format!("`{code}`"), format!("{}.", capitalised(code.summary()))];
        self.parts.push(Part::Table {
            head: ["Code", "Meaning"],
            rows: Code::ALL.iter().map(row).collect(),
        });
    }

    /// The files that clauses name by default.
    fn files(&mut self) {
        self.chapter("Files");
        let (path, text) = prose::FILE;
        self.entry(format!("`{path}`"), vec![text.to_owned()]);
        for block in BlockKind::ALL.map(block) {
            for (path, clause) in block.clauses().iter().filter_map(usual_file) {
                let text = format!("{clause} of {}.", block.title);
                self.entry(format!("`{path}`"), vec![text]);
            }
        }
    }
}

/// The file that a clause names unless it is given another, and the words of the clause for it.
fn usual_file(clause: &ClauseSpec) -> Option<(&'static str, String)> {
    if let DefaultValue::Path(path) = clause.default {
        return Some((path, format!("`{}`", clause.name)));
    }
    clause.args.iter().find_map(|kind| {
        if let Kind::BoolOrPath(log) = kind {
            Some((log.on, format!("`{} on`", clause.name)))
        } else {
            None
        }
    })
}

impl ClauseSpec {
    /// Whether there is nothing to say of one that was not said of the other.
    fn is_told_like(&self, other: &Self) -> bool {
        self.name == other.name && self.doc == other.doc && facts(self) == facts(other)
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_block_has_its_place() {
        let told: Vec<BlockKind> = CHAPTERS
            .iter()
            .flat_map(|(section, inner)| std::iter::once(section).chain(inner.iter()))
            .copied()
            .collect();
        // The first is told before the chapters, the others with the old clauses.
        let elsewhere = [
            BlockKind::File,
            BlockKind::IgnoredAddresses,
            BlockKind::IgnoredProtocols,
        ];
        for kind in BlockKind::ALL {
            let n = told.iter().filter(|other| **other == kind).count();
            assert_eq!(n == 1, !elsewhere.contains(&kind), "{kind:?} is told {n} times");
        }
    }
}
