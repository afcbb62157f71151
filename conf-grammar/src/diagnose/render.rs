//! Diagnostics as text, with the source line and a caret below the cause.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::{Code, Diagnostic, Severity};
use crate::parse::text::Text;
use crate::span::Span;

/// A line longer than this is not shown: it is no line that a person wrote.
const LINE_MAX: usize = 1000;
/// Source further than this from the cause is not shown in one piece with it.
const WINDOW_MAX: usize = 64 * 1024;

/// Renders diagnostics for people, plain text without colours, in the given order.
///
/// Characters that a terminal would obey, of the file or of its name, are shown as others. `source` is the
/// file that the diagnostics are about.
pub fn render(diagnostics: &[Diagnostic], file_name: &str, source: &[u8]) -> String {
    let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
    let text = render_by(&renderer, diagnostics, file_name, source);
    harmless(text, |_| false)
}

/// Renders diagnostics like [`render`] with the colours of a terminal, as ANSI escape sequences.
pub fn render_styled(diagnostics: &[Diagnostic], file_name: &str, source: &[u8]) -> String {
    const ESCAPE: char = '\u{1B}';
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    // The colours are all that may keep its escape: the renderer has replaced those of the source.
    let file_name = harmless(file_name.to_owned(), |_| false);
    let text = render_by(&renderer, diagnostics, &file_name, source);
    harmless(text, |c| c == ESCAPE)
}

fn render_by(renderer: &Renderer, diagnostics: &[Diagnostic], file_name: &str, source: &[u8]) -> String {
    let text = Text::decode(source);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let window = Window::around(diagnostic, &text.text);
        let group = group(diagnostic, file_name, &window);
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    if let Some(summary) = summary(diagnostics, file_name) {
        out.push_str(&summary);
        out.push('\n');
    }
    out
}

/// Replaces what is left of control characters: the renderer escapes those of ASCII, in the source only.
fn harmless(text: String, is_wanted: impl Fn(char) -> bool) -> String {
    let is_harmful = |c: char| c.is_control() && c != '\n' && !is_wanted(c);
    if text.contains(is_harmful) {
        text.replace(is_harmful, "\u{FFFD}")
    } else {
        text
    }
}

fn group<'a>(diagnostic: &'a Diagnostic, file_name: &'a str, window: &Window<'a>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.as_str());
    let origin = format!("{file_name}:{}", diagnostic.span.location);
    let group = match window.range(diagnostic.span) {
        None => title.element(Element::from(annotate_snippets::Origin::path(origin))),
        Some(range) => {
            let mut snippet = Snippet::source(window.text)
                .line_start(window.line)
                .path(file_name)
                .annotation(AnnotationKind::Primary.span(range));
            for related in &diagnostic.related {
                if let Some(range) = window.range(related.span) {
                    let label = AnnotationKind::Context
                        .span(range)
                        .label(related.message.as_str());
                    snippet = snippet.annotation(label);
                }
            }
            title.element(snippet)
        }
    };
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The lines of the file that a diagnostic needs.
struct Window<'a> {
    text: &'a str,
    /// Offset of `text` in the file.
    start: usize,
    /// Line number of its first line.
    line: usize,
}

impl<'a> Window<'a> {
    fn around(diagnostic: &Diagnostic, text: &'a str) -> Self {
        let cause = diagnostic.span;
        let mut first = cause;
        let mut end = cause.end;
        for related in diagnostic.related.iter().map(|related| related.span) {
            if related.start.abs_diff(cause.start) <= WINDOW_MAX {
                end = end.max(related.end);
                first = first.min(related);
            }
        }
        let mut start = text
            .get(..first.start)
            .and_then(|head| head.rfind('\n'))
            .map_or(0, |at| at + 1);
        if start == 0 && text.starts_with('\u{FEFF}') {
            start = '\u{FEFF}'.len_utf8();
        }
        let end = text
            .get(end..)
            .and_then(|tail| tail.find('\n'))
            .map_or(text.len(), |at| end + at);
        let line = usize::try_from(first.location.line).unwrap_or(1);
        Self {
            text: text.get(start..end).unwrap_or_default(),
            start,
            line,
        }
    }

    /// The place of `span` in the window, `None` if it is not in there, its line is too long, or there
    /// is nothing to see.
    fn range(&self, span: Span) -> Option<std::ops::Range<usize>> {
        // What a whole file lacks is no fault of its first word.
        if self.text.is_empty() || span == Span::START {
            return None;
        }
        let start = span
            .start
            .checked_sub(self.start)
            .or((span.start == 0).then_some(0))?;
        let end = span.end.saturating_sub(self.start).max(start);
        let before = self.text.get(..start)?;
        let after = self.text.get(end..)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(self.text.len(), |at| end + at);
        (line_end - line_start <= LINE_MAX).then_some(start..end)
    }
}

/// How many findings there are of each weight; the note that some are not shown is none of them.
fn summary(diagnostics: &[Diagnostic], file_name: &str) -> Option<String> {
    let count = |severity| {
        let counts = |d: &&Diagnostic| d.severity == severity && d.code != Code::TooMany;
        diagnostics.iter().filter(counts).count()
    };
    let parts: Vec<String> = [
        (count(Severity::Error), "error"),
        (count(Severity::Warning), "warning"),
        (count(Severity::Note), "note"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
    .collect();
    let has_more = diagnostics.iter().any(|d| d.code == Code::TooMany);
    let more = if has_more { " and more" } else { "" };
    (!parts.is_empty()).then(|| format!("{file_name}: {}{more}", parts.join(", ")))
}
