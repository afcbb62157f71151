//! What a file configures.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use conf_grammar::{
    Config, ExpectationSync, Facility, FilterPlace, HelperL3, HelperL4, Interface, Links, Location, Mode,
    MulticastGroup, Policy, Running, SchedulerClass, TcpState, UnicastAddresses, parse,
};

const LINK: &str = "UDP {
	IPv4_address 192.0.2.1
	IPv4_Destination_Address 192.0.2.2
	Port 3780
	Interface eth2
}
";

fn config(source: &str) -> Config {
    let outcome = parse("conntrackd.conf", source.as_bytes());
    assert!(!outcome.has_errors(), "{:?}", outcome.diagnostics);
    outcome.config.expect("a file without errors has a configuration")
}

fn sync(clauses: &str) -> conf_grammar::SyncConfig {
    config(&format!("Sync {{\n{clauses}\n}}"))
        .sync()
        .expect("the section is there")
        .clone()
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("the test gives no zero")
}

#[test]
fn an_empty_file_has_every_default() {
    let config = config("");
    let general = &config.general;
    assert!(general.systemd.value);
    assert_eq!(general.hash_size.value, 65_536);
    assert_eq!(general.hash_limit.value, 262_144);
    assert_eq!(general.log_file.value, None);
    assert_eq!(general.syslog.value, None);
    assert_eq!(
        general.lock_file.value,
        PathBuf::from("/var/lock/conntrackd.lock")
    );
    assert_eq!(general.unix_path.value, PathBuf::from("/var/run/conntrackd.ctl"));
    assert_eq!(general.netlink_buffer_size.value, None);
    assert_eq!(general.netlink_buffer_size_max.value, None);
    assert_eq!(general.overrun_resync_secs.value, Some(30));
    assert!(!general.reliable_events.value);
    assert_eq!(general.poll_secs.value, None);
    assert_eq!(general.event_iteration_limit.value, 100);
    assert_eq!(general.scheduler.value, None);
    assert_eq!(general.filter.place.value, FilterPlace::Userspace);
    assert!(general.filter.protocols.is_none());
    assert!(general.filter.addresses.is_none());
    assert!(general.filter.tcp_states.is_none());
    assert!(matches!(&config.running, Running::Stats(stats) if stats.log_file.value.is_none()));
    assert!(config.helpers.types.is_empty());
    assert_eq!(general.hash_size.span, None, "a default has no place");
}

#[test]
fn a_link_alone_is_ftfw_with_every_default() {
    let sync = sync(LINK);
    let Mode::Ftfw {
        resend_queue_size,
        ack_window_size,
        external_cache,
        startup_resync,
    } = sync.mode.value
    else {
        panic!("{:?}", sync.mode);
    };
    assert_eq!((resend_queue_size.value, ack_window_size.value), (131_072, 300));
    assert_eq!((external_cache.value, startup_resync.value), (true, false));
    assert_eq!(sync.commit_timeout_secs.value, None);
    assert_eq!(sync.purge_timeout_secs.value, 60);
    assert!(!sync.tcp_window_tracking.value);
    assert_eq!(sync.expectations.value, ExpectationSync::Off);
    let Links::Udp(links) = &sync.links else {
        panic!("{:?}", sync.links)
    };
    let [link] = links.as_slice() else {
        panic!("{links:?}")
    };
    assert_eq!(links.default_index(), 0);
    assert_eq!(link.interface.value, Interface::Named("eth2".to_owned()));
    assert_eq!(link.transport.port.value, Some(port(3780)));
    assert_eq!(
        link.transport.addresses.local().value,
        IpAddr::from([192, 0, 2, 1])
    );
    assert_eq!(
        link.transport.addresses.peer().value,
        IpAddr::from([192, 0, 2, 2])
    );
    assert_eq!(
        (
            link.send_buffer.value,
            link.recv_buffer.value,
            link.checksum.value
        ),
        (None, None, true)
    );
}

