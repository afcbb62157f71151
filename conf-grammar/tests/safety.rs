//! The warnings about what works and will be regretted: each where it fires, and where it just does not.

use conf_grammar::parse;

/// Ignores the loopback and the networks of every link below.
const SURROUNDINGS: &str = "General {
    UNIX { Path /run/conntrackd.ctl }
    Filter { Address Ignore {
        IPv4_address 127.0.0.0/8 IPv4_address 192.0.2.0/24 IPv4_address 225.0.0.0/8
        IPv6_address ::1 IPv6_address 2001:db8::/32
    } }
}";
const LINK: &str =
    "UDP { IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.2 Port 3780 Interface eth2 }";
const TCP_LINK: &str =
    "TCP { IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.2 Port 3780 Interface eth2 }";
/// Buffers that satisfy every mode.
const BUFFERS: &str = "SndSocketBuffer 1249280 RcvSocketBuffer 1249280";

/// All findings of a file, as `code@line`.
fn found(source: &str) -> Vec<String> {
    parse("conntrackd.conf", source.as_bytes())
        .diagnostics
        .iter()
        .map(|diagnostic| format!("{}@{}", diagnostic.code, diagnostic.span.location.line))
        .collect()
}

#[track_caller]
fn check(source: &str, want: &[&str]) {
    assert_eq!(found(source), want, "{source}");
}

/// The clauses stand in lines 2 and following, in `General` of a file with `Sync`.
#[track_caller]
fn check_general(clauses: &str, want: &[&str]) {
    check(
        &format!("General {{\n{clauses}\n}}\n{SURROUNDINGS}\nSync {{ Mode FTFW {{ }} {LINK} }}"),
        want,
    );
}

/// The clauses stand in lines 2 and following, in `General` of a file with `Stats`.
#[track_caller]
fn check_stats(clauses: &str, want: &[&str]) {
    check(
        &format!("General {{\n{clauses}\n}}\n{SURROUNDINGS}\nStats {{ }}"),
        want,
    );
}

/// The clauses stand in lines 2 and following, in `Sync`.
#[track_caller]
fn check_sync(clauses: &str, want: &[&str]) {
    check(&format!("Sync {{\n{clauses}\n}}\n{SURROUNDINGS}"), want);
}

/// The link stands in lines 3 and following; the mode in line 2.
#[track_caller]
fn check_link(mode: &str, link: &str, want: &[&str]) {
    check_sync(&format!("Mode {mode} {{ }}\n{link}"), want);
}

/// The link with more clauses in it, each in the line of the link.
fn with(link: &str, clauses: &str) -> String {
    link.replace("Interface eth2", &format!("Interface eth2 {clauses}"))
}

/// A file with nothing but `filter` in `General` and a link, in lines 2 and 4.
#[track_caller]
fn check_filter(filter: &str, link: &str, want: &[&str]) {
    check(
        &format!("General {{ UNIX {{ Path /x }}\n{filter}\n}}\nSync {{ {link} Mode FTFW {{ }} }}"),
        want,
    );
}

#[test]
fn defaults_are_safe_but_for_the_flows_of_the_link() {
    check(
        &format!("Sync {{ Mode FTFW {{ }}\n{LINK} }}"),
        &["no-control-socket@1", "link-not-ignored@2"],
    );
    check_link("FTFW", LINK, &[]);
    check_link("ALARM", LINK, &[]);
    check_link("NOTRACK", TCP_LINK, &[]);
    check_stats("", &[]);
}

#[test]
fn the_values_of_the_stock_samples_are_safe() {
    check_general(
        "HashSize 32768 HashLimit 131072 NetlinkBufferSize 2097152 NetlinkBufferSizeMaxGrowth 8388608
         NetlinkOverrunResync on NetlinkEventsReliable off EventIterationLimit 100",
        &[],
    );
    check_sync(
        &format!(
            "Mode FTFW {{ ResendQueueSize 131072 PurgeTimeout 60 ACKWindowSize 300 }} {}",
            with(LINK, BUFFERS)
        ),
        &[],
    );
    check_sync(
        &format!("Mode ALARM {{ RefreshTime 15 CacheTimeout 180 }} {LINK}"),
        &[],
    );
}

#[test]
fn errors_silence_what_is_said_about_safety() {
    check_general("HashSize 5000000\nHashLimit 6x", &["bad-number@3"]);
}

#[test]
fn sizes_of_caches() {
    check_general("HashSize 10\nHashLimit 9", &["hash-oversized@2"]);
    check_general("HashSize 262145", &["hash-oversized@2"]);
    check_general("HashLimit 65535", &["hash-oversized@2"]);
    check_general("HashSize 10\nHashLimit 10", &[]);
}

