//! What may be done with files, found out without touching any.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD};

/// Makes sure that the file at `path` can be written, or can be created if it does not exist.
///
/// # Errors
/// Why it cannot, in the words of the kernel.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(_) => access(path, Access::WRITE_OK),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            access(directory(path), Access::WRITE_OK | Access::EXEC_OK)
        }
        Err(error) => Err(error),
    }
}

/// Returns whether any user may replace what is at `path`, or put something there: its directory is
/// writable by all and lacks the sticky bit. A directory that cannot be looked at is none of these.
#[must_use]
pub fn is_replaceable_by_all(path: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    directory(path)
        .metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE)
}

/// Returns whether any user may write the file at `path`.
#[must_use]
pub fn is_writable_by_all(path: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o002;
    path.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_WRITE != 0)
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Asks with the rights that opening would use.
fn access(path: &Path, access: Access) -> io::Result<()> {
    Ok(rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS)?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn what_can_be_written_or_created_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        check_writable(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "old").unwrap();
        check_writable(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }

    #[test]
    fn what_cannot_be_created_is_told_as_the_kernel_tells_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let no_directory = check_writable(&dir.path().join("no/file")).unwrap_err();
        assert_eq!(no_directory.kind(), io::ErrorKind::NotFound);
        let below_a_file = check_writable(&file.join("x")).unwrap_err();
        assert_eq!(below_a_file.kind(), io::ErrorKind::NotADirectory);
        let a_directory = check_writable(dir.path()).unwrap_err();
        assert_eq!(a_directory.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn only_a_directory_open_to_all_without_the_sticky_bit_lets_all_replace() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, want) in [(0o755, false), (0o777, true), (0o1777, false), (0o775, false)] {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_replaceable_by_all(&dir.path().join("ctl")), want, "{mode:o}");
        }
    }

    #[test]
    fn a_file_is_writable_by_all_if_its_mode_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf");
        fs::write(&path, "").unwrap();
        for (mode, want) in [(0o644, false), (0o664, false), (0o646, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_writable_by_all(&path), want, "{mode:o}");
        }
    }
}
