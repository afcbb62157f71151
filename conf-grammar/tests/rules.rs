//! The rules between clauses, one line each: what a file breaks and what is said about it.

use conf_grammar::{Severity, parse};

const SOCKET: &str = "General { UNIX { Path /run/conntrackd.ctl } }";
const LINK: &str =
    "UDP { IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.2 Port 3780 Interface eth2 }";

/// Errors and warnings of a file, as `severity code` in the order of the file, but for those about safety.
fn found(source: &str) -> Vec<String> {
    parse("conntrackd.conf", source.as_bytes())
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity != Severity::Note && !diagnostic.code.is_safety())
        .map(|diagnostic| format!("{} {}", diagnostic.severity, diagnostic.code))
        .collect()
}

#[track_caller]
fn check_sync(clauses: &str, want: &[&str]) {
    assert_eq!(
        found(&format!("{SOCKET} Sync {{ {clauses} }}")),
        want,
        "{clauses}"
    );
}

#[track_caller]
fn check_general(clauses: &str, want: &[&str]) {
    assert_eq!(
        found(&format!("{SOCKET} General {{ {clauses} }} Stats {{ }}")),
        want,
        "{clauses}"
    );
}

#[test]
fn bytes_of_a_file() {
    let found = |source: &[u8]| {
        let outcome = parse("conntrackd.conf", source);
        let codes: Vec<&str> = outcome
            .diagnostics
            .iter()
            .map(|diagnostic| diagnostic.code.as_str())
            .collect();
        codes.join(" ")
    };
    let file = format!("# comment\n{SOCKET}\nStats {{ }}\n");
    assert_eq!(found(file.as_bytes()), "");
    assert_eq!(found(file.replace('\n', "\r\n").as_bytes()), "");
    assert_eq!(found(file.replace('\n', "\r").as_bytes()), "cr-line-ends");
    assert_eq!(found(format!("\u{FEFF}{file}").as_bytes()), "bom-skipped");
    assert_eq!(
        found(format!("{file}\u{FEFF}").as_bytes()),
        "unexpected-character"
    );
    assert_eq!(
        found(&[file.as_bytes(), b"# \xff \xfe\n"].concat()),
        "bad-encoding bad-encoding"
    );
    assert_eq!(found(&[file.as_bytes(), b"\xff\n"].concat()), "bad-encoding");
    let large = vec![b'\n'; (16 << 20) + 1];
    assert_eq!(found(&large), "unreadable-file");
}

#[test]
fn running_modes() {
    assert_eq!(
        found(&format!("{SOCKET} Stats {{ }} Sync {{ {LINK} }}")),
        ["error sync-and-stats", "warning no-mode"]
    );
    assert_eq!(found(SOCKET), ["warning no-running-mode"]);
    assert_eq!(found("Stats { }"), ["warning no-control-socket"]);
    assert!(found(&format!("{SOCKET} Helper {{ }} Stats {{ }}")).is_empty());
}

#[test]
fn what_only_seems_to_be_missing_is_not_missed() {
    assert_eq!(
        found("General { HashSzie 1 } Stats { }"),
        ["error unknown-clause"]
    );
    assert_eq!(
        found(&format!("{SOCKET} sync {{ {LINK} }}")),
        ["error unknown-section"]
    );
    check_sync(&format!("Mod FTFW {{ }} {LINK}"), &["error unknown-clause"]);
    let link = "IPv4_address 225.0.0.50 IPv4_interface 192.0.2.1 Group 1 Interface eth0/1";
    check_sync(
        &format!("Mode FTFW {{ }} Multicast {{ {link} }}"),
        &["error bad-name"],
    );
}

#[test]
fn modes() {
    check_sync(LINK, &["warning no-mode"]);
    check_sync(
        &format!("Mode FTFW {{ }} Mode ftfw {{ }} {LINK}"),
        &["warning repeated-clause"],
    );
    check_sync(
        &format!("Mode FTFW {{ }} Mode ALARM {{ }} {LINK}"),
        &["error many-modes"],
    );
    check_sync(
        &format!("Mode FTFW {{ }} RefreshTime 5 {LINK}"),
        &["warning no-effect"],
    );
    check_sync(
        &format!("Mode FTFW {{ CommitTimeout 1 }} CommitTimeout 2 {LINK}"),
        &["warning repeated-clause"],
    );
}

