//! Life of the process: one instance, in the background or not, its log, its scheduling, its supervisor.

pub mod background;
pub mod descriptors;
pub mod files;
pub mod lock;
pub mod log;
pub mod scheduler;
pub mod sysctl;
pub mod systemd;

use std::fs::File;
use std::io::{self, Read};

use nix::errno::Errno;
use rustix::fs::Mode;

/// Keeps what the daemon creates (log, lock, control socket) from everybody but its own user.
///
/// Every run does it, a client's too: nothing that is created later needs to care.
pub fn restrict_umask() {
    rustix::process::umask(Mode::from_raw_mode(0o177));
}

/// Leaves the directory and the terminal input that the daemon was started with.
///
/// # Errors
/// If `/` or `/dev/null` cannot be opened.
pub fn detach_from_place() -> io::Result<()> {
    rustix::process::chdir("/")?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(())
}

/// Returns a number that nobody can guess.
///
/// # Errors
/// If the kernel's random numbers cannot be read.
pub fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Returns the text of an error without its number, as `strerror` says it.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
