//! The files that the daemon makes: each has a path of its own, and the path names a file.

use std::path::{Path, PathBuf};

use crate::diagnose::{Code, Diagnostic, Sink, echo};
use crate::model::Config;
use crate::span::{Span, Spanned};

/// A file by the words of its clause.
struct File<'c> {
    clause: &'static str,
    path: &'c Path,
    place: Option<Span>,
    /// Whether lines are added to it, so that two may share it.
    is_log: bool,
}

impl<'c> File<'c> {
    fn new(clause: &'static str, setting: &'c Spanned<PathBuf>) -> Self {
        Self {
            clause,
            path: &setting.value,
            place: setting.span,
            is_log: false,
        }
    }

    fn log(clause: &'static str, setting: &'c Spanned<Option<PathBuf>>) -> Option<Self> {
        setting.value.as_deref().map(|path| Self {
            clause,
            path,
            place: setting.span,
            is_log: true,
        })
    }
}

fn files(config: &Config) -> impl Iterator<Item = File<'_>> {
    let general = &config.general;
    let stats = config
        .stats()
        .and_then(|stats| File::log("`LogFile` of `Stats`", &stats.log_file));
    [
        File::new("`Path` of `UNIX`", &general.unix_path),
        File::new("`LockFile`", &general.lock_file),
    ]
    .into_iter()
    .chain(File::log("`LogFile`", &general.log_file))
    .chain(stats)
}

/// The last word of such a path is none, or goes back: only a directory can be there.
pub(super) fn names_a_directory(config: &Config, sink: &mut Sink) {
    for file in files(config) {
        let text = file.path.to_string_lossy();
        let last = text.rsplit('/').next().unwrap_or_default();
        if let ("" | "." | "..", Some(span)) = (last, file.place) {
            let message = format!(
                "{} needs the path of a file: {} is a directory",
                file.clause,
                echo(&text)
            );
            sink.push(Diagnostic::error(Code::BadPath, span, message));
        }
    }
}

/// The lock is emptied and the socket unlinked: what shares their path is lost.
pub(super) fn one_path_for_two(config: &Config, sink: &mut Sink) {
    let files: Vec<File<'_>> = files(config).collect();
    for (i, file) in files.iter().enumerate() {
        let same = files.iter().take(i).find(|before| before.path == file.path);
        let Some(before) = same else { continue };
        let (given, other) = match (file.place, before.place) {
            (Some(place), Some(earlier)) if place < earlier => (before, file),
            (Some(_), _) => (file, before),
            (None, _) => (before, file),
        };
        let Some(span) = given.place else { continue };
        let default = if other.place.is_none() { ", by default" } else { "" };
        let message = format!(
            "{} and {} are one file, {}{default}",
            given.clause,
            other.clause,
            echo(&given.path.to_string_lossy())
        );
        let mut error =
            Diagnostic::error(Code::Contradiction, span, message).with_help("give each a path of its own");
        if let Some(place) = other.place {
            error = error.with_related(place, "the other one");
        }
        if file.is_log && before.is_log {
            sink.tolerate(error, "messages and flows go into one file");
        } else {
            sink.push(error);
        }
    }
}
