use std::net::IpAddr;

use io::link::{
    Buffers, Checksum, Group, InterfaceSpec, LinkSpec, MulticastSpec, TcpSpec, TransportSpec, UdpSpec,
};

use super::*;

/// A configuration with these clauses in the sections, one link, and room for more.
fn config(mode: &str, link: &str, sync: &str, general: &str) -> Config {
    let source = format!(
        "Sync {{\n{mode}\n{link}\n{sync}\n}}\nGeneral {{\nHashLimit 1000\nUNIX {{\nPath /run/ctl\n}}\n{general}\n}}\n"
    );
    let outcome = conf_grammar::parse("test.conf", source.as_bytes());
    let found = conf_grammar::render(&outcome.diagnostics, "test.conf", source.as_bytes());
    outcome.config.unwrap_or_else(|| panic!("{found}"))
}

const FTFW: &str = "Mode FTFW {\n}";
const UDP: &str =
    "UDP {\nIPv4_address 10.0.0.1\nIPv4_Destination_Address 10.0.0.2\nPort 3780\nInterface eth2\n}";

fn with_general(general: &str) -> Settings {
    translate(&config(FTFW, UDP, "", general)).unwrap()
}

fn refused(config: &Config) -> Vec<String> {
    let unsupported = translate(config).unwrap_err();
    unsupported
        .iter()
        .map(|refusal| format!("{}: {}", refusal.span.location.line, refusal.message))
        .collect()
}

#[test]
fn a_silent_file_gets_the_defaults() {
    let settings = with_general("");
    let bytes = |mib: usize| mib << 20;
    assert_eq!(
        settings.engine,
        engine::config::Config {
            mode: engine::config::Mode::Ftfw(FtfwConfig {
                ack_window: NonZeroU16::new(300).unwrap(),
                resend_queue_len_max: NonZeroU32::new(131_072).unwrap(),
                startup_resync: StartupResync::Off,
            }),
            filter: Filter::default(),
            expectations: ExpectationSync::Off,
            cache_len_max: NonZeroU32::new(1000).unwrap(),
            cache_len_expected: 65_536,
            commit_timeout_secs: None,
            purge_timeout: Duration::from_secs(60),
            own_flows: OwnFlows::Cached,
            peer_flows: PeerFlows::Cached,
            tcp_window_tracking: TcpWindowTracking::Off,
            overrun_resync: Some(Duration::from_secs(30)),
            poll_period: None,
            reconcile_period: Some(RECONCILE_PERIOD),
            links: Vec::new(),
            default_link: 0,
            limits: Limits::default(),
        }
    );
    let kernel = KernelOptions {
        buffer_len: Some(bytes(2)),
        buffer_len_max: bytes(8),
        tables: Some(Table::Both),
        delivery: Delivery::BestEffort,
        event_filter: EventFilter::default(),
    };
    assert_eq!(settings.kernel.value, kernel);
    assert_eq!(settings.filter_place.value, FilterPlace::Userspace);
    assert_eq!(settings.scheduler.value, Policy::Favoured);
    assert_eq!(
        settings.lock_file.value,
        PathBuf::from("/var/lock/conntrackd.lock")
    );
    assert_eq!(settings.control_socket.value, PathBuf::from("/run/ctl"));
    assert_eq!((settings.log_file.value, settings.syslog), (None, None));
    assert_eq!(settings.event_iteration_limit.get(), 100);
}

#[test]
fn a_resend_queue_holds_two_windows_at_least() {
    let table = [("", 600), ("ACKWindowSize 1", 4), ("ACKWindowSize 3", 6)];
    for (window, want) in table {
        let mode = format!("Mode FTFW {{\nResendQueueSize 4\n{window}\n}}");
        let settings = translate(&config(&mode, UDP, "", "")).unwrap();
        let engine::config::Mode::Ftfw(ftfw) = settings.engine.mode else {
            panic!("{:?} is not FT-FW", settings.engine.mode)
        };
        assert_eq!(ftfw.resend_queue_len_max.get(), want, "{window}");
    }
}

#[test]
fn what_the_file_says_arrives() {
    let mode = "Mode NOTRACK {\nStartupResync on\nCommitTimeout 180\nPurgeTimeout 15\n}";
    let sync = "Options {\nTCPWindowTracking on\n}";
    let general = "LogFile /var/log/x.log\nSyslog local3\nLockFile /run/x.lock\nSystemd off\n\
                   NetlinkEventsReliable on\nNetlinkOverrunResync off\nEventIterationLimit 7\n\
                   Scheduler {\nType FIFO\nPriority 12\n}";
    let settings = translate(&config(mode, UDP, sync, general)).unwrap();
    let mode = NotrackConfig {
        startup_resync: StartupResync::On,
    };
    assert_eq!(settings.engine.mode, engine::config::Mode::Notrack(mode));
    assert_eq!(settings.engine.commit_timeout_secs, NonZeroU32::new(180));
    assert_eq!(settings.engine.purge_timeout, Duration::from_secs(15));
    assert_eq!(settings.engine.tcp_window_tracking, TcpWindowTracking::On);
    assert_eq!(settings.engine.overrun_resync, None);
    assert_eq!(settings.kernel.value.delivery, Delivery::Reliable);
    assert_eq!(settings.log_file.value, Some(PathBuf::from("/var/log/x.log")));
    assert_eq!(settings.syslog, Some(log::Facility::local(3)));
    assert_eq!(settings.lock_file.value, PathBuf::from("/run/x.lock"));
    assert_eq!(settings.service_manager, ServiceManager::Ignored);
    assert_eq!(settings.event_iteration_limit.get(), 7);
    assert_eq!(settings.scheduler.value, Policy::Fifo { priority: 12 });
}

