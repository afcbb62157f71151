//! The real program, run by a user without privilege in a directory of its own.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use tempfile::TempDir;

/// Whom the program runs as if the tests run as root.
const NOBODY: u32 = 65_534;

/// The program and its directory.
pub(crate) struct Program {
    dir: TempDir,
    is_root: bool,
}

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// Returns the program in a new directory, which it could write to.
    pub(crate) fn unprivileged() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            let mode = |mode| Permissions::from_mode(mode);
            fs::set_permissions(dir.path(), mode(0o777)).unwrap();
        }
        Self { dir, is_root }
    }

    /// Returns the path of the directory.
    pub(crate) fn dir(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    /// Writes a file into the directory and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs it without any input.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with_input(args, b"")
    }

    /// Runs it with this standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Run {
        self.run_heard_by(Stdio::piped(), args, input)
    }

    /// Runs it with this standard input while nobody reads its standard error.
    pub(crate) fn run_unheard(&self, args: &[&str], input: &[u8]) -> Run {
        let (deaf, stderr) = UnixStream::pair().unwrap();
        drop(deaf);
        self.run_heard_by(OwnedFd::from(stderr).into(), args, input)
    }

    fn run_heard_by(&self, stderr: Stdio, args: &[&str], input: &[u8]) -> Run {
        // The directory of the build may be root's alone: the program is reached by a descriptor.
        let program = File::open(env!("CARGO_BIN_EXE_conntrackd")).unwrap();
        fcntl_setfd(&program, FdFlags::empty()).unwrap();
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut child = command
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        // A program that reads no input may have ended.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Returns the names in a directory.
pub(crate) fn listing(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