#[test]
fn buffers_of_events() {
    // Without growth: 1,000 events for a small table, 2 % of a large one, 5,000 for any.
    check_stats(
        "HashSize 1 HashLimit 1000\nNetlinkBufferSize 1279999",
        &["small-event-buffer@3"],
    );
    check_stats("HashSize 1 HashLimit 1000\nNetlinkBufferSize 1280000", &[]);
    check_stats(
        "HashLimit 100000\nNetlinkBufferSize 2559999",
        &["small-event-buffer@3"],
    );
    check_stats("HashLimit 100000\nNetlinkBufferSize 2560000", &[]);
    check_stats(
        "HashLimit 10000000\nNetlinkBufferSize 6399999",
        &["small-event-buffer@3"],
    );
    check_stats("HashLimit 10000000\nNetlinkBufferSize 6400000", &[]);
    // All flows of a tiny table.
    check_stats(
        "HashSize 1 HashLimit 100\nNetlinkBufferSize 127999",
        &["small-event-buffer@3"],
    );
    check_stats("HashSize 1 HashLimit 100\nNetlinkBufferSize 128000", &[]);
    // What it grows to counts.
    let grown = "HashLimit 100000\nNetlinkBufferSize 640000\nNetlinkBufferSizeMaxGrowth";
    check_general(&format!("{grown} 2559999"), &["small-event-buffer@3"]);
    check_general(&format!("{grown} 2560000"), &[]);
    // The old sample for statistics.
    check_stats(
        "HashSize 8192 HashLimit 65535\nSocketBufferSize 262142\nSocketBufferSizeMaxGrown 655355",
        &[
            "deprecated-renamed@3",
            "small-event-buffer@3",
            "deprecated-renamed@4",
        ],
    );
    // The size that is left to the daemon is judged like the same one in the file.
    check_stats("NetlinkBufferSize 2097152", &["small-event-buffer@2"]);
    check_stats("NetlinkBufferSizeMaxGrowth 0", &["small-event-buffer@2"]);
    check_stats("NetlinkBufferSizeMaxGrowth 4194303", &["small-event-buffer@2"]);
    check_stats("NetlinkBufferSizeMaxGrowth 8388608", &[]);
    check_stats("HashLimit 65536\nNetlinkBufferSizeMaxGrowth 0", &[]);
    // A buffer that is left to the daemon, that nothing depends on, or that there is not.
    check_stats("NetlinkBufferSize 0", &[]);
    check_stats(
        "NetlinkBufferSize 1000\nNetlinkEventsReliable on\nNetlinkOverrunResync off",
        &[],
    );
    check_stats("NetlinkBufferSize 1000\nPollSecs 10", &["no-effect@2"]);
}

#[test]
fn lost_events() {
    check_general("NetlinkOverrunResync 4", &["resync-too-eager@2"]);
    check_general("NetlinkOverrunResync 5", &[]);
    check_general("NetlinkOverrunResync 0", &[]);
    check_general("NetlinkOverrunResync off", &["resync-off@2"]);
    check_stats("NetlinkOverrunResync off", &["resync-off@2"]);
    check_general("NetlinkOverrunResync off\nNetlinkEventsReliable on", &[]);
    check_general("NetlinkEventsReliable on", &["reliable-with-resync@2"]);
    check_general(
        "NetlinkEventsReliable on\nNetlinkOverrunResync 30",
        &["reliable-with-resync@2"],
    );
    check_stats("PollSecs 10\nNetlinkOverrunResync off", &[]);
}

#[test]
fn polling() {
    check_general("PollSecs 15", &["polling-with-sync@2"]);
    check_stats("PollSecs 15", &[]);
    check_general(
        "PollSecs 15\nNetlinkEventsReliable on",
        &["polling-with-sync@2", "no-effect@3"],
    );
}

#[test]
fn scheduling() {
    check_stats("Scheduler {\nPriority 99 }", &["realtime-99@3"]);
    check_stats("Scheduler {\nType RR\nPriority 99 }", &["realtime-99@4"]);
    check_stats("Scheduler {\nType FIFO }", &["realtime-99@3"]);
    check_stats("Scheduler {\nType FIFO\nPriority 98 }", &[]);
    check_stats("Scheduler { }", &["realtime-99@2"]);
}

