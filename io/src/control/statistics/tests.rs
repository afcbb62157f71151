//! The numbers of the captured outputs, printed, are the captured outputs.

use engine::seq::Seq;
use engine::stats::{BypassStats, CacheStats, InjectStats, KernelStats, ResendQueueStats};

use super::*;

/// The captured output; its first line says how it was made.
macro_rules! captured {
    ($name:literal) => {
        include_str!(concat!("../../../tests/data/outputs/", $name, ".txt"))
            .split_once('\n')
            .unwrap()
            .1
    };
}

fn rendered(topic: StatsTopic, engine: &Statistics, shell: &ShellStats) -> String {
    let mut out = Vec::new();
    render(topic, engine, shell, &mut out);
    String::from_utf8(out).unwrap()
}

fn traffic_of(bytes: u64, packets: u64, errors: u64) -> DirectionCounters {
    DirectionCounters {
        bytes,
        packets,
        errors,
    }
}

fn link(
    interface: &str,
    transport: Transport,
    sent: DirectionCounters,
    received: DirectionCounters,
) -> LinkStats {
    LinkStats {
        interface: interface.into(),
        transport,
        status: LinkStatus::Running,
        sent,
        received,
    }
}

/// Node A of the FT-FW captures.
fn node_a() -> (Statistics, ShellStats) {
    let engine = Statistics {
        internal: CacheStats {
            live: 14,
            total: 14,
            created: 15,
            updated: 22,
            destroyed: 1,
            ..CacheStats::default()
        },
        internal_expect: CacheStats {
            live: 1,
            total: 1,
            created: 2,
            destroyed: 1,
            ..CacheStats::default()
        },
        traffic: TrafficStats {
            bytes: 58,
            packets: 2,
        },
        queues: QueueStats {
            resend: Some(ResendQueueStats {
                len_max: 131_072,
                ..ResendQueueStats::default()
            }),
            ..QueueStats::default()
        },
        resend_queue: Some(Box::default()),
        kernel: KernelStats {
            events_filtered: 2,
            ..KernelStats::default()
        },
        ..Statistics::default()
    };
    let shell = ShellStats {
        links: vec![link(
            "sync0",
            Transport::Udp,
            traffic_of(1700, 24, 0),
            traffic_of(48, 3, 0),
        )],
        netlink: NetlinkStats {
            events: 43,
            buffer_len: 2_097_152,
            ..NetlinkStats::default()
        },
        ..ShellStats::default()
    };
    (engine, shell)
}

#[test]
fn every_topic_of_an_ftfw_node_reads_as_captured() {
    let (engine, shell) = node_a();
    for (topic, captured) in [
        (StatsTopic::Flows, captured!("s.ftfw.A")),
        (StatsTopic::Flows, captured!("s-ct.ftfw.A")),
        (StatsTopic::Expectations, captured!("s-exp.ftfw.A")),
        (StatsTopic::Network, captured!("s-network.ftfw.A")),
        (StatsTopic::Cache, captured!("s-cache.ftfw.A")),
        (StatsTopic::Runtime, captured!("s-runtime.ftfw.A")),
        (StatsTopic::Link, captured!("s-link.ftfw.A")),
        (StatsTopic::Queue, captured!("s-queue.ftfw.A")),
        (StatsTopic::ResendQueue, captured!("s-rsqueue.ftfw.A")),
        (StatsTopic::Process, ""),
    ] {
        assert_eq!(rendered(topic, &engine, &shell), captured, "{topic:?}");
    }
}

#[test]
fn the_external_cache_and_pending_control_messages_read_as_captured() {
    let (mut engine, mut shell) = node_a();
    std::mem::swap(&mut engine.internal, &mut engine.external);
    engine.external.updated = 3;
    std::mem::swap(&mut engine.internal_expect, &mut engine.external_expect);
    engine.traffic = TrafficStats::default();
    engine.queues.control_messages = 1;
    engine.queues.resend = Some(ResendQueueStats {
        len: 1,
        len_max: 131_072,
        overflowed: 0,
    });
    shell.links = vec![link(
        "sync0",
        Transport::Udp,
        traffic_of(48, 3, 0),
        traffic_of(1692, 23, 0),
    )];
    assert_eq!(
        rendered(StatsTopic::Link, &engine, &shell),
        captured!("s-link.ftfw.B")
    );
    assert_eq!(
        rendered(StatsTopic::Queue, &engine, &shell),
        captured!("s-queue.ftfw.B")
    );
    assert_eq!(
        external_block(&rendered(StatsTopic::Flows, &engine, &shell)),
        external_block(captured!("s.ftfw.B"))
    );
}