#[test]
fn links() {
    let ftfw = "Mode FTFW { }";
    check_sync(ftfw, &["error no-link"]);
    check_sync(&format!("{ftfw} Multcast {{ }}"), &["error unknown-clause"]);
    check_sync(&format!("{ftfw} {}", LINK.repeat(2)), &["error duplicate-link"]);
    let other_port = LINK.replace("3780", "3781");
    check_sync(&format!("{ftfw} {LINK} {other_port}"), &[]);
    let tcp = |link: &str| link.replace("UDP", "TCP");
    check_sync(
        &format!("{ftfw} {LINK} {}", tcp(&other_port)),
        &["error mixed-transports"],
    );
    let any_address = LINK.replace("IPv4_address 192.0.2.1", "");
    check_sync(&format!("{ftfw} {any_address}"), &["warning listens-on-all"]);
    check_sync(&format!("{ftfw} UDP {{ }}"), &["error link-incomplete"]);
}

#[test]
fn each_link_listens_on_an_address_and_port_of_its_own() {
    let link = |local: &str, port: u16| {
        let peer = if local.contains(':') {
            "IPv6_Destination_Address 2001:db8::2"
        } else {
            "IPv4_Destination_Address 192.0.2.2"
        };
        format!("UDP {{ {local} {peer} Port {port} Interface eth2 }}")
    };
    let clash: &[&str] = &["error duplicate-link"];
    let cases = [
        ("IPv4_address 192.0.2.1", "IPv4_address 192.0.2.1", clash),
        ("IPv4_address 192.0.2.1", "IPv4_address 192.0.2.3", &[]),
        ("IPv4_address 192.0.2.1", "IPv4_address 0.0.0.0", clash),
        ("IPv4_address 0.0.0.0", "IPv4_address 192.0.2.1", clash),
        ("IPv6_address ::", "IPv4_address 192.0.2.1", clash),
        ("IPv4_address 0.0.0.0", "IPv6_address ::", clash),
        ("IPv6_address 2001:db8::1", "IPv6_address ::", clash),
        ("IPv4_address 0.0.0.0", "IPv6_address 2001:db8::1", &[]),
        ("IPv4_address 0.0.0.0", "IPv6_address ::ffff:192.0.2.1", clash),
        ("IPv6_address ::ffff:192.0.2.1", "IPv4_address 192.0.2.1", clash),
    ];
    for (one, other, want) in cases {
        for kind in ["UDP", "TCP"] {
            let links = format!("{} {}", link(one, 1), link(other, 1)).replace("UDP", kind);
            check_sync(&format!("Mode NOTRACK {{ }} {links}"), want);
            let links = format!("{} {}", link(one, 1), link(other, 2)).replace("UDP", kind);
            check_sync(&format!("Mode NOTRACK {{ }} {links}"), &[]);
        }
    }
    let any_address = LINK.replace("IPv4_address 192.0.2.1", "");
    check_sync(
        &format!("Mode FTFW {{ }} {LINK} {any_address}"),
        &["error duplicate-link", "warning listens-on-all"],
    );
    let link_local = |interface: &str| {
        format!(
            "UDP {{ IPv6_address fe80::1 IPv6_Destination_Address fe80::2 Port 1 Interface {interface} }}"
        )
    };
    check_sync(
        &format!("Mode FTFW {{ }} {} {}", link_local("a"), link_local("b")),
        &[],
    );
    check_sync(
        &format!("Mode FTFW {{ }} {} {}", link_local("a"), link_local("a")),
        clash,
    );
}

#[test]
fn a_link_to_one_peer_has_two_different_nodes_as_its_ends() {
    let check = |local: &str, peer: &str, want: &[&str]| {
        for kind in ["UDP", "TCP"] {
            let link = LINK.replace("192.0.2.1", local).replace("192.0.2.2", peer);
            let link = link.replace("UDP", kind);
            let link = if local.contains(':') {
                link.replace("IPv4", "IPv6")
            } else {
                link
            };
            check_sync(&format!("Mode NOTRACK {{ }} {link}"), want);
        }
    };
    check("192.0.2.1", "0.0.0.0", &["error link-incomplete"]);
    check("2001:db8::1", "::", &["error link-incomplete"]);
    check("2001:db8::1", "::ffff:0.0.0.0", &["error link-incomplete"]);
    check("0.0.0.0", "192.0.2.2", &[]);
    check("192.0.2.1", "192.0.2.1", &["error contradiction"]);
    check("fe80::1", "fe80::1", &["error contradiction"]);
    check("192.0.2.1", "225.0.0.1", &["error not-unicast"]);
    check("192.0.2.1", "255.255.255.255", &["error not-unicast"]);
    check("225.0.0.1", "192.0.2.2", &["error not-unicast"]);
    check("255.255.255.255", "192.0.2.2", &["error not-unicast"]);
    check("fe80::1", "ff02::1", &["error not-unicast"]);
    check("fe80::1", "::ffff:225.0.0.1", &["error not-unicast"]);
    check(
        "225.0.0.1",
        "225.0.0.1",
        &["error not-unicast", "error not-unicast"],
    );
}

