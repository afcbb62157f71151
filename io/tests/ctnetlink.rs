//! Our ctnetlink against the real kernel: each test in a network namespace of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step of a test that fails is a failed test, also in the functions that the tests share"
)]

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use engine::flow::{
    Addrs, Direction, ExpectFlags, ExpectNat, Expectation, Flow, FunctionName, HelperName, L4Key, Labels,
    Nat, ProtoState, Protocol, SctpState, SeqAdj, SeqAdjPair, Status, Synproxy, Tcp, TcpFlags, TcpState,
    Tuple,
};
use engine::input::{Errno, EventKind, RequestFailure, Table};
use engine::output::{Batch, FlowName, FlowRequest};
use io::ctnetlink::decode::{decode_expectation, decode_flow};
use io::ctnetlink::encode::ExpectRequest;
use io::ctnetlink::{
    Delivery, DumpEntry, DumpProgress, DumpSocket, EventFilter, EventRead, EventSocket, EventSocketOptions,
    Message, RequestSocket, messages,
};
use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a new network namespace, or says why it cannot.
///
/// The namespace belongs to the test's thread and to the programs that it starts.
fn in_namespace(test: impl FnOnce()) {
    if let Err(reason) = enter_namespace() {
        assert!(
            std::env::var_os("CI").is_none(),
            "in CI this test must run: {reason}"
        );
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        // What `eprintln` prints is shown for failed tests alone.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "{name}: skipped, because {reason}").unwrap();
        return;
    }
    test();
}