#[test]
fn timers_of_alarm() {
    let check = |timers: &str, want: &[&str]| {
        check_sync(&format!("Mode ALARM {{\n{timers}\n}} {LINK}"), want);
    };
    check("RefreshTime 60\nCacheTimeout 60", &["refresh-exceeds-cache@3"]);
    check("RefreshTime 60\nCacheTimeout 119", &["refresh-exceeds-cache@3"]);
    check("RefreshTime 60\nCacheTimeout 120", &[]);
    check("RefreshTime 61\nCacheTimeout 121", &["refresh-exceeds-cache@3"]);
    check("RefreshTime 91", &["refresh-exceeds-cache@3"]);
    check("RefreshTime 90", &[]);
    check("CacheTimeout 60", &["refresh-exceeds-cache@3"]);
    check("RefreshTime 4294967295", &["number-range@3"]);
    check(
        "RefreshTime 2147483647\nCacheTimeout 2147483647",
        &["refresh-exceeds-cache@3"],
    );
}

#[test]
fn acknowledgements() {
    let check = |sizes: &str, want: &[&str]| {
        check_sync(&format!("Mode FTFW {{\n{sizes}\n}} {LINK}"), want);
    };
    check("ResendQueueSize 300", &["window-exceeds-queue@3"]);
    check("ResendQueueSize 301", &[]);
    check(
        "ACKWindowSize 100\nResendQueueSize 100",
        &["window-exceeds-queue@3"],
    );
    check("ACKWindowSize 99\nResendQueueSize 100", &[]);
}

#[test]
fn commits_and_purges() {
    let check = |timeouts: &str, want: &[&str]| {
        check_sync(&format!("Mode FTFW {{\n{timeouts}\n}} {LINK}"), want);
    };
    check(
        "CommitTimeout 29",
        &["short-commit-timeout@3", "commit-timeout-both-nodes@3"],
    );
    check("CommitTimeout 30", &["commit-timeout-both-nodes@3"]);
    check("CommitTimeout 0", &[]);
    check("PurgeTimeout 4", &["short-purge-timeout@3"]);
    check("PurgeTimeout 5", &[]);
    check("PurgeTimeout 0", &[]);
}

#[test]
fn caches_that_are_off() {
    let link = with(TCP_LINK, BUFFERS);
    let check = |mode: &str, caches: &str, link: &str, want: &[&str]| {
        check_sync(&format!("Mode {mode} {{\n{caches}\n}} {link}"), want);
    };
    check("NOTRACK", "DisableInternalCache on", &link, &["no-cache@3"]);
    check("NOTRACK", "DisableExternalCache on", &link, &["no-cache@3"]);
    check(
        "NOTRACK",
        "DisableInternalCache on\nDisableExternalCache on",
        &link,
        &["no-cache@3", "no-cache@4"],
    );
    check(
        "NOTRACK",
        "DisableInternalCache off\nDisableExternalCache off",
        &link,
        &[],
    );
    check("FTFW", "DisableExternalCache on", LINK, &["no-cache@3"]);
    check("FTFW", "DisableExternalCache off", LINK, &[]);
    let source = format!(
        "General {{ NetlinkOverrunResync off }} Sync {{ Mode NOTRACK {{\nDisableInternalCache on }} {link} }} {SURROUNDINGS}"
    );
    self::check(&source, &["no-cache@2"]);
}

#[test]
fn modes_and_transports() {
    let udp = with(LINK, BUFFERS);
    let multicast = with(
        "Multicast { IPv4_address 225.0.0.50 Group 1 Interface eth2 }",
        BUFFERS,
    );
    check_link("NOTRACK", &udp, &["unreliable-mode@2"]);
    check_link("NOTRACK", &multicast, &["unreliable-mode@2"]);
    check_link("NOTRACK", TCP_LINK, &[]);
    check_link("FTFW", TCP_LINK, &["tcp-with-recovery-mode@3"]);
    check_link("ALARM", TCP_LINK, &["tcp-with-recovery-mode@3"]);
    check_link("FTFW", &multicast, &[]);
    check_link("ALARM", &udp, &[]);
}

