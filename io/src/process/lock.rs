//! One daemon to a lock file.
//!
//! The file says where the daemon is (its process id), the lock on it says that it lives. The
//! kernel drops the lock with the process, so a file that a crash left behind hinders nobody.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::reason;

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon holds it.
    #[error("lockfile `{}' exists, perhaps conntrackd already running?{}", path.display(), holder(.pid))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process id in it.
        pid: Option<u32>,
    },
    /// The file cannot be made or used.
    #[error("can't create lockfile `{}': {}", path.display(), reason(source))]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" Process {pid} holds it."))
}

/// The lock, held until it is dropped; the file is removed then.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock and writes our process id into the file.
    ///
    /// # Errors
    /// [`LockError::Held`] while another daemon lives, [`LockError::Io`] if the file cannot be used.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        loop {
            let mut file = open(path).map_err(failed)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(LockError::Held {
                        path: path.to_owned(),
                        pid: read_pid(&mut file),
                    });
                }
                Err(errno) => return Err(failed(errno.into())),
            }
            // The last holder removes the file: what we locked may no longer be what is at the path.
            if !is_at(&file, path) {
                continue;
            }
            file.set_len(0).map_err(failed)?;
            writeln!(file, "{}", std::process::id()).map_err(failed)?;
            return Ok(Self {
                file,
                path: path.to_owned(),
            });
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            // A file that stays is taken over by the next start, so a failure here harms nobody.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Returns whether `file` is what is found at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_holds_our_process_id_and_goes_with_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::acquire(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_daemon_is_refused_and_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _lock = Lock::acquire(&path).unwrap();
        let text = Lock::acquire(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert_eq!(
            text,
            format!(
                "lockfile `{}' exists, perhaps conntrackd already running? Process {pid} holds it.",
                path.display()
            )
        );
        assert!(path.exists(), "the refused one leaves the file alone");
    }

    #[test]
    fn a_stale_file_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        for stale in ["", "4194304\n", "a long text that is no process id at all"] {
            fs::write(&path, stale).unwrap();
            let _lock = Lock::acquire(&path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{}\n", std::process::id()));
        }
    }

    #[test]
    fn a_file_that_others_replaced_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::acquire(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = Lock::acquire(&path).unwrap();
        drop(first);
        assert!(path.exists(), "it belongs to the second daemon");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = Lock::acquire(Path::new("/nonexistent/lock")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "can't create lockfile `/nonexistent/lock': No such file or directory"
        );
    }
}