fn enter_namespace() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("it needs root".into());
    }
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("there are no network namespaces: {error}"))?;
    // The rule loads what is a module, and makes room for labels in every new flow.
    nft(
        "table inet test { chain input { type filter hook input priority 0; ct state new ct label 127 accept; }; }",
    )?;
    RequestSocket::open()
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn nft(ruleset: &str) -> Result<(), String> {
    let output = Command::new("nft")
        .arg(ruleset)
        .output()
        .map_err(|error| format!("nft: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

const V4: Addrs = Addrs::V4 {
    src: Ipv4Addr::new(10, 0, 0, 1),
    dst: Ipv4Addr::new(192, 0, 2, 9),
};

const V6: Addrs = Addrs::V6 {
    src: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1),
    dst: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9),
};

const ESTABLISHED: Status = Status(0x8 | 0x2 | 0x4);

const fn ports(addrs: Addrs, proto: Protocol, src: u16) -> Tuple {
    let key = L4Key::Ports { src, dst: 80 };
    Tuple { addrs, proto, key }
}

/// A flow with nothing but what the kernel needs.
fn plain(orig: Tuple) -> Flow {
    Flow {
        status: Some(ESTABLISHED),
        timeout_secs: Some(600),
        ..Flow::new(orig)
    }
}

fn udp(src: u16) -> Flow {
    plain(ports(V4, Protocol::UDP, src))
}

fn tcp(src: u16) -> Flow {
    let flags = Some(TcpFlags(TcpFlags::WINDOW_SCALE.0 | TcpFlags::BE_LIBERAL.0));
    Flow {
        proto: ProtoState::Tcp(Tcp {
            wscale_orig: Some(7),
            wscale_reply: Some(9),
            flags_orig: flags,
            flags_reply: flags,
            ..Tcp::in_state(TcpState::ESTABLISHED)
        }),
        ..plain(ports(V4, Protocol::TCP, src))
    }
}

fn name_of(flow: &Flow) -> FlowName {
    FlowName {
        orig: flow.orig,
        zone: flow.zone,
        id: None,
    }
}

/// One flow of every kind that the kernel can be told to make.
fn every_kind() -> Vec<Flow> {
    let mut flows = every_protocol();
    flows.extend(every_attribute());
    flows
}

fn every_protocol() -> Vec<Flow> {
    let sctp = ProtoState::Sctp {
        state: SctpState::ESTABLISHED,
        vtag_orig: 0x0102_0304,
        vtag_reply: 0xfefd_fcfb,
    };
    let icmp = |addrs, proto, icmp_type| Tuple {
        addrs,
        proto,
        key: L4Key::Icmp {
            icmp_type,
            code: 0,
            id: 0x1234,
        },
    };
    let no_key = |addrs, number| Tuple {
        addrs,
        proto: Protocol(number),
        key: L4Key::None,
    };
    let mut flows = vec![
        plain(icmp(V4, Protocol::ICMP, 8)),
        plain(icmp(V6, Protocol::ICMPV6, 128)),
        plain(no_key(V4, 50)),
        plain(no_key(V6, 89)),
    ];
    for (addrs, mark) in [(V4, 0), (V6, 0xcafe_f00d)] {
        for proto in [Protocol::UDP, Protocol::UDPLITE, Protocol::GRE] {
            flows.push(Flow {
                mark: Some(mark),
                ..plain(ports(addrs, proto, 1000))
            });
        }
        flows.push(Flow {
            proto: sctp,
            ..plain(ports(addrs, Protocol::SCTP, 1000))
        });
        flows.push(Flow {
            orig: ports(addrs, Protocol::TCP, 1000),
            ..tcp(0)
        });
    }
    flows
}

fn every_attribute() -> Vec<Flow> {
    vec![
        Flow {
            zone: Some(7),
            ..udp(1000)
        },
        Flow {
            zone_orig: Some(8),
            ..udp(1001)
        },
        Flow {
            zone_reply: Some(9),
            ..udp(1002)
        },
        Flow {
            labels: Some(Labels(1 | 1 << 31 | 1 << 32 | 1 << 127)),
            ..udp(1003)
        },
        Flow {
            helper: Some(HelperName::from_bytes(b"tftp").unwrap()),
            ..udp(1004)
        },
        Flow {
            master: Some(udp(1000).orig),
            ..udp(1005)
        },
        Flow {
            seq_adj: Some(SeqAdjPair {
                orig: SeqAdj {
                    correction_pos: 1,
                    offset_before: 2,
                    offset_after: 3,
                },
                reply: SeqAdj {
                    correction_pos: 4,
                    offset_before: 5,
                    offset_after: u32::MAX,
                },
            }),
            ..tcp(1006)
        },
        Flow {
            synproxy: Some(Synproxy {
                isn: 1,
                its: 2,
                tsoff: 3,
            }),
            ..tcp(1007)
        },
    ]
}

/// What the kernel is expected to report of a flow that was made as `made`.
fn as_reported(made: &Flow, reported: &Flow) -> Flow {
    let mut expected = made.clone();
    expected.nat = Nat::NONE;
    expected.reply = expected.reply.or_else(|| Some(expected.orig.mirrored()));
    // What the kernel finds out for itself.
    expected.id = reported.id;
    expected.use_count = reported.use_count;
    expected.mark = expected.mark.or(reported.mark);
    expected.timestamps = reported.timestamps;
    expected.synproxy = expected.synproxy.or(Some(Synproxy::ZERO));
    if reported
        .timeout_secs
        .zip(made.timeout_secs)
        .is_some_and(|(now, then)| now <= then && then - now < 60)
    {
        expected.timeout_secs = reported.timeout_secs;
    }
    if let Some(status) = &mut expected.status {
        if made.master.is_some() {
            *status = *status | Status::EXPECTED;
        }
        if made.seq_adj.is_some() {
            *status = *status | Status::SEQ_ADJUST;
        }
        if made.helper.is_some() {
            *status = *status | Status::HELPER;
        }
    }
    expected
}

fn execute(
    socket: &mut RequestSocket,
    requests: Vec<FlowRequest>,
) -> (Vec<(usize, Flow)>, Vec<RequestFailure>) {
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    socket
        .execute(
            &Batch { requests },
            |index, flow| answers.push((index, flow.clone())),
            &mut failures,
        )
        .unwrap();
    (answers, failures)
}

fn create_all(socket: &mut RequestSocket, flows: &[Flow]) {
    let (_, failures) = execute(socket, flows.iter().cloned().map(FlowRequest::Create).collect());
    assert_eq!(failures, [], "of {} flows", flows.len());
}

fn get(socket: &mut RequestSocket, flow: &Flow) -> Result<Flow, Errno> {
    let (mut answers, failures) = execute(socket, vec![FlowRequest::Get(name_of(flow))]);
    match failures.first() {
        Some(failure) => Err(failure.errno),
        None => Ok(answers.pop().unwrap().1),
    }
}

fn dump(table: Table) -> (Vec<Flow>, Vec<Expectation>) {
    let mut socket = DumpSocket::open().unwrap();
    socket.start(table).unwrap();
    let (mut flows, mut expectations) = (Vec::new(), Vec::new());
    loop {
        let progress = socket
            .read(|entry| match entry.unwrap() {
                DumpEntry::Flow(flow) => flows.push(flow.clone()),
                DumpEntry::Expectation(expectation) => expectations.push(expectation.clone()),
            })
            .unwrap();
        match progress {
            DumpProgress::Part => {}
            DumpProgress::Waiting => panic!("the kernel must have the next part ready"),
            DumpProgress::Ended(result) => {
                result.unwrap();
                return (flows, expectations);
            }
        }
    }
}

#[test]
fn every_kind_of_flow_is_created_and_read_back() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        for made in every_kind() {
            create_all(&mut socket, std::slice::from_ref(&made));
            // Zones of one direction are no part of the name by which a flow is asked for.
            if made.zone_orig.is_some() || made.zone_reply.is_some() {
                continue;
            }
            let reported = get(&mut socket, &made).unwrap();
            assert_eq!(reported, as_reported(&made, &reported));
        }
    });
}

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

