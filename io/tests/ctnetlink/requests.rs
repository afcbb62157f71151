//! Batches of requests.

use std::net::{IpAddr, Ipv4Addr};

use engine::flow::{Flow, HelperName, Labels, Nat, ProtoState, Protocol, Tcp, TcpState};
use engine::input::{Errno, RequestFailure, Table};
use engine::output::{FlowName, FlowRequest};
use io::ctnetlink::{Delivery, EventFilter, EventSocket, EventSocketOptions, RequestSocket};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use rustix::thread::CapabilitySet;

use crate::flows::{ESTABLISHED, V6, as_reported, every_kind, name_of, ports, tcp, udp};
use crate::kernel::{create_all, dump, execute, get};
use crate::namespace::in_namespace;

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

#[test]
fn requests_whose_answers_are_lost_are_made_again() {
    in_namespace(|| {
        let mut socket = RequestSocket::open().unwrap();
        create_all(&mut socket, &(0..100).map(udp).collect::<Vec<_>>());
        // Room for a few answers; each of the flows that exist needs one.
        setsockopt(&socket, RcvBuf, &4096).unwrap();
        let mut requests: Vec<_> = (0..200).map(|i| FlowRequest::Create(udp(i))).collect();
        requests.push(FlowRequest::Get(name_of(&udp(7))));
        requests.push(FlowRequest::Get(name_of(&tcp(7))));
        requests.push(FlowRequest::Delete(name_of(&udp(8))));
        let (answers, failures) = execute(&mut socket, requests);

        assert_eq!(answers.len(), 1);
        assert_eq!((answers[0].0, answers[0].1.orig), (200, udp(7).orig));
        let failed: Vec<_> = failures
            .iter()
            .map(|failure| (failure.index, failure.errno))
            .collect();
        // What existed before fails as ever; what was created meanwhile exists when it is asked for
        // again, and what was deleted does not.
        let expected = (0..200).map(|i| (i, Errno::EEXIST));
        let expected: Vec<_> = expected
            .chain([(201, Errno::ENOENT), (202, Errno::ENOENT)])
            .collect();
        assert_eq!(failed, expected);
        assert_eq!(socket.table_stats().unwrap().entries, 199);
    });
}

#[test]
fn without_the_capability_the_error_says_what_is_needed() {
    in_namespace(|| {
        // Capabilities belong to the thread, and this one ends with the test.
        let mut capabilities = rustix::thread::capabilities(None).unwrap();
        capabilities.effective.remove(CapabilitySet::NET_ADMIN);
        rustix::thread::set_capabilities(None, capabilities).unwrap();
        let error = RequestSocket::open().map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot open a socket to the kernel's connection tracking: \
             Operation not permitted (needs CAP_NET_ADMIN)"
        );
        let error = EventSocket::open(&EventSocketOptions {
            buffer_len: None,
            tables: Some(Table::Flows),
            delivery: Delivery::BestEffort,
            filter: &EventFilter::default(),
        });
        assert_eq!(
            error.map(|_| ()).unwrap_err().to_string(),
            "cannot subscribe to conntrack events: Operation not permitted (needs CAP_NET_ADMIN)"
        );
    });
}