fn external_block(text: &str) -> &str {
    let start = text.find("cache external:").unwrap();
    let end = text.find("traffic processed:").unwrap();
    &text[start..end]
}

#[test]
fn a_full_cache_shows_what_it_refused() {
    let engine = Statistics {
        internal: CacheStats {
            live: 5,
            total: 5,
            created: 6,
            create_failed_full: 6,
            updated: 5,
            destroyed: 1,
            ..CacheStats::default()
        },
        ..Statistics::default()
    };
    assert_eq!(
        rendered(StatsTopic::Cache, &engine, &ShellStats::default()),
        captured!("s-cache.hashlimit-full.A")
    );
}

#[test]
fn ends_of_what_is_not_there_are_failed_deletions() {
    let engine = Statistics {
        external: CacheStats {
            destroyed: 7,
            destroy_not_found: 3,
            ..CacheStats::default()
        },
        ..Statistics::default()
    };
    let shown = |topic| rendered(topic, &engine, &ShellStats::default());
    let summary = format!("connections destroyed:\t\t{:>12}\tfailed:\t{:>12}\n", 7, 3);
    assert!(shown(StatsTopic::Flows).contains(&summary));
    let details = format!(
        "\tdeletion created/failed:\t{:>12}/{:>12}\n\t\tentry not found:\t{:>12}\n",
        7, 3, 3
    );
    assert!(shown(StatsTopic::Cache).contains(&details));
}

#[test]
fn lost_events_read_as_captured() {
    let engine = Statistics {
        kernel: KernelStats {
            events_filtered: 1,
            overruns: 3,
            resyncs: 1,
            ..KernelStats::default()
        },
        ..Statistics::default()
    };
    let shell = ShellStats {
        netlink: NetlinkStats {
            events: 358,
            events_failed: 3,
            buffer_len: 262_144,
            ..NetlinkStats::default()
        },
        ..ShellStats::default()
    };
    assert_eq!(
        rendered(StatsTopic::Runtime, &engine, &shell),
        captured!("s-runtime.overrun.A")
    );
}

#[test]
fn several_links_show_which_one_is_in_use() {
    let multicast = |interface, sent, received| link(interface, Transport::Multicast, sent, received);
    let mut shell = ShellStats {
        links: vec![
            multicast("sync0", traffic_of(48, 4, 0), traffic_of(48, 3, 0)),
            multicast("eth2", traffic_of(0, 0, 0), traffic_of(0, 0, 0)),
        ],
        ..ShellStats::default()
    };
    let mut engine = Statistics::default();
    assert_eq!(
        rendered(StatsTopic::Link, &engine, &shell),
        captured!("s-link.multicast2.A")
    );

    shell.links[0].status = LinkStatus::Down;
    shell.links[1].sent = traffic_of(136, 4, 0);
    shell.links[1].received = traffic_of(120, 3, 0);
    engine.active_channel = Channel(1);
    assert_eq!(
        rendered(StatsTopic::Link, &engine, &shell),
        captured!("s-link.failover.A")
    );
}

#[test]
fn a_tcp_link_shows_its_connections() {
    let transport = Transport::Tcp {
        server: TcpConnection::Connected,
        client: TcpConnection::Connected,
    };
    let shell = ShellStats {
        links: vec![link(
            "sync0",
            transport,
            traffic_of(56, 7, 2),
            traffic_of(32, 4, 0),
        )],
        ..ShellStats::default()
    };
    let engine = Statistics::default();
    assert_eq!(
        rendered(StatsTopic::Network, &engine, &shell),
        captured!("s-network.tcp.A")
    );
}

#[test]
fn modes_without_a_resend_queue_list_none() {
    let (engine, shell) = (Statistics::default(), ShellStats::default());
    assert_eq!(
        rendered(StatsTopic::Queue, &engine, &shell),
        captured!("s-queue.bypass.A")
    );
    assert_eq!(rendered(StatsTopic::ResendQueue, &engine, &shell), "");
}