#[test]
fn buffers_of_links() {
    let notrack = |buffers: &str, want: &[&str]| check_link("NOTRACK", &with(LINK, buffers), want);
    let lacking = ["unreliable-mode@2", "small-buffers@3"];
    notrack("", &lacking);
    notrack("RcvSocketBuffer 1249280", &lacking);
    notrack("SndSocketBuffer 1249280 RcvSocketBuffer 0", &lacking);
    notrack(BUFFERS, &["unreliable-mode@2"]);
    // 400 full datagrams of 2,304 bytes, where nothing is sent again.
    notrack("SndSocketBuffer 460800 RcvSocketBuffer 460799", &lacking);
    notrack("SndSocketBuffer 460799 RcvSocketBuffer 460800", &lacking);
    notrack(
        "SndSocketBuffer 460800 RcvSocketBuffer 460800",
        &["unreliable-mode@2"],
    );
    // The default of Linux, elsewhere.
    for mode in ["FTFW", "ALARM"] {
        check_link(mode, &with(LINK, "RcvSocketBuffer 106495"), &["small-buffers@3"]);
        check_link(mode, &with(LINK, "SndSocketBuffer 106495"), &["small-buffers@3"]);
        check_link(
            mode,
            &with(LINK, "SndSocketBuffer 106496\nRcvSocketBuffer 106496"),
            &[],
        );
    }
    check_link("NOTRACK", &with(TCP_LINK, "SndSocketBuffer 1000"), &[]);
}

#[test]
fn checksums() {
    check_link("FTFW", &with(LINK, "\nChecksum off"), &["checksum-off@4"]);
    check_link("FTFW", &with(LINK, "Checksum on"), &[]);
    // One switch for two links is one finding, unless it means different things for them.
    let other = LINK.replace("eth2", "eth3").replace("3780", "3781");
    check_sync(
        &format!("Mode FTFW {{ }}\nChecksum off\n{LINK} {other}"),
        &["deprecated-translated@3", "checksum-off@3"],
    );
    let ipv6 = other.replace("IPv4", "IPv6").replace("192.0.2.", "2001:db8::");
    check_sync(
        &format!("Mode FTFW {{ }}\nChecksum off\n{ipv6} {LINK}"),
        &["deprecated-translated@3", "no-effect@3", "checksum-off@3"],
    );
}

#[test]
fn interfaces() {
    let other = |interface: &str| LINK.replace("3780", "3781").replace("eth2", interface);
    check_link(
        "FTFW",
        &format!("{LINK}\n{}", other("eth2")),
        &["same-interface-links@4"],
    );
    check_link("FTFW", &format!("{LINK}\n{}", other("eth3")), &[]);
    check_link(
        "FTFW",
        &format!("{LINK}\n{}\n{}", other("eth3"), LINK.replace("3780", "3782")),
        &["same-interface-links@5"],
    );
}

#[test]
fn own_flows_of_a_pair() {
    let ignore = |list: &str| format!("Filter {{ Address Ignore {{ {list} }} }}");
    let loopback = "IPv4_address 127.0.0.1 IPv6_address ::1";
    check_filter("", LINK, &["link-not-ignored@4"]);
    check_filter(&ignore(loopback), LINK, &["link-not-ignored@2"]);
    check_filter(&ignore("IPv4_address 192.0.2.1"), LINK, &["link-not-ignored@2"]);
    check_filter(
        &ignore("IPv4_address 127.0.0.1 IPv4_address 192.0.2.1"),
        LINK,
        &["link-not-ignored@2"],
    );
    // Either end is enough: one of them is the source of each direction.
    check_filter(&ignore(&format!("{loopback} IPv4_address 192.0.2.1")), LINK, &[]);
    check_filter(&ignore(&format!("{loopback} IPv4_address 192.0.2.2")), LINK, &[]);
    check_filter(
        &ignore(&format!("{loopback} IPv4_address 192.0.2.0/30")),
        LINK,
        &[],
    );
    check_filter(
        &ignore(&format!("{loopback} IPv4_address 192.0.2.4/30")),
        LINK,
        &["link-not-ignored@2"],
    );
    let other = LINK.replace("192.0.2", "198.51.100").replace("eth2", "eth3");
    let both = format!("{LINK} {other}");
    check_filter(
        &ignore(&format!("{loopback} IPv4_address 192.0.2.1")),
        &both,
        &["link-not-ignored@2"],
    );
    check_filter(
        &ignore(&format!(
            "{loopback} IPv4_address 192.0.2.1 IPv4_address 198.51.100.1"
        )),
        &both,
        &[],
    );
    // Statistics have no links.
    check("General { UNIX { Path /x } } Stats { }", &[]);
}

#[test]
fn own_flows_of_a_group() {
    let ignore = |list: &str| {
        format!("Filter {{ Address Ignore {{ IPv4_address 127.0.0.1 IPv6_address ::1 {list} }} }}")
    };
    let link = "Multicast { IPv4_address 225.0.0.50 Group 1 Interface eth2 IPv4_interface 192.0.2.1 }";
    check_filter(&ignore(""), link, &["link-not-ignored@2"]);
    check_filter(&ignore("IPv4_address 225.0.0.50"), link, &[]);
    // The peer's datagrams to the group have its address, which the file does not say.
    check_filter(&ignore("IPv4_address 192.0.2.1"), link, &["link-not-ignored@2"]);
    check_filter(&ignore("IPv4_address 192.0.2.0/24"), link, &[]);
    check_filter(
        &ignore("IPv4_address 192.0.2.1 IPv4_address 225.0.0.50"),
        link,
        &[],
    );
    let link = "Multicast { IPv6_address ff02::50 Group 1 Interface eth2 }";
    check_filter(&ignore(""), link, &["link-not-ignored@2"]);
    check_filter(&ignore("IPv6_address ff02::/16"), link, &[]);
}

