//! What the kernel tells everybody of the sockets to netfilter (`/proc/net/netlink`).

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use netlink_sys::protocols::NETLINK_NETFILTER;

/// The list of the network namespace that the calling thread is in.
const PATH: &str = "/proc/thread-self/net/netlink";

/// A socket to netfilter, of any process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedSocket {
    /// Number by which `/proc/PID/fd` names it.
    pub inode: u64,
    /// How many messages found no room in its receive buffer; wraps around.
    pub n_dropped: u32,
}

impl ListedSocket {
    /// Finds the socket with that port id in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The list cannot be read, or does not have the promised form.
    pub fn find(port_id: u32) -> io::Result<Option<Self>> {
        Self::find_in(BufReader::new(File::open(PATH)?), port_id)
    }

    /// Finds it in a list whose columns are `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`.
    fn find_in(list: impl BufRead, port_id: u32) -> io::Result<Option<Self>> {
        for line in list.lines().skip(1) {
            let line = line?;
            let malformed = || io::Error::new(io::ErrorKind::InvalidData, format!("{PATH}: {line}"));
            let columns = Columns::of(&line).ok_or_else(malformed)?;
            if columns.protocol == NETLINK_NETFILTER && columns.port_id == port_id {
                return Ok(Some(columns.socket));
            }
        }
        Ok(None)
    }
}

/// One line of the list.
struct Columns {
    protocol: isize,
    port_id: u32,
    socket: ListedSocket,
}

impl Columns {
    fn of(line: &str) -> Option<Self> {
        let mut columns = line.split_ascii_whitespace().skip(1);
        Some(Self {
            protocol: columns.next()?.parse().ok()?,
            port_id: columns.next()?.parse().ok()?,
            socket: ListedSocket {
                n_dropped: columns.nth(5)?.parse().ok()?,
                inode: columns.next()?.parse().ok()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000072b7d808 0   6120       00000000 0        0        0     2        7        4       
000000003a5dc1c7 12  6120       00000007 1280     0        0     2        134      52913   
00000000b41ae9ad 12  3089832614 00000000 0        0        0     2        0        52914   
";

    fn find(list: &str, port_id: u32) -> io::Result<Option<ListedSocket>> {
        ListedSocket::find_in(list.as_bytes(), port_id)
    }

    #[test]
    fn a_socket_is_found_by_its_port_among_those_to_netfilter() {
        let first = ListedSocket {
            inode: 52913,
            n_dropped: 134,
        };
        let second = ListedSocket {
            inode: 52914,
            n_dropped: 0,
        };
        assert_eq!(find(LIST, 6120).unwrap(), Some(first));
        assert_eq!(find(LIST, 3_089_832_614).unwrap(), Some(second));
        assert_eq!(find(LIST, 4).unwrap(), None);
    }

    #[test]
    fn a_line_of_another_form_is_told() {
        let error = find("header\n0000 12 6120 00000000 0\n", 6120).unwrap_err();
        assert!(
            error.to_string().ends_with(": 0000 12 6120 00000000 0"),
            "{error}"
        );
    }
}