#[test]
fn zero_is_the_default_where_the_stock_daemon_takes_it_for_that() {
    let zeros = config(
        "General { HashSize 0 HashLimit 0 EventIterationLimit 0 NetlinkOverrunResync 0 NetlinkBufferSize 0 }",
    );
    assert!(zeros == config(""));
    let zeros = sync(&format!(
        "Mode FTFW {{ ResendQueueSize 0 ACKWindowSize 0 CommitTimeout 0 PurgeTimeout 0 }} {LINK}"
    ));
    assert!(zeros == sync(LINK));
}

#[test]
fn general_takes_what_is_given() {
    let source = "General {
	Systemd off
	HashSize 1
	HashLimit 2
	LogFile on
	Syslog local3
	LockFile /run/lock
	UNIX { Path /run/socket }
	NetlinkBufferSize 3
	NetlinkBufferSizeMaxGrowth 4
	NetlinkOverrunResync off
	NetlinkEventsReliable yes
	EventIterationLimit 5
	Scheduler { Type fifo Priority 6 }
}";
    let config = config(source);
    let general = &config.general;
    assert!(!general.systemd.value);
    assert_eq!((general.hash_size.value, general.hash_limit.value), (1, 2));
    assert_eq!(
        general.log_file.value,
        Some(PathBuf::from("/var/log/conntrackd.log"))
    );
    assert_eq!(general.syslog.value, Some(Facility::Local(3)));
    assert_eq!(general.lock_file.value, PathBuf::from("/run/lock"));
    assert_eq!(general.unix_path.value, PathBuf::from("/run/socket"));
    assert_eq!(
        (
            general.netlink_buffer_size.value,
            general.netlink_buffer_size_max.value
        ),
        (Some(3), Some(4))
    );
    assert_eq!(general.overrun_resync_secs.value, None);
    assert!(general.reliable_events.value);
    assert_eq!(general.event_iteration_limit.value, 5);
    let scheduler = general.scheduler.value.unwrap();
    assert_eq!(scheduler.class.value, SchedulerClass::Fifo);
    assert_eq!(scheduler.priority.value, 6);
    assert_eq!(
        general.unix_path.location(),
        Some(Location { line: 8, column: 14 })
    );
}

#[test]
fn a_setting_knows_its_place_for_errors_at_start() {
    let outcome = parse("/etc/c.conf", b"General {\n\tLockFile /run/lock\n}\nStats { }\n");
    let general = &outcome.config.as_ref().expect("the file is valid").general;
    assert_eq!(outcome.place(&general.lock_file), "/etc/c.conf:2:11");
    assert_eq!(outcome.place(&general.unix_path), "/etc/c.conf");
}

#[test]
fn a_client_finds_the_socket_of_a_file_in_error() {
    let socket = |source: &str| {
        parse("c", source.as_bytes())
            .control_socket
            .map(|path| path.value)
    };
    let broken = "General { HashSize x UNIX { Path /run/socket } }\nSync {";
    assert!(parse("c", broken.as_bytes()).has_errors());
    assert_eq!(socket(broken), Some(PathBuf::from("/run/socket")));
    assert_eq!(socket("Sync {"), Some(PathBuf::from("/var/run/conntrackd.ctl")));
    assert_eq!(socket("General { UNIX { Path run/socket } }"), None);
}

#[test]
fn the_facility_that_is_told_the_errors_is_known_in_spite_of_them() {
    let facility = |source: &str| parse("c", source.as_bytes()).syslog;
    let broken = "General { HashSize x Syslog local3 }\nStats {";
    assert!(parse("c", broken.as_bytes()).has_errors());
    assert_eq!(facility(broken), Some(Facility::Local(3)));
    assert_eq!(facility("General { Syslog nowhere }"), None);
    assert_eq!(facility("Stats {"), None);
}

#[test]
fn off_cancels_what_was_on() {
    let config = config("General { LogFile /a LogFile off Syslog on Syslog off }");
    assert_eq!(config.general.log_file.value, None);
    assert_eq!(config.general.syslog.value, None);
}