#[test]
fn own_flows_and_other_filters() {
    let accept = |list: &str| format!("Filter {{ Address Accept {{ {list} }} }}");
    check_filter(
        &accept("IPv4_address 10.0.0.0/8 IPv6_address 2001:db8::/32"),
        LINK,
        &[],
    );
    check_filter(
        &accept("IPv4_address 192.0.2.0/24 IPv6_address 2001:db8::/32"),
        LINK,
        &["link-not-ignored@2"],
    );
    check_filter(
        &accept("IPv4_address 0.0.0.0/0 IPv6_address 2001:db8::/32"),
        LINK,
        &["link-not-ignored@2"],
    );
    // A link over UDP makes no flows of TCP.
    let protocols =
        |list: &str, loopback: &str| format!("Filter {{ Protocol {list} Address Ignore {{ {loopback} }} }}");
    let loopback = "IPv4_address 127.0.0.1 IPv6_address ::1";
    check_filter(&protocols("Accept { TCP }", loopback), LINK, &[]);
    check_filter(&protocols("Ignore { UDP }", loopback), LINK, &[]);
    check_filter(
        &protocols("Accept { TCP UDP }", loopback),
        LINK,
        &["link-not-ignored@2"],
    );
    check_filter(&protocols("Accept { TCP }", ""), LINK, &["link-not-ignored@2"]);
    check_filter(&protocols("Ignore { TCP UDP }", ""), LINK, &["lazy-backup@2"]);
}

#[test]
fn states_that_a_backup_needs() {
    let states = |set: &str| format!("Filter {{ State {set} }}");
    check_general(&states("Accept { SYN_SENT CLOSE for TCP }"), &["lazy-backup@2"]);
    check_general(&states("Accept { SYN_SENT ESTABLISHED for TCP }"), &[]);
    check_general(&states("Ignore {\nESTABLISHED for TCP }"), &["lazy-backup@3"]);
    check_general(&states("Ignore { SYN_SENT for TCP }"), &[]);
    check_general(
        "Filter { Protocol Accept { SCTP } State Accept { CLOSE for TCP } }",
        &[],
    );
    check_stats(&states("Accept { CLOSE for TCP }"), &[]);
}

#[test]
fn filters_that_leave_out_more_than_they_say() {
    check_general("Filter { Protocol Ignore {\nUDP\nTCP } }", &["lazy-backup@4"]);
    check_general("Filter { Protocol Ignore { UDP } }", &[]);
    check_stats("Filter { Protocol Ignore { TCP } }", &[]);
    #[track_caller]
    fn check_addresses(set: &str, want: &[&str]) {
        let source = format!("General {{ UNIX {{ Path /x }} Filter {{\nAddress {set} }} }} Stats {{ }}");
        check(&source, want);
    }
    check_addresses("Accept { IPv4_address 10.0.0.0/8 }", &["narrow-filter@2"]);
    check_addresses("Accept { IPv6_address 2001:db8::/32 }", &["narrow-filter@2"]);
    check_addresses(
        "Accept { IPv4_address 10.0.0.0/8 IPv6_address 2001:db8::/32 }",
        &[],
    );
    check_addresses("Ignore { IPv4_address 10.0.0.0/8 }", &[]);
    check_addresses(
        "Ignore {\nIPv4_address 0.0.0.0/0\nIPv6_address ::/0 }",
        &["narrow-filter@3", "narrow-filter@4"],
    );
    check_addresses("Ignore { IPv4_address 0.0.0.0/1 }", &[]);
}

#[test]
fn lists_that_accept_nothing() {
    check_stats("Filter { Protocol Accept { } }", &["empty-accept@2"]);
    check_stats("Filter { Protocol Ignore { } }", &[]);
    check_general("Filter { State Accept { } }", &["empty-accept@2"]);
    check_stats("Filter { Protocol Accept { } Protocol Accept { TCP } }", &[]);
    check_stats(
        "Filter {\nProtocol Accept { }\nProtocol Accept { } }",
        &["empty-accept@3"],
    );
}
