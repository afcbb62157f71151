//! Changes of a text, collected first and made all at once.

use std::ops::Range;

use super::page::{Page, is_blank};

/// A range of the text that becomes another text.
pub(super) struct Edit {
    range: Range<usize>,
    text: String,
}

/// Words of one line that go away.
struct Removal {
    range: Range<usize>,
    /// A comment that takes their place.
    note: Option<String>,
}

/// What becomes of comments inside of what is removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    /// They stay where they are.
    Keep,
    /// They go with it.
    Take,
}

/// All changes of a file. No two of them touch the same word.
#[derive(Default)]
pub(super) struct Edits {
    edits: Vec<Edit>,
    removals: Vec<Removal>,
}

impl Edits {
    pub(super) fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.removals.is_empty()
    }

    pub(super) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        let text = text.into();
        self.edits.push(Edit { range, text });
    }

    pub(super) fn insert(&mut self, offset: usize, text: impl Into<String>) {
        self.replace(offset..offset, text);
    }

    /// Removes the words of a range that begins and ends with one; `note` takes the place of the first.
    pub(super) fn remove(
        &mut self,
        page: &Page<'_>,
        range: Range<usize>,
        comments: Comments,
        mut note: Option<String>,
    ) {
        let first = page.line_index(range.start);
        let last = page.line_index(range.end.saturating_sub(1).max(range.start));
        for line in &page.lines()[first..=last] {
            let from = line.start.max(range.start);
            let mut to = line.end.min(range.end);
            if comments == Comments::Keep {
                // A line has one comment at most, and it is the last thing on it.
                to = page
                    .comments_in(&(from..to))
                    .first()
                    .map_or(to, |comment| comment.start);
            }
            let words = page.text[from..to].trim_matches(is_blank);
            let start = from + page.text[from..to].find(words).unwrap_or(0);
            let is_empty_line = words.is_empty() && from == line.start && to == line.end;
            if !words.is_empty() || (is_empty_line && comments == Comments::Take) {
                self.removals.push(Removal {
                    range: start..start + words.len(),
                    note: note.take(),
                });
            }
        }
    }

    /// Makes the changes; `source` is the file that the page shows.
    pub(super) fn apply(mut self, page: &Page<'_>, source: &str) -> String {
        self.settle_removals(page);
        self.edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut text = String::with_capacity(source.len());
        let mut done = 0;
        for edit in self.edits {
            text.push_str(&source[done..edit.range.start]);
            text.push_str(&edit.text);
            done = edit.range.end;
        }
        text.push_str(&source[done..]);
        text
    }

    /// Turns the removals into edits. A line on which nothing is left goes as a whole; elsewhere the
    /// blanks around the removed words go with them.
    fn settle_removals(&mut self, page: &Page<'_>) {
        let mut removals = std::mem::take(&mut self.removals);
        removals.sort_by_key(|removal| (removal.range.start, removal.range.end));
        let mut is_gone = vec![false; page.lines().len()];
        let mut rest = removals.as_slice();
        while let Some(first) = rest.first() {
            let index = page.line_index(first.range.start);
            let line = &page.lines()[index];
            let n = rest.partition_point(|removal| removal.range.start < line.next.max(line.start + 1));
            let (on_line, behind) = rest.split_at(n.max(1));
            rest = behind;
            if on_line.iter().all(|removal| removal.note.is_none())
                && gaps(on_line, line.start, line.end).all(|gap| is_blank_text(page, &gap))
            {
                is_gone[index] = true;
            } else {
                self.settle_line(page, on_line, line.start, line.end);
            }
        }
        close_gaps(page, &mut is_gone);
        for (line, is_gone) in page.lines().iter().zip(is_gone) {
            if is_gone {
                self.replace(line.start..line.next, "");
            }
        }
    }

    fn settle_line(&mut self, page: &Page<'_>, removals: &[Removal], start: usize, end: usize) {
        let mut done = start;
        for (removal, next) in removals.iter().zip(followers(page, removals, end)) {
            let behind = &page.text[removal.range.end..end];
            let blanks_behind = behind.len() - behind.trim_start_matches(is_blank).len();
            let mut range = removal.range.start..removal.range.end + blanks_behind;
            let text = match (&removal.note, next) {
                (Some(note), Next::Word) => format!("{note}{}{}", page.line_end, page.indent(start)),
                (Some(note), Next::Comment) => {
                    range.end = removal.range.end;
                    note.clone()
                }
                (Some(note), Next::Nothing) => note.clone(),
                (None, Next::Nothing) => {
                    let before = &page.text[done..range.start];
                    range.start = done + before.trim_end_matches(is_blank).len();
                    String::new()
                }
                (None, Next::Word | Next::Comment) => String::new(),
            };
            done = range.end;
            self.replace(range, text);
        }
    }
}

/// What is left on a line behind some place.
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Comment,
    /// A word, or the note of a later removal.
    Word,
}

/// Tells for each removal of a line what is left behind it.
fn followers(page: &Page<'_>, removals: &[Removal], end: usize) -> Vec<Next> {
    let mut next = Next::Nothing;
    let mut gap_end = end;
    let mut found: Vec<Next> = Vec::with_capacity(removals.len());
    for removal in removals.iter().rev() {
        let gap = page.text[removal.range.end..gap_end].trim_matches(is_blank);
        if gap.starts_with('#') {
            next = Next::Comment;
        } else if !gap.is_empty() {
            next = Next::Word;
        }
        found.push(next);
        if removal.note.is_some() {
            next = Next::Word;
        }
        gap_end = removal.range.start;
    }
    found.reverse();
    found
}

/// The ranges between the removals of a line.
fn gaps(removals: &[Removal], start: usize, end: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(start).chain(removals.iter().map(|removal| removal.range.end));
    let ends = removals.iter().map(|removal| removal.range.start).chain([end]);
    starts.zip(ends).map(|(start, end)| start..end)
}

fn is_blank_text(page: &Page<'_>, range: &Range<usize>) -> bool {
    page.text[range.clone()].chars().all(is_blank)
}

/// Lets one of two empty lines go that a gone line stood between, and one at the end of the file.
fn close_gaps(page: &Page<'_>, is_gone: &mut [bool]) {
    let is_empty = |index: usize| {
        let line = &page.lines()[index];
        is_blank_text(page, &(line.start..line.end))
    };
    let mut kept: Option<usize> = None;
    for index in 0..is_gone.len() {
        if is_gone[index] {
            continue;
        }
        let follows_gone = index.checked_sub(1).is_some_and(|before| is_gone[before]);
        if follows_gone && is_empty(index) && kept.is_none_or(is_empty) {
            is_gone[index] = true;
        } else {
            kept = Some(index);
        }
    }
    if let (Some(kept), Some(true)) = (kept, is_gone.last())
        && is_empty(kept)
    {
        is_gone[kept] = true;
    }
}