#[test]
fn each_mode_has_its_own_settings() {
    let alarm = sync(&format!(
        "Mode ALARM {{ RefreshTime 1 }} CacheTimeout 2 CommitTimeout 3 {LINK}"
    ));
    let Mode::Alarm {
        refresh_secs,
        cache_timeout_secs,
    } = alarm.mode.value
    else {
        panic!("{:?}", alarm.mode)
    };
    assert_eq!((refresh_secs.value, cache_timeout_secs.value), (1, 2));
    assert_eq!(alarm.commit_timeout_secs.value, Some(3));
    let notrack = sync(&format!(
        "Mode NOTRACK {{ DisableInternalCache on StartupResync on }} {LINK}"
    ));
    let Mode::Notrack {
        internal_cache,
        external_cache,
        startup_resync,
    } = notrack.mode.value
    else {
        panic!("{:?}", notrack.mode);
    };
    assert_eq!(
        (internal_cache.value, external_cache.value, startup_resync.value),
        (false, true, true)
    );
}

#[test]
fn a_commit_timeout_is_dropped_without_an_external_cache() {
    let sync = sync(&format!(
        "Mode FTFW {{ CommitTimeout 180 DisableExternalCache on }} {LINK}"
    ));
    assert_eq!(sync.commit_timeout_secs.value, None);
    assert!(!sync.mode.value.external_cache().value);
}

#[test]
fn links_keep_their_order_and_their_default() {
    let second = LINK.replace("UDP", "UDP Default").replace("3780", "3781");
    let sync = sync(&format!("{LINK}{second}"));
    let Links::Udp(links) = &sync.links else {
        panic!("{:?}", sync.links)
    };
    let ports: Vec<NonZeroU16> = links
        .as_slice()
        .iter()
        .filter_map(|link| link.transport.port.value)
        .collect();
    assert_eq!(ports, [port(3780), port(3781)]);
    assert_eq!(links.default_index(), 1);
}

#[test]
fn ipv6_links_and_tcp_links_are_read() {
    let link = "TCP {
	IPv6_address fe80::1
	IPv6_Destination_Address fe80::2
	Port 1
	Interface Port
	SndSocketBuffer 10
	RcvSocketBuffer 20
	ErrorQueueLength 30
}";
    let sync = sync(link);
    let Links::Tcp {
        links,
        error_queue_len,
    } = &sync.links
    else {
        panic!("{:?}", sync.links)
    };
    assert_eq!(error_queue_len.value, 30);
    let [link] = links.as_slice() else {
        panic!("{links:?}")
    };
    assert!(matches!(link.transport.addresses, UnicastAddresses::V6 { .. }));
    assert_eq!(link.interface.value, Interface::Named("Port".to_owned()));
    assert_eq!(
        (link.send_buffer.value, link.recv_buffer.value),
        (Some(10), Some(20))
    );
}

#[test]
fn a_multicast_link_may_name_its_interface_by_address() {
    let sync = sync("Multicast { IPv4_address 225.0.0.50 Group 3780 IPv4_interface 192.0.2.1 } Checksum off");
    let Links::Multicast(links) = &sync.links else {
        panic!("{:?}", sync.links)
    };
    let [link] = links.as_slice() else {
        panic!("{links:?}")
    };
    assert_eq!(
        link.interface.value,
        Interface::Carrying(Ipv4Addr::new(192, 0, 2, 1))
    );
    assert!(
        !link.checksum.value,
        "an old `Checksum` beside the links holds for each of them"
    );
    assert!(matches!(
        link.transport,
        MulticastGroup::V4 { local, .. } if local.value == Some(Ipv4Addr::new(192, 0, 2, 1))
    ));
}

