//! The words of a file with blanks, line ends and comments between them.

use super::{Item, Tape};

/// Writes the items with blanks, line ends and comments wherever they may stand.
///
/// Each comment has a number of its own.
pub(crate) fn lay_out(items: &[Item], tape: &mut Tape) -> String {
    let style = tape.below(3);
    lay_out_in(style, items, tape)
}

/// Writes the items like [`lay_out`], each one on a line of its own.
pub(crate) fn lay_out_in_lines(items: &[Item], tape: &mut Tape) -> String {
    lay_out_in(0, items, tape)
}

fn lay_out_in(style: usize, items: &[Item], tape: &mut Tape) -> String {
    let mut out = Layout {
        text: String::new(),
        n_comments: 0,
        style,
        tape,
    };
    out.items(items, 0);
    if out.tape.one_in(2) {
        out.separate(0);
    }
    let mut text = out.text;
    if tape.one_in(4) {
        text.insert(0, '\u{FEFF}');
    }
    match tape.below(4) {
        0 | 1 => text,
        2 => text.replace('\n', "\r\n"),
        _ => text.replace('\n', "\r"),
    }
}

struct Layout<'t> {
    text: String,
    n_comments: usize,
    /// 0 is one clause a line, 1 all in one line as far as that goes, 2 anything.
    style: usize,
    tape: &'t mut Tape,
}

impl Layout<'_> {
    fn items(&mut self, items: &[Item], depth: usize) {
        for item in items {
            self.separate(depth);
            for (i, word) in item.words.split(' ').enumerate() {
                // A word on a line of its own may be taken for a clause; a number or a path cannot.
                let may_break = word.starts_with(|c: char| c.is_ascii_digit() || c == '/');
                match i {
                    0 => {}
                    _ if may_break && self.tape.one_in(16) => self.separate(depth + 1),
                    _ => self.text.push_str(self.tape.pick(&[" ", "\t", "  "])),
                }
                self.text.push_str(word);
            }
            let Some(block) = &item.block else { continue };
            match self.tape.below(8) {
                6 => self.separate(depth),
                7 => {}
                _ => self.text.push(' '),
            }
            self.text.push('{');
            self.items(block, depth + 1);
            if !(block.is_empty() && self.tape.one_in(2)) {
                self.separate(depth);
            }
            self.text.push('}');
        }
    }

    /// Writes what may stand between two clauses, at least a blank.
    fn separate(&mut self, depth: usize) {
        if self.text.is_empty() && self.tape.one_in(2) {
            return;
        }
        if self.style == 1 && !self.tape.one_in(8) {
            self.text.push(' ');
            return;
        }
        let n_lines = match self.style {
            0 => 1,
            _ => self.tape.below(3),
        };
        if n_lines == 0 {
            self.text.push_str(self.tape.pick(&[" ", "\t", "   "]));
        }
        for _ in 0..n_lines {
            match self.tape.below(6) {
                4 => self.comment(" # "),
                5 => self.comment("\t\t#"),
                _ => {}
            }
            self.text.push('\n');
            if self.tape.one_in(8) {
                self.text.push_str(&"\t".repeat(depth));
                self.comment("# {");
                self.text.push('\n');
            }
        }
        if n_lines > 0 {
            self.text.push_str(&"\t".repeat(depth));
        }
    }

    fn comment(&mut self, begin: &str) {
        self.n_comments += 1;
        let tail = self.tape.pick(&["", " StripNAT", " }", "\u{e9} # # "]);
        self.text.push_str(&format!("{begin}<{}>{tail}", self.n_comments));
    }
}
