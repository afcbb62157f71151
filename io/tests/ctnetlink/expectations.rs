//! Expectations.

use std::net::Ipv4Addr;

use engine::flow::{
    Addrs, Direction, ExpectFlags, ExpectNat, Expectation, Flow, FunctionName, HelperName, L4Key, Protocol,
    Tuple,
};
use engine::input::{EventKind, Table};
use engine::output::{Batch, ExpectRequest, FlowRequest};
use io::ctnetlink::decode::decode_expectation;
use io::ctnetlink::{EventRead, Message, RequestSocket, messages};

use crate::events::subscribe;
use crate::flows::{V4, plain, udp};
use crate::kernel::{create_all, dump};
use crate::namespace::{in_namespace, nft};

/// A flow that the TFTP helper watches, and the answer that it expects.
fn tftp() -> (Flow, Expectation) {
    let orig = Tuple {
        key: L4Key::Ports { src: 2000, dst: 69 },
        ..udp(0).orig
    };
    let tftp = HelperName::from_bytes(b"tftp").unwrap();
    let master = Flow {
        helper: Some(tftp),
        ..plain(orig)
    };
    let expectation = Expectation {
        master: orig,
        tuple: Tuple {
            addrs: V4.mirrored(),
            proto: Protocol::UDP,
            key: L4Key::Ports { src: 0, dst: 2000 },
        },
        mask: Tuple {
            addrs: Addrs::V4 {
                src: Ipv4Addr::BROADCAST,
                dst: Ipv4Addr::BROADCAST,
            },
            proto: Protocol::UDP,
            key: L4Key::Ports { src: 0, dst: 0xffff },
        },
        timeout_secs: Some(100),
        id: None,
        zone: None,
        flags: Some(ExpectFlags::PERMANENT),
        class: Some(0),
        nat: Some(ExpectNat {
            direction: Direction::Reply,
            tuple: Tuple {
                addrs: Addrs::V4 {
                    src: Ipv4Addr::new(10, 9, 9, 9),
                    dst: Ipv4Addr::UNSPECIFIED,
                },
                proto: Protocol::UDP,
                key: L4Key::Ports { src: 99, dst: 0 },
            },
        }),
        helper: Some(tftp),
        function: Some(FunctionName::from_bytes(b"nat-follow-master").unwrap()),
    };
    (master, expectation)
}

/// Carries out a request that the kernel must take.
fn expect(socket: &mut RequestSocket, request: ExpectRequest) {
    let requests = vec![FlowRequest::Expectation(request)];
    let (batch, mut failures) = (
        Batch {
            requests,
            ..Batch::default()
        },
        Vec::new(),
    );
    socket.execute(&batch, |_, _| {}, &mut failures).unwrap();
    assert_eq!(failures, [], "of {batch:?}");
}

#[test]
fn an_expectation_is_created_updated_and_deleted() {
    in_namespace(|| {
        nft("table inet nat { chain prerouting { type nat hook prerouting priority 0; }; }").unwrap();
        let mut events = subscribe(Table::Expectations, None, &[]);
        let mut socket = RequestSocket::open().unwrap();
        let (master, expectation) = tftp();
        create_all(&mut socket, &[master]);
        let mut execute = |request| {
            expect(&mut socket, request);
            dump(Table::Expectations).1
        };

        let created = execute(ExpectRequest::Create(expectation.clone().into())).remove(0);
        let expected = Expectation {
            id: created.id,
            // The helper's policy decides.
            timeout_secs: created.timeout_secs,
            ..expectation.clone()
        };
        assert_eq!(created, expected);
        assert!(created.timeout_secs > Some(100));
        let updated = execute(ExpectRequest::Update(expectation.clone().into())).remove(0);
        assert!(updated.timeout_secs <= Some(100));
        assert_eq!(execute(ExpectRequest::Delete(created.into())), []);

        let EventRead::Datagrams { datagrams, .. } = events.read().unwrap() else {
            panic!("there must be events");
        };
        let kinds: Vec<_> = datagrams
            .flat_map(messages)
            .map(|message| {
                let Message::Expect { kind, body, .. } = message.unwrap() else {
                    panic!("{message:?} is no event about an expectation");
                };
                (kind, decode_expectation(&body).unwrap().tuple)
            })
            .collect();
        assert_eq!(
            kinds,
            [
                (EventKind::New, expectation.tuple),
                (EventKind::Destroy, expectation.tuple)
            ]
        );
    });
}

#[test]
fn expectations_are_flushed_alone() {
    in_namespace(|| {
        nft("table inet nat { chain prerouting { type nat hook prerouting priority 0; }; }").unwrap();
        let mut socket = RequestSocket::open().unwrap();
        let (master, expectation) = tftp();
        create_all(&mut socket, &[master]);
        let create = || ExpectRequest::Create(expectation.clone().into());
        expect(&mut socket, create());
        assert_eq!(dump(Table::Expectations).1.len(), 1);
        expect(&mut socket, ExpectRequest::Flush);
        assert_eq!(dump(Table::Expectations).1, []);
        expect(&mut socket, create());
        socket.flush(Table::Expectations).unwrap();
        assert_eq!(dump(Table::Expectations).1, []);
        assert_eq!(socket.table_stats().unwrap().entries, 1);
    });
}