#[test]
fn links_keep_their_order_their_place_and_the_default() {
    let second = "UDP Default {\nIPv6_address fe80::1\nIPv6_Destination_Address fe80::2\nPort 3781\n\
                  Interface eth3\nChecksum off\nSndSocketBuffer 1000\nRcvSocketBuffer 2000\n}";
    let settings = translate(&config(FTFW, UDP, second, "")).unwrap();
    assert_eq!(settings.engine.default_link, 1);
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let udp = UdpSpec {
        local: address("10.0.0.1"),
        peer: address("10.0.0.2"),
        port: 3780,
        checksum: Checksum::On,
    };
    let first = LinkSpec {
        interface: InterfaceSpec::Named("eth2".into()),
        transport: TransportSpec::Udp(udp),
        buffers: Buffers::default(),
    };
    let udp = UdpSpec {
        local: address("fe80::1"),
        peer: address("fe80::2"),
        port: 3781,
        checksum: Checksum::Off,
    };
    let second = LinkSpec {
        interface: InterfaceSpec::Named("eth3".into()),
        transport: TransportSpec::Udp(udp),
        buffers: Buffers {
            send_len: Some(1000),
            receive_len: Some(2000),
        },
    };
    let [a, b] = &settings.links[..] else {
        panic!("two links: {:?}", settings.links);
    };
    assert_eq!((&a.value, a.location.map(|at| at.line)), (&first, Some(4)));
    assert_eq!((&b.value, b.location.map(|at| at.line)), (&second, Some(10)));
}

#[test]
fn multicast_links_arrive_with_group_port_and_interface() {
    let group = |clauses: &str| format!("Multicast {{\n{clauses}\nGroup 3780\nChecksum off\n}}");
    let named = |name: &str| InterfaceSpec::Named(name.to_owned());
    let v4 = |local: Option<&str>| Group::V4 {
        group: "225.0.0.50".parse().unwrap(),
        local: local.map(|local| local.parse().unwrap()),
    };
    for (clauses, interface, want) in [
        ("IPv4_address 225.0.0.50\nInterface eth2", named("eth2"), v4(None)),
        (
            "IPv4_address 225.0.0.50\nIPv4_interface 10.0.0.1\nInterface eth2",
            named("eth2"),
            v4(Some("10.0.0.1")),
        ),
        (
            "IPv4_address 225.0.0.50\nIPv4_interface 10.0.0.1",
            InterfaceSpec::Carrying("10.0.0.1".parse().unwrap()),
            v4(Some("10.0.0.1")),
        ),
        (
            "Interface eth2\nIPv6_address ff05::50",
            named("eth2"),
            Group::V6("ff05::50".parse().unwrap()),
        ),
    ] {
        let settings = translate(&config(FTFW, &group(clauses), "", "")).unwrap();
        let want = LinkSpec {
            interface,
            transport: TransportSpec::Multicast(MulticastSpec {
                group: want,
                port: 3780,
                checksum: Checksum::Off,
            }),
            buffers: Buffers::default(),
        };
        assert_eq!(
            settings.links.first().map(|link| &link.value),
            Some(&want),
            "{clauses}"
        );
    }
}

#[test]
fn tcp_links_arrive_with_the_length_of_the_queue() {
    for (clause, error_queue_len) in [("", 128), ("ErrorQueueLength 0", 128), ("ErrorQueueLength 7", 7)] {
        let tcp = UDP
            .replace("UDP", "TCP")
            .replace("Port", &format!("{clause}\nPort"));
        let settings = translate(&config(FTFW, &tcp, "", "")).unwrap();
        let want = LinkSpec {
            interface: InterfaceSpec::Named("eth2".to_owned()),
            transport: TransportSpec::Tcp(TcpSpec {
                local: "10.0.0.1".parse().unwrap(),
                peer: "10.0.0.2".parse().unwrap(),
                port: 3780,
                error_queue_len,
            }),
            buffers: Buffers::default(),
        };
        assert_eq!(
            settings.links.first().map(|link| &link.value),
            Some(&want),
            "{clause}"
        );
    }
}

