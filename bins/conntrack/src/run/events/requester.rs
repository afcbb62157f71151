//! The program behind a change.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use engine::flow::Requester;
use io::ctnetlink::ListedSocket;

/// Finds the names of programs, and remembers the last answer: changes come in rows.
///
/// That nothing was found is remembered too; else a long row of changes by a program that has ended would
/// have all processes searched for each.
#[derive(Debug, Default)]
pub(super) struct Requesters {
    last: Option<(u32, Option<String>)>,
}

impl Requesters {
    /// Returns who has the socket with this port id, which the header of an event names; 0 is the kernel.
    pub(super) fn of(&mut self, port_id: u32) -> Option<Requester<'_>> {
        if port_id == 0 {
            return None;
        }
        let last = match self.last.take() {
            Some((known, program)) if known == port_id => (known, program),
            Some(_) | None => (port_id, program(port_id)),
        };
        let (_, program) = self.last.insert(last);
        Some(Requester {
            port_id,
            program: program.as_deref(),
        })
    }
}

/// Returns the name of the process that has the socket open.
///
/// It need not be there any more, nor be ours to look into: there is no name then.
fn program(port_id: u32) -> Option<String> {
    let socket = ListedSocket::find(port_id).ok().flatten()?;
    let link = format!("socket:[{}]", socket.inode);
    // The kernel gives the first socket of a process the number of the process.
    let namesake = Path::new("/proc").join(port_id.to_string());
    if has_open(&namesake, &link) {
        return name(&namesake);
    }
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let owner = processes
        .filter(|entry| is_number(&entry.file_name()))
        .map(|entry| entry.path())
        .find(|process| has_open(process, &link))?;
    name(&owner)
}

fn is_number(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

/// Returns whether a process has a descriptor of what `link` names.
fn has_open(process: &Path, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors
        .filter_map(Result::ok)
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|target| target.as_os_str() == link)
}

/// Returns the name of a process.
fn name(process: &Path) -> Option<String> {
    let stat = fs::read(process.join("stat")).ok()?;
    name_in(&String::from_utf8_lossy(&stat)).map(str::to_owned)
}

/// Returns the second field of a stat file, between the first and the last parenthesis: processes name themselves as
/// they like. The kernel escapes line ends.
fn name_in(stat: &str) -> Option<&str> {
    let (_pid, rest) = stat.split_once('(')?;
    let (name, _rest) = rest.rsplit_once(')')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_parentheses_and_blanks() {
        assert_eq!(name_in("6120 (conntrack) S 1 6120 6120"), Some("conntrack"));
        assert_eq!(
            name_in("6120 (my (odd) ) prog) R 1 6120"),
            Some("my (odd) ) prog")
        );
        assert_eq!(name_in("6120"), None);
    }

    #[test]
    fn the_kernel_is_no_requester() {
        assert_eq!(Requesters::default().of(0), None);
    }
}
