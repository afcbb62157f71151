//! Whole tables.

use engine::input::Table;
use io::ctnetlink::{DumpProgress, DumpSocket, RequestSocket};

use crate::flows::{as_reported, every_kind, udp};
use crate::kernel::{create_all, dump};
use crate::namespace::in_namespace;

#[test]
fn a_dump_equals_what_was_created() {
    in_namespace(|| {
        let flows = every_kind();
        create_all(&mut RequestSocket::open().unwrap(), &flows);
        let (mut dumped, _) = dump(Table::Flows);
        assert_eq!(dumped.len(), flows.len());
        for made in &flows {
            let found = dumped.iter().position(|it| {
                (it.orig, it.zone, it.zone_orig, it.zone_reply)
                    == (made.orig, made.zone, made.zone_orig, made.zone_reply)
            });
            let reported = dumped.swap_remove(found.unwrap_or_else(|| panic!("{made:?} is not in the dump")));
            assert_eq!(reported, as_reported(made, &reported));
        }
    });
}

#[test]
fn a_dump_of_many_parts_is_complete() {
    in_namespace(|| {
        let flows: Vec<_> = (1..=2000).map(udp).collect();
        create_all(&mut RequestSocket::open().unwrap(), &flows);
        let mut sources: Vec<_> = dump(Table::Flows)
            .0
            .iter()
            .map(|flow| flow.orig.ports().unwrap().0)
            .collect();
        sources.sort_unstable();
        assert_eq!(sources, (1..=2000).collect::<Vec<_>>());
    });
}

#[test]
fn a_second_dump_on_a_busy_socket_is_refused() {
    in_namespace(|| {
        let mut socket = DumpSocket::open().unwrap();
        socket.start(Table::Flows).unwrap();
        assert_eq!(
            socket.start(Table::Flows).unwrap_err().to_string(),
            "cannot start a dump of the conntrack table: Device or resource busy"
        );
        while !matches!(socket.read(|_| {}).unwrap(), DumpProgress::Ended(Ok(()))) {}
        socket.start(Table::Expectations).unwrap();
    });
}