#[test]
fn the_event_buffer_grows_only_where_the_file_leaves_room() {
    for (general, len, len_max) in [
        ("NetlinkBufferSize 65536", 65_536, 65_536),
        (
            "NetlinkBufferSize 65536\nNetlinkBufferSizeMaxGrowth 400000",
            65_536,
            400_000,
        ),
        (
            "NetlinkBufferSize 65536\nNetlinkBufferSizeMaxGrowth 4096",
            65_536,
            65_536,
        ),
        ("NetlinkBufferSizeMaxGrowth 16777216", 2 << 20, 16_777_216),
    ] {
        let kernel = with_general(general).kernel.value;
        assert_eq!(
            (kernel.buffer_len, kernel.buffer_len_max),
            (Some(len), len_max),
            "{general}"
        );
    }
}

#[test]
fn flows_of_the_peer_go_into_the_kernel_where_they_are_not_cached() {
    for mode in ["FTFW", "NOTRACK"] {
        for (clause, want) in [
            ("DisableExternalCache on", PeerFlows::Injected),
            ("DisableExternalCache off", PeerFlows::Cached),
            ("", PeerFlows::Cached),
        ] {
            let settings = translate(&config(&format!("Mode {mode} {{\n{clause}\n}}"), UDP, "", "")).unwrap();
            assert_eq!(settings.engine.peer_flows, want, "{mode} {clause}");
        }
    }
}

#[test]
fn alarm_has_its_two_times() {
    for (clauses, refresh_secs, cache_timeout_secs) in
        [("", 60, 180), ("RefreshTime 15\nCacheTimeout 100\n", 15, 100)]
    {
        let mode = format!("Mode ALARM {{\n{clauses}}}");
        let settings = translate(&config(&mode, UDP, "", "")).unwrap();
        let wanted = engine::config::Mode::Alarm(AlarmConfig {
            refresh_secs: NonZeroU32::new(refresh_secs).unwrap(),
            cache_timeout_secs: NonZeroU32::new(cache_timeout_secs).unwrap(),
        });
        assert_eq!(settings.engine.mode, wanted);
    }
}

#[test]
fn a_polled_table_has_no_events() {
    let settings = with_general("PollSecs 15");
    assert_eq!(settings.engine.poll_period, Some(Duration::from_secs(15)));
    assert_eq!(settings.kernel.value.tables, None);
}

#[test]
fn expectations_and_polls_do_without_caches() {
    let mode = "Mode NOTRACK {\nDisableInternalCache on\nDisableExternalCache on\n}";
    let config = config(mode, UDP, "Options {\nExpectationSync on\n}", "");
    let settings = translate(&config).unwrap().engine;
    assert_eq!(settings.own_flows, OwnFlows::Bypassed);
    assert_eq!(settings.peer_flows, PeerFlows::Injected);
    assert_eq!(settings.expectations, ExpectationSync::All);

    let mode = "Mode FTFW {\nDisableExternalCache on\n}";
    let settings = translate(&self::config(mode, UDP, "", "PollSecs 15")).unwrap();
    assert_eq!(settings.engine.peer_flows, PeerFlows::Injected);
    assert_eq!(settings.engine.poll_period, Some(Duration::from_secs(15)));
}

#[test]
fn everything_unsupported_is_told_at_once() {
    let outcome = conf_grammar::parse("test.conf", b"Stats {\nLogFile on\n}\nHelper {\nSetup on\n}\n");
    let config = outcome.config.unwrap();
    assert_eq!(
        refused(&config),
        [
            "5: section `Helper` is not supported yet",
            "1: a configuration without section `Sync` is not supported yet"
        ]
    );
}

#[test]
fn expectations_are_replicated_as_the_file_says() {
    let list = ExpectationSync::Helpers(Box::new(["ftp".into(), "sip".into()]));
    for (clause, expectations) in [
        ("off", ExpectationSync::Off),
        ("on", ExpectationSync::All),
        ("{\nftp\nsip\n}", list),
    ] {
        let clause = format!("Options {{\nExpectationSync {clause}\n}}");
        let settings = translate(&config(FTFW, UDP, &clause, "")).unwrap();
        assert_eq!(settings.engine.expectations, expectations, "{clause}");
    }
}

#[test]
fn a_file_without_replication_is_refused() {
    let outcome = conf_grammar::parse("test.conf", b"# mine\nStats {\nLogFile on\n}\n");
    let config = outcome.config.unwrap();
    assert_eq!(
        refused(&config),
        ["2: a configuration without section `Sync` is not supported yet"]
    );
}

#[test]
fn a_filter_in_the_kernel_becomes_a_program() {
    let sets = "{\nState Ignore {\nTIME_WAIT\nfor TCP\n}\n}";
    let settings = |place| with_general(&format!("Filter From {place} {sets}"));
    let (user, kernel) = (settings("Userspace"), settings("Kernelspace"));
    assert_eq!(user.engine.filter, kernel.engine.filter);
    assert!(!user.engine.filter.is_empty());
    assert_eq!(user.kernel.value.event_filter, EventFilter::default());
    assert_ne!(kernel.kernel.value.event_filter, EventFilter::default());
    assert_eq!(kernel.filter_place.value, FilterPlace::Kernelspace);
    assert_eq!(kernel.filter_place.location.map(|at| at.line), Some(17));
}
