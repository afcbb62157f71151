//! Files: control socket, lock, logs, and the configuration itself.

use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use conf_grammar::{Code, Config, Diagnostic, Running, Span, Spanned};
use io::control::ControlError;
use io::process::files::{check_writable, is_replaceable_by_all, is_writable_by_all};
use io::process::lock::LockError;
use io::process::log::LogError;

pub(super) fn check(config: &Config, path: &Path, findings: &mut Vec<Diagnostic>) {
    let general = &config.general;
    if is_writable_by_all(path) {
        let message = format!("`{}` can be changed by any user of this machine", path.display());
        findings.push(
            Diagnostic::warning(Code::ConfigWritable, Span::START, message)
                .with_help("take the right to write away from others: chmod o-w"),
        );
    }
    findings.extend(socket(&general.unix_path));
    findings.extend(lock(&general.lock_file));
    findings.extend(log(&general.log_file));
    if let Running::Stats(stats) = &config.running {
        findings.extend(log(&stats.log_file));
    }
    for (what, setting) in [
        ("control socket", &general.unix_path),
        ("lock file", &general.lock_file),
    ] {
        if is_replaceable_by_all(&setting.value) {
            let message = format!(
                "any user of this machine can replace the {what} `{}`",
                setting.value.display()
            );
            findings.push(
                Diagnostic::warning(Code::PublicSocket, place(setting), message)
                    .with_help("choose a directory that only the daemon's user can write, such as /run"),
            );
        }
    }
}

fn place<T>(setting: &Spanned<T>) -> Span {
    setting.span.unwrap_or(Span::START)
}

/// What is no socket is not replaced by one.
fn socket(setting: &Spanned<std::path::PathBuf>) -> Option<Diagnostic> {
    let path = &setting.value;
    let is_taken = path
        .symlink_metadata()
        .is_ok_and(|metadata| !metadata.file_type().is_socket());
    is_taken.then(|| {
        let problem = ControlError::NotASocket { path: path.clone() };
        Diagnostic::error(Code::SocketPathTaken, place(setting), problem.to_string())
            .with_help("remove what is there, or choose another path")
    })
}

fn lock(setting: &Spanned<std::path::PathBuf>) -> Option<Diagnostic> {
    let source = check_writable(&setting.value).err()?;
    let (path, help) = (setting.value.clone(), advice(&source));
    let message = LockError::Io { path, source }.to_string();
    Some(Diagnostic::error(Code::LockDirectory, place(setting), message).with_help(help))
}

fn log(setting: &Spanned<Option<std::path::PathBuf>>) -> Option<Diagnostic> {
    let path = setting.value.clone()?;
    let source = check_writable(&path).err()?;
    let help = advice(&source);
    let message = LogError { path, source }.to_string();
    Some(Diagnostic::error(Code::LogNotWritable, place(setting), message).with_help(help))
}

/// Returns what to do about a file that cannot be written.
fn advice(error: &Error) -> &'static str {
    if error.kind() == ErrorKind::NotFound {
        "make the directory, or choose another path"
    } else if error.kind() == ErrorKind::PermissionDenied {
        "this was tried with the rights of the user who runs this command"
    } else {
        "choose another path"
    }
}