#[test]
fn translations_are_carried_out_on_the_mirrored_tuple() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        let nat_v4 = Nat {
            snat: Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1))),
            dnat: Some(IpAddr::V4(Ipv4Addr::new(172, 16, 0, 1))),
            spat: Some(5555),
            dpat: Some(8080),
        };
        let nat_v6 = Nat {
            snat: Some("2001:db8::1".parse().unwrap()),
            spat: Some(1024),
            ..Nat::NONE
        };
        let port_only = Nat {
            dpat: Some(3128),
            ..Nat::NONE
        };
        for (made, nat) in [
            (
                Flow {
                    nat: nat_v4,
                    ..tcp(1000)
                },
                nat_v4,
            ),
            (
                Flow {
                    nat: nat_v4,
                    ..udp(1001)
                },
                nat_v4,
            ),
            (
                Flow {
                    nat: nat_v6,
                    orig: ports(V6, Protocol::TCP, 1002),
                    ..tcp(0)
                },
                nat_v6,
            ),
            (
                Flow {
                    nat: port_only,
                    ..tcp(1003)
                },
                port_only,
            ),
            (tcp(1004), Nat::NONE),
        ] {
            create_all(&mut socket, std::slice::from_ref(&made));
            assert_eq!(get(&mut socket, &made).unwrap().nat_in_effect(), nat, "{made:?}");
        }
    });
}

#[test]
fn an_icmp_flow_keeps_its_id_when_its_address_is_translated() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        let snat = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
        let made = Flow {
            nat: Nat {
                snat: Some(snat),
                spat: Some(9),
                ..Nat::NONE
            },
            ..every_kind().swap_remove(0)
        };
        create_all(&mut socket, std::slice::from_ref(&made));
        let reply = get(&mut socket, &made).unwrap().reply.unwrap();
        assert_eq!((reply.addrs.dst(), reply.key), (snat, made.orig.mirrored().key));
    });
}

#[test]
fn an_update_changes_what_it_names_and_keeps_the_rest() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        let made = Flow {
            zone: Some(3),
            mark: Some(1),
            labels: Some(Labels(5)),
            ..tcp(1000)
        };
        create_all(&mut socket, std::slice::from_ref(&made));
        let update = Flow {
            zone: Some(3),
            mark: Some(2),
            labels: Some(Labels(1 << 100)),
            timeout_secs: Some(100),
            status: Some(ESTABLISHED),
            proto: ProtoState::Tcp(Tcp::in_state(TcpState::CLOSE_WAIT)),
            // What an update must not send, or the kernel refuses it.
            nat: Nat {
                spat: Some(1),
                ..Nat::NONE
            },
            master: Some(udp(1).orig),
            helper: Some(HelperName::from_bytes(b"ftp").unwrap()),
            ..Flow::new(made.orig)
        };
        let (_, failures) = execute(&mut socket, vec![FlowRequest::Update(update)]);
        assert_eq!(failures, []);
        let reported = get(&mut socket, &made).unwrap();
        let mut expected = Flow {
            mark: Some(2),
            labels: Some(Labels(1 << 100)),
            timeout_secs: Some(100),
            ..made
        };
        expected
            .proto
            .merge(ProtoState::Tcp(Tcp::in_state(TcpState::CLOSE_WAIT)));
        assert_eq!(reported, as_reported(&expected, &reported));
    });
}