#[test]
fn multicast_links() {
    let link = |clauses: &str| format!("Mode FTFW {{ }} Multicast {{ Group 1 {clauses} }}");
    check_sync(&link("IPv4_address 225.0.0.50 Interface eth0"), &[]);
    check_sync(&link("Interface eth0 IPv6_address ff02::1"), &[]);
    check_sync(
        &link("IPv4_address 225.0.0.50 IPv4_interface 192.0.2.1"),
        &["warning derived-interface"],
    );
    check_sync(
        &link("IPv6_address ff02::1 IPv4_interface 192.0.2.1 Interface e"),
        &["error family-mismatch"],
    );
    check_sync(
        &link("IPv4_address 192.0.2.1 Interface eth0"),
        &["error not-multicast"],
    );
    check_sync(
        &link("IPv6_address fe80::1 Interface eth0"),
        &["error not-multicast"],
    );
}

#[test]
fn each_file_of_the_daemon_has_a_path_of_its_own() {
    let check = |general: &str, stats: &str, want: &[&str]| {
        let source = format!("General {{ {general} }} Stats {{ {stats} }}");
        assert_eq!(found(&source), want, "{source}");
    };
    let clash: &[&str] = &["error contradiction"];
    check("UNIX { Path /x } LockFile /x", "", clash);
    check("UNIX { Path /x } LogFile /x", "", clash);
    check("UNIX { Path /x }", "LogFile /x", clash);
    check("UNIX { Path /c } LockFile /x LogFile /x", "", clash);
    check("UNIX { Path /c } LogFile /x", "LogFile /x", clash);
    check("UNIX { Path /c } LogFile /run//./x LockFile /run/x", "", clash);
    check("UNIX { Path /c } LockFile /l LogFile /x", "LogFile /y", &[]);
    // Also one that is left to its default.
    check("UNIX { Path /c } LogFile /var/lock/conntrackd.lock", "", clash);
    check("UNIX { Path /var/log/conntrackd.log } LogFile on", "", clash);
    check(
        "UNIX { Path /x } LockFile /x LogFile /x",
        "",
        &["error contradiction", "error contradiction"],
    );
}

#[test]
fn the_path_of_a_directory_is_that_of_no_file() {
    for path in ["/", "//", "/x/", "/x/.", "/x/.."] {
        let bad: &[&str] = &["error bad-path"];
        check_general(
            &format!("UNIX {{ Path {path} }}"),
            &[&["warning repeated-clause"], bad].concat(),
        );
        check_general(&format!("LockFile {path}"), bad);
        check_general(&format!("LogFile {path}"), bad);
        assert_eq!(
            found(&format!("{SOCKET} Stats {{ LogFile {path} }}")),
            bad,
            "{path}"
        );
    }
    for path in ["/.x", "/..x", "/x..", "/./x", "/../x"] {
        check_general(&format!("LogFile {path}"), &[]);
    }
}

#[test]
fn caches_and_polling() {
    let notrack = |clauses: &str| format!("{SOCKET} Sync {{ Mode NOTRACK {{ {clauses} }} {LINK} }}");
    let poll = "General { PollSecs 15 }";
    assert_eq!(
        found(&format!("{} {poll}", notrack("DisableInternalCache on"))),
        ["error contradiction"]
    );
    assert!(found(&format!("{} {poll}", notrack("DisableInternalCache off"))).is_empty());
    let resync = "General { NetlinkOverrunResync 30 }";
    assert_eq!(
        found(&format!("{} {resync}", notrack("DisableInternalCache on"))),
        ["warning no-effect"]
    );
    assert!(found(&format!("{} {resync}", notrack(""))).is_empty());
    assert_eq!(
        found(&notrack("DisableExternalCache on CommitTimeout 1")),
        ["warning commit-without-cache"]
    );
}