#[test]
fn the_resend_queue_is_listed_oldest_first() {
    let elements = vec![
        ResendElement::Object {
            seq: Seq(1_795_210_045),
        },
        ResendElement::Control {
            seq: Seq(1_795_210_046),
            flags: 8,
        },
    ];
    let engine = Statistics {
        resend_queue: Some(Box::new(elements)),
        ..Statistics::default()
    };
    assert_eq!(
        rendered(StatsTopic::ResendQueue, &engine, &ShellStats::default()),
        captured!("s-rsqueue.unacked.A")
    );
}

#[test]
fn the_uptime_drops_seconds_and_what_is_zero() {
    for (secs, text) in [
        (59, "0 min"),
        (2 * 3600 + 5 * 60, "2 h 5 min"),
        (24 * 3600 + 3 * 60, "1 day 3 min"),
        (49 * 3600, "2 days 1 h 0 min"),
    ] {
        let mut out = Vec::new();
        uptime(&mut out, Duration::from_secs(secs)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

#[test]
fn what_was_lost_and_why_has_a_line_each() {
    let mut engine = Statistics::default();
    engine.receive.lost = 3;
    engine.kernel.ghosts = 2;
    engine.kernel.events_filtered = 7;
    engine.commit.failed = 5;
    engine.commit.failed_by_errno = vec![(2, 1), (12, 4)];
    let text = rendered(StatsTopic::Counters, &engine, &ShellStats::default());
    for line in [
        "messages_lost 3",
        "kernel_ghosts 2",
        "kernel_events_filtered 7",
        "commit_failed 5",
        "commit_errno_2 1",
        "commit_errno_12 4",
    ] {
        assert!(text.lines().any(|each| each == line), "{line} in {text}");
    }
}

#[test]
fn what_waits_for_a_tcp_connection_is_in_the_error_queue() {
    let shell = ShellStats {
        error_queue: Some(ErrorQueue {
            len: 5,
            len_max: 64,
            overflowed: 7,
        }),
        ..ShellStats::default()
    };
    let queues = rendered(StatsTopic::Queue, &Statistics::default(), &shell);
    let numbers = [
        ("elements:\t\t", 5),
        ("maximum elements:\t\t", 64),
        ("errors:\t", 7),
    ];
    let errors = queues.split("queue errorq:\n").nth(1).unwrap();
    for ((label, number), line) in numbers.into_iter().zip(errors.lines()) {
        assert!(line.ends_with(&format!("{label}{number:>12}")), "{line:?}");
    }
    assert!(
        queues.starts_with("allocated queue nodes:\t\t           5\n"),
        "{queues}"
    );
}

#[test]
fn flows_that_went_into_the_kernel_read_as_captured() {
    let engine = Statistics {
        inject: Some(InjectStats {
            created: 2,
            updated: 11,
            destroyed: 1,
            ..InjectStats::default()
        }),
        inject_expect: Some(InjectStats {
            created: 1,
            destroyed: 1,
            ..InjectStats::default()
        }),
        ..Statistics::default()
    };
    let shell = ShellStats {
        links: vec![link(
            "sync0",
            Transport::Udp,
            traffic_of(320, 20, 0),
            traffic_of(1484, 34, 0),
        )],
        ..ShellStats::default()
    };
    assert_eq!(
        rendered(StatsTopic::Cache, &engine, &shell),
        captured!("s-cache.inject.B")
    );
    assert_eq!(
        rendered(StatsTopic::Flows, &engine, &shell),
        captured!("s-ct.inject.B")
    );
    assert_eq!(
        rendered(StatsTopic::Expectations, &engine, &shell),
        captured!("s-exp.inject.B")
    );
}

#[test]
fn events_that_were_passed_on_read_as_captured() {
    let engine = Statistics {
        bypass: Some(BypassStats {
            created: 3,
            updated: 5,
            destroyed: 0,
        }),
        bypass_expect: Some(BypassStats::default()),
        ..Statistics::default()
    };
    assert_eq!(
        rendered(StatsTopic::Cache, &engine, &ShellStats::default()),
        captured!("s-cache.bypass.A")
    );
}