#[test]
fn a_deletion_hits_the_flow_with_the_given_id_alone() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        let flow = udp(1000);
        create_all(&mut socket, std::slice::from_ref(&flow));
        let id = get(&mut socket, &flow).unwrap().id.unwrap();
        let delete = |id| {
            vec![FlowRequest::Delete(FlowName {
                id: Some(id),
                ..name_of(&flow)
            })]
        };
        let (_, failures) = execute(&mut socket, delete(id.wrapping_add(1)));
        assert_eq!(
            failures,
            [RequestFailure {
                index: 0,
                errno: Errno::ENOENT
            }]
        );
        let (_, failures) = execute(&mut socket, delete(id));
        assert_eq!(failures, []);
        assert_eq!(get(&mut socket, &flow), Err(Errno::ENOENT));
    });
}

#[test]
fn failures_in_the_middle_of_a_batch_carry_their_index_and_errno() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        create_all(&mut socket, &[udp(5), udp(700)]);
        let mut requests: Vec<_> = (0..1000).map(|i| FlowRequest::Create(udp(i))).collect();
        requests[20] = FlowRequest::Create(Flow {
            timeout_secs: None,
            ..udp(20)
        });
        requests[300] = FlowRequest::Get(name_of(&udp(5)));
        requests[301] = FlowRequest::Get(name_of(&tcp(5)));
        requests[999] = FlowRequest::Update(tcp(999));
        let (answers, failures) = execute(&mut socket, requests);
        let expected = [
            (5, Errno::EEXIST),
            (20, Errno::EINVAL),
            (301, Errno::ENOENT),
            (700, Errno::EEXIST),
            (999, Errno::ENOENT),
        ];
        assert_eq!(
            failures,
            expected.map(|(index, errno)| RequestFailure { index, errno })
        );
        assert_eq!(answers.len(), 1);
        assert_eq!((answers[0].0, answers[0].1.orig), (300, udp(5).orig));
        assert_eq!(socket.table_stats().unwrap().entries, 996);
    });
}

#[test]
fn a_flush_empties_the_table() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        create_all(&mut socket, &every_kind());
        socket.flush(Table::Both).unwrap();
        assert_eq!(dump(Table::Flows).0, []);
    });
}

fn subscribe(tables: Table, buffer_len: Option<usize>, ignored: &[u32]) -> EventSocket {
    EventSocket::open(&EventSocketOptions {
        buffer_len,
        tables,
        delivery: Delivery::BestEffort,
        filter: &EventFilter::ignoring(ignored),
    })
    .unwrap()
}

/// Reads all events about flows that wait, and whether some were lost.
fn read_events(socket: &mut EventSocket) -> (Vec<(EventKind, u32, Flow)>, bool) {
    let (mut events, mut is_overrun) = (Vec::new(), false);
    loop {
        match socket.read().unwrap() {
            EventRead::Empty => return (events, is_overrun),
            EventRead::Overrun => is_overrun = true,
            EventRead::Datagrams {
                datagrams,
                n_truncated,
            } => {
                assert_eq!(n_truncated, 0);
                for message in datagrams.flat_map(messages) {
                    let Message::Flow {
                        kind,
                        port_id,
                        seq,
                        body,
                    } = message.unwrap()
                    else {
                        panic!("{message:?} is no event about a flow");
                    };
                    assert_eq!(seq, 0);
                    events.push((kind, port_id, decode_flow(&body).unwrap()));
                }
            }
        }
    }
}

#[test]
fn events_tell_kind_cause_and_contents() {
    in_namespace(|| {
        let mut events = subscribe(Table::Flows, Some(4 << 20), &[]);
        let mut socket = RequestSocket::open().unwrap();
        let made = Flow {
            zone: Some(3),
            mark: Some(9),
            ..tcp(1000)
        };
        execute(
            &mut socket,
            vec![
                FlowRequest::Create(made.clone()),
                FlowRequest::Update(Flow {
                    mark: Some(10),
                    ..made.clone()
                }),
                FlowRequest::Delete(name_of(&made)),
            ],
        );
        let (events, is_overrun) = read_events(&mut events);
        assert!(!is_overrun);
        let kinds: Vec<_> = events
            .iter()
            .map(|(kind, port_id, _)| (*kind, *port_id))
            .collect();
        let us = socket.port_id();
        assert_eq!(
            kinds,
            [
                (EventKind::New, us),
                (EventKind::Update, us),
                (EventKind::Destroy, us)
            ]
        );
        assert_eq!(events[0].2, as_reported(&made, &events[0].2));
        assert_eq!(events[1].2.mark, Some(10));
        let gone = &events[2].2;
        assert_eq!(
            (gone.orig, gone.zone, gone.id),
            (made.orig, Some(3), events[0].2.id)
        );
        assert!(gone.status.unwrap().contains(Status::DYING));
    });
}