#[test]
fn events() {
    check_general("NetlinkBufferSize 10", &[]);
    check_general(
        "NetlinkBufferSize 10 NetlinkBufferSizeMaxGrowth 9",
        &["warning no-effect"],
    );
    check_general("NetlinkBufferSize 10 NetlinkBufferSizeMaxGrowth 10", &[]);
    check_general("PollSecs 1", &[]);
    check_general(
        "PollSecs 1 NetlinkBufferSize 10 NetlinkBufferSizeMaxGrowth 9",
        &["warning no-effect", "warning no-effect"],
    );
    check_general(
        "PollSecs 1 NetlinkEventsReliable off NetlinkOverrunResync off",
        &[],
    );
    check_general("PollSecs 1 Filter From Userspace { }", &[]);
    check_general("PollSecs 1 Filter From Kernelspace { }", &["warning no-effect"]);
    check_general(
        "PollSecs 1 NetlinkEventsReliable on NetlinkOverrunResync on",
        &["warning no-effect", "warning no-effect"],
    );
}

#[test]
fn checksums() {
    let link = LINK.replace("Port", "Checksum off Port");
    check_sync(&format!("Mode FTFW {{ }} {link}"), &[]);
    let tcp = link.replace("UDP", "TCP");
    check_sync(&format!("Mode NOTRACK {{ }} {tcp}"), &["warning no-effect"]);
    let ipv6 = link
        .replace("IPv4", "IPv6")
        .replace("192.0.2.1", "2001:db8::1")
        .replace("192.0.2.2", "2001:db8::2");
    check_sync(&format!("Mode FTFW {{ }} {ipv6}"), &["warning no-effect"]);
}

#[test]
fn filters() {
    check_general("Filter { } Filter { }", &[]);
    check_general("Filter { } Filter From Userspace { }", &[]);
    check_general("Filter { } Filter From Kernelspace { }", &["error contradiction"]);
    check_general(
        "Filter { Protocol Accept { TCP } Protocol Ignore { UDP } }",
        &["error contradiction"],
    );
    check_general("Filter { Protocol Accept { nope } }", &["error unknown-protocol"]);
    check_general(
        "Filter { Protocol Ignore { TCP tcp } }",
        &["warning repeated-entry"],
    );
    let addresses = |list: &str| format!("Filter {{ Address Ignore {{ {list} }} }}");
    check_general(
        &addresses("IPv4_address 10.0.0.1/8 IPv4_address 10.0.0.0/8"),
        &["warning host-bits", "warning repeated-entry"],
    );
    check_general("Filter { State Accept { CLOSE CLOSED for TCP } }", &[]);
    let old = "IgnoreTrafficFor { IPv4_address 10.0.0.1 }";
    let filter = "General { Filter { Address Accept { IPv4_address 10.0.0.2 } } }";
    assert_eq!(
        found(&format!("{SOCKET} Stats {{ }} {filter} {old}")),
        ["error contradiction", "warning deprecated-translated",]
    );
}

#[test]
fn expectations() {
    let options = |clauses: &str| format!("Mode FTFW {{ }} {LINK} Options {{ {clauses} }}");
    check_sync(&options("ExpectationSync off ExpectationSync on"), &[]);
    check_sync(
        &options("ExpectationSync { ftp } ExpectationSync off"),
        &["error contradiction"],
    );
    check_sync(
        &options("TCPWindowTracking on TCPWindowTracking off"),
        &["warning repeated-clause"],
    );
}

#[test]
fn helpers() {
    let check = |types: &str, want: &[&str]| {
        assert_eq!(found(&format!("{SOCKET} Helper {{ {types} }}")), want, "{types}");
    };
    check("Type ftp inet tcp { } Type ftp inet6 tcp { QueueNum 1 }", &[]);
    check(
        "Type ftp inet tcp { } Type ftp inet6 tcp { }",
        &["error queue-clash"],
    );
    check(
        "Type ftp inet tcp { } Type ftp inet tcp { QueueNum 1 }",
        &["error contradiction"],
    );
    check(
        "Type ftp inet tcp { QueueNum 1 QueueNum 2 }",
        &["warning repeated-clause"],
    );
    check(
        "Type ftp inet tcp { Policy ftp { ExpectMax 256 } }",
        &["error number-range"],
    );
}