#[test]
fn options_accumulate() {
    let expectations = |options: &str| sync(&format!("{options} {LINK}")).expectations.value;
    let names = |expectations| match expectations {
        ExpectationSync::Helpers(names) => names.into_iter().map(|name| name.value).collect::<Vec<String>>(),
        ExpectationSync::Off | ExpectationSync::All => panic!("{expectations:?}"),
    };
    let lists = "Options { ExpectationSync { ftp sip } } Options { ExpectationSync { FTP h.245 } }";
    assert_eq!(names(expectations(lists)), ["ftp", "sip", "h.245"]);
    assert_eq!(
        expectations("Options { ExpectationSync { } }"),
        ExpectationSync::All
    );
    assert_eq!(
        expectations("Options { ExpectationSync on ExpectationSync { ftp } }"),
        ExpectationSync::All
    );
    assert_eq!(
        expectations("Options { ExpectationSync off }"),
        ExpectationSync::Off
    );
}

#[test]
fn a_filter_is_the_union_of_its_blocks_and_of_old_clauses() {
    let source = format!(
        "General {{
	Filter From Kernelspace {{
		Protocol Ignore {{ UDP gre }}
		Address Ignore {{ IPv4_address 10.1.2.3/8 }}
		Address Ignore {{ IPv6_address ::1 }}
	}}
}}
Sync {{ Replicate ESTABLISHED CLOSED for TCP {LINK} }}
IgnoreProtocol {{ 50 udp }}
IgnoreTrafficFor {{ IPv4_address 192.0.2.1 }}"
    );
    let config = config(&source);
    let filter = &config.general.filter;
    assert_eq!(filter.place.value, FilterPlace::Kernelspace);
    let protocols = filter.protocols.as_ref().expect("there are protocols");
    assert_eq!(protocols.policy.value, Policy::Ignore);
    assert_eq!(
        protocols
            .entries
            .iter()
            .map(|entry| entry.value)
            .collect::<Vec<u8>>(),
        [17, 47, 50]
    );
    let addresses = filter.addresses.as_ref().expect("there are addresses");
    let networks: Vec<String> = addresses
        .entries
        .iter()
        .map(|entry| entry.value.to_string())
        .collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]);
    let states = filter.tcp_states.as_ref().expect("there are states");
    assert_eq!(states.policy.value, Policy::Accept);
    let states: Vec<TcpState> = states.entries.iter().map(|entry| entry.value).collect();
    assert_eq!(states, [TcpState::Established, TcpState::Close]);
}

#[test]
fn a_helper_keeps_what_its_policy_leaves_out() {
    let config =
        config("Helper { Setup on Type amanda inet6 udp { QueueNum 7 Policy amanda { ExpectMax 1 } } }");
    assert!(matches!(config.running, Running::HelpersOnly));
    assert!(config.helpers.setup.value);
    let [helper] = config.helpers.types.as_slice() else {
        panic!("{:?}", config.helpers)
    };
    assert_eq!(
        (helper.name.value, helper.l3.value, helper.l4.value),
        ("amanda", HelperL3::Inet6, HelperL4::Udp)
    );
    assert_eq!((helper.queue_num.value, helper.queue_len.value), (7, 0));
    assert_eq!(
        (
            helper.policy.expect_max.value,
            helper.policy.expect_timeout_secs.value
        ),
        (1, 180)
    );
}

#[test]
fn clauses_that_are_documented_for_stats_work_there() {
    let config = config("Stats { PollSecs 15 LogFile on Syslog on }");
    assert_eq!(config.general.poll_secs.value, Some(15));
    let stats = config.stats().expect("the section is there");
    assert_eq!(
        stats.log_file.value,
        Some(PathBuf::from("/var/log/conntrackd-stats.log"))
    );
    assert_eq!(stats.syslog.value, Some(Facility::Daemon));
}

#[test]
fn general_has_the_last_word_on_the_facility() {
    for source in [
        "General { Syslog local0 } Stats { Syslog local1 }",
        "Stats { Syslog local1 } General { Syslog local0 }",
    ] {
        let config = config(source);
        assert_eq!(
            config.stats().and_then(|stats| stats.syslog.value),
            Some(Facility::Local(0)),
            "{source}"
        );
    }
}