#[test]
fn more_events_than_one_read_takes_come_in_order() {
    in_namespace(|| {
        let mut events = subscribe(Table::Flows, Some(4 << 20), &[]);
        let flows: Vec<_> = (1..=500).map(udp).collect();
        create_all(&mut RequestSocket::open().unwrap(), &flows);
        let (events, is_overrun) = read_events(&mut events);
        assert!(!is_overrun);
        let sources: Vec<_> = events
            .iter()
            .map(|(_, _, flow)| flow.orig.ports().unwrap().0)
            .collect();
        assert_eq!(sources, (1..=500).collect::<Vec<_>>());
    });
}

#[test]
fn the_filter_drops_what_our_own_sockets_cause() {
    in_namespace(|| {
        let mut ours = RequestSocket::open().unwrap();
        let mut other = RequestSocket::open().unwrap();
        let mut events = subscribe(Table::Flows, None, &[ours.port_id()]);
        // More than the buffer holds: what is dropped takes no room in it.
        create_all(&mut ours, &(1..=2000).map(udp).collect::<Vec<_>>());
        create_all(&mut other, &[tcp(1)]);
        execute(&mut ours, vec![FlowRequest::Delete(name_of(&tcp(1)))]);
        let (seen, is_overrun) = read_events(&mut events);
        assert!(!is_overrun);
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].0, seen[0].1, seen[0].2.orig),
            (EventKind::New, other.port_id(), tcp(1).orig)
        );
    });
}

#[test]
fn an_overrun_is_seen_and_what_is_queued_is_still_read() {
    in_namespace(|| {
        let mut events = subscribe(Table::Flows, Some(64 << 10), &[]);
        create_all(
            &mut RequestSocket::open().unwrap(),
            &(1..=500).map(udp).collect::<Vec<_>>(),
        );
        let (seen, is_overrun) = read_events(&mut events);
        assert!(is_overrun);
        assert!((1..500).contains(&seen.len()), "{} events", seen.len());
        // The next one is read as if nothing had happened.
        create_all(&mut RequestSocket::open().unwrap(), &[udp(1000)]);
        let (seen, is_overrun) = read_events(&mut events);
        assert_eq!((seen.len(), is_overrun), (1, false));
    });
}

#[test]
fn the_event_buffer_doubles_up_to_its_limit() {
    in_namespace(|| {
        let events = subscribe(Table::Both, Some(1 << 20), &[]);
        assert_eq!(events.buffer_len().unwrap(), 1 << 20);
        assert_eq!(events.double_buffer(4 << 20).unwrap(), Some(2 << 20));
        assert_eq!(events.double_buffer(4 << 20).unwrap(), Some(4 << 20));
        assert_eq!(events.double_buffer(4 << 20).unwrap(), None);
        assert_eq!(events.buffer_len().unwrap(), 4 << 20);
    });
}

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

#[test]
fn an_expectation_is_created_updated_and_deleted() {
    in_namespace(|| {
        nft("table inet nat { chain prerouting { type nat hook prerouting priority 0; }; }").unwrap();
        let mut events = subscribe(Table::Expectations, None, &[]);
        let mut socket = RequestSocket::open().unwrap();
        let (master, expectation) = tftp();
        create_all(&mut socket, &[master]);
        let mut execute = |request| {
            let mut failures = Vec::new();
            socket.execute_expect(&[request], &mut failures).unwrap();
            assert_eq!(failures, [], "of {request:?}");
            dump(Table::Expectations).1
        };

        let created = execute(ExpectRequest::Create(&expectation)).remove(0);
        let expected = Expectation {
            id: created.id,
            // The helper's policy decides.
            timeout_secs: created.timeout_secs,
            ..expectation.clone()
        };
        assert_eq!(created, expected);
        assert!(created.timeout_secs > Some(100));
        let updated = execute(ExpectRequest::Update(&expectation)).remove(0);
        assert!(updated.timeout_secs <= Some(100));
        assert_eq!(execute(ExpectRequest::Delete(&created)), []);

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
        socket
            .execute_expect(&[ExpectRequest::Create(&expectation)], &mut Vec::new())
            .unwrap();
        assert_eq!(dump(Table::Expectations).1.len(), 1);
        socket.flush(Table::Expectations).unwrap();
        assert_eq!(dump(Table::Expectations).1, []);
        assert_eq!(socket.table_stats().unwrap().entries, 1);
    });
}
