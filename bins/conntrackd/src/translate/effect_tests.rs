//! Every clause of the language takes effect, is refused, or is said to have none: of two files that
//! differ in one clause the settings differ, or somebody says why they do not.

use super::*;

const MODE: &str = "Mode FTFW { }";
const LINK: &str = "UDP { IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 Interface eth2 }";
const HELPER: &str = "Type ftp inet tcp { QueueNum 1 Policy ftp { ExpectMax 1 ExpectTimeout 300 } }";

/// Two ways to write each clause. The block is given where a clause reads differently in it.
const PAIRS: [(&str, &str, [&str; 2]); 89] = [
    ("", "General", ["{ HashLimit 1000 }", "{ HashLimit 2000 }"]),
    (
        "",
        "Sync",
        ["{ Mode FTFW { } LINK }", "{ Mode NOTRACK { } LINK }"],
    ),
    ("", "Stats", ["{ LogFile on }", "{ LogFile off }"]),
    ("", "Helper", ["{ }", "{ HELPER }"]),
    (
        "",
        "IgnoreTrafficFor",
        ["{ IPv4_address 10.1.0.1 }", "{ IPv4_address 10.1.0.2 }"],
    ),
    ("", "IgnoreProtocol", ["{ TCP }", "{ UDP }"]),
    ("", "StripNAT", ["", ""]),
    ("", "Systemd", ["on", "off"]),
    ("", "Nice", ["-1", "-2"]),
    ("", "HashSize", ["1000", "2000"]),
    ("", "HashLimit", ["70000", "80000"]),
    ("`General`", "LogFile", ["/a", "/b"]),
    ("", "Syslog", ["local1", "local2"]),
    ("", "LockFile", ["/a", "/b"]),
    ("", "UNIX", ["{ Path /a }", "{ Path /b }"]),
    ("", "NetlinkBufferSize", ["300000", "400000"]),
    ("", "SocketBufferSize", ["300000", "400000"]),
    ("", "NetlinkBufferSizeMaxGrowth", ["9000000", "9900000"]),
    ("", "SocketBufferSizeMaxGrowth", ["9000000", "9900000"]),
    ("", "SocketBufferSizeMaxGrown", ["9000000", "9900000"]),
    ("", "NetlinkOverrunResync", ["10", "20"]),
    ("", "NetlinkEventsReliable", ["on", "off"]),
    ("", "PollSecs", ["10", "20"]),
    ("", "EventIterationLimit", ["10", "20"]),
    (
        "",
        "Scheduler",
        ["{ Type RR Priority 10 }", "{ Type RR Priority 20 }"],
    ),
    (
        "",
        "Filter",
        [
            "From Userspace { Protocol Ignore { TCP } }",
            "From Kernelspace { Protocol Ignore { TCP } }",
        ],
    ),
    ("", "Family", ["IPv4", "IPv6"]),
    ("", "Path", ["/a", "/b"]),
    ("", "Backlog", ["10", "20"]),
    ("`Scheduler`", "Type", ["RR", "FIFO"]),
    ("", "Priority", ["10", "20"]),
    ("", "Protocol", ["Ignore { TCP }", "Ignore { UDP }"]),
    (
        "",
        "Address",
        [
            "Ignore { IPv4_address 10.1.0.1 }",
            "Accept { IPv4_address 10.1.0.1 }",
        ],
    ),
    (
        "",
        "State",
        [
            "Accept { ESTABLISHED for TCP }",
            "Accept { ESTABLISHED CLOSE for TCP }",
        ],
    ),
    ("", "Mode", ["FTFW { }", "NOTRACK { }"]),
    (
        "",
        "Multicast",
        [
            "{ IPv4_address 225.0.0.50 Group 3780 Interface eth2 }",
            "{ IPv4_address 225.0.0.51 Group 3780 Interface eth2 }",
        ],
    ),
    (
        "`Sync`",
        "UDP",
        [
            "{ IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 Interface eth2 }",
            "{ IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.3 Port 3780 Interface eth2 }",
        ],
    ),
    (
        "`Sync`",
        "TCP",
        [
            "{ IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 3780 Interface eth2 }",
            "{ IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.3 Port 3780 Interface eth2 }",
        ],
    ),
    (
        "",
        "Options",
        ["{ TCPWindowTracking on }", "{ TCPWindowTracking off }"],
    ),
    ("", "RefreshTime", ["10", "20"]),
    ("", "CacheTimeout", ["200", "300"]),
    ("", "CommitTimeout", ["200", "300"]),
    ("", "PurgeTimeout", ["20", "30"]),
    ("", "CacheWriteThrough", ["on", "off"]),
    ("", "DestroyTimeout", ["10", "20"]),
    ("", "ListenTo", ["10.0.0.1", "10.0.0.2"]),
    ("", "RelaxTransitions", ["", ""]),
    ("", "DelayDestroyMessages", ["", ""]),
    (
        "",
        "Replicate",
        ["ESTABLISHED for TCP", "ESTABLISHED CLOSE for TCP"],
    ),
    ("", "ResendQueueSize", ["1000", "2000"]),
    ("", "ACKWindowSize", ["10", "20"]),
    ("", "DisableExternalCache", ["off", "on"]),
    ("", "DisableInternalCache", ["off", "on"]),
    ("", "StartupResync", ["on", "off"]),
    ("", "ResendBufferSize", ["1000", "2000"]),
    ("`Multicast`", "IPv4_address", ["225.0.0.50", "225.0.0.51"]),
    ("`Multicast`", "IPv6_address", ["ff02::50", "ff02::51"]),
    ("`UDP`", "IPv4_address", ["10.0.0.1", "10.0.0.4"]),
    ("`UDP`", "IPv6_address", ["fd00::1", "fd00::4"]),
    ("`TCP`", "IPv4_address", ["10.0.0.1", "10.0.0.4"]),
    ("`TCP`", "IPv6_address", ["fd00::1", "fd00::4"]),
    ("", "IPv4_address", ["10.0.0.5", "10.0.0.6"]),
    ("", "IPv6_address", ["fd00::5", "fd00::6"]),
    ("", "IPv4_interface", ["10.0.0.1", "10.0.0.4"]),
    ("", "IPv6_interface", ["fd00::1", "fd00::4"]),
    ("", "IPv4_Destination_Address", ["10.0.0.3", "10.0.0.4"]),
    ("", "IPv6_Destination_Address", ["fd00::3", "fd00::4"]),
    ("", "Interface", ["eth3", "eth4"]),
    ("", "Group", ["3781", "3782"]),
    ("", "Port", ["3781", "3782"]),
    ("", "SndSocketBuffer", ["10000", "20000"]),
    ("", "RcvSocketBuffer", ["10000", "20000"]),
    ("", "McastSndSocketBuffer", ["10000", "20000"]),
    ("", "McastRcvSocketBuffer", ["10000", "20000"]),
    ("", "Checksum", ["on", "off"]),
    ("", "ErrorQueueLength", ["10", "20"]),
    ("", "TCPWindowTracking", ["on", "off"]),
    ("", "ExpectationSync", ["off", "on"]),
    ("`Stats`", "LogFile", ["/a", "/b"]),
    ("", "LogFileBufferSize", ["10", "20"]),
    ("", "Setup", ["on", "off"]),
    (
        "`Helper`",
        "Type",
        ["ftp inet tcp { POLICY }", "ftp inet6 tcp { POLICY }"],
    ),
    ("", "QueueNum", ["1", "2"]),
    ("", "QueueLen", ["10", "20"]),
    (
        "",
        "Policy",
        [
            "ftp { ExpectMax 1 ExpectTimeout 300 }",
            "ftp { ExpectMax 2 ExpectTimeout 300 }",
        ],
    ),
    ("", "ExpectMax", ["1", "2"]),
    ("", "ExpectTimeout", ["100", "200"]),
    ("`IgnoreTrafficFor`", "IPv4_address", ["10.0.0.5", "10.0.0.6"]),
    ("`IgnoreTrafficFor`", "IPv6_address", ["fd00::5", "fd00::6"]),
];

/// Returns a whole file with this clause in this block.
fn file(block: &str, name: &str, clause: &str) -> String {
    let sync = format!("Sync {{ {MODE} {LINK} }}");
    let general = |inner: String| format!("{sync} General {{ {inner} }}");
    let mode = |mode: &str| format!("Sync {{ Mode {mode} {{ {clause} }} {LINK} }}");
    match block {
        "the file" if name == "Sync" || name == "Stats" => clause.to_owned(),
        "the file" => format!("{sync} {clause}"),
        "`General`" => general(clause.to_owned()),
        "`UNIX`" => general(format!("UNIX {{ {clause} }}")),
        "`Scheduler`" => general(format!("Scheduler {{ {clause} }}")),
        "`Filter`" => general(format!("Filter From Userspace {{ {clause} }}")),
        "`Address`" => general(format!(
            "Filter From Userspace {{ Address Ignore {{ {clause} }} }}"
        )),
        "`Sync`" => {
            let mode = if name == "Mode" { "" } else { MODE };
            let is_link = ["Multicast", "UDP", "TCP"].contains(&name);
            let link = if is_link { "" } else { LINK };
            format!("Sync {{ {mode} {link} {clause} }}")
        }
        "`Mode FTFW`" => mode("FTFW"),
        "`Mode ALARM`" => mode("ALARM"),
        "`Mode NOTRACK`" => mode("NOTRACK"),
        "`Multicast`" => format!(
            "Sync {{ {MODE} Multicast {{ {clause} {} }} }}",
            rest_of_link(block, name)
        ),
        "`UDP`" => format!(
            "Sync {{ {MODE} UDP {{ {clause} {} }} }}",
            rest_of_link(block, name)
        ),
        "`TCP`" => format!(
            "Sync {{ {MODE} TCP {{ {clause} {} }} }}",
            rest_of_link(block, name)
        ),
        "`Options`" => format!("Sync {{ {MODE} {LINK} Options {{ {clause} }} }}"),
        "`Stats`" => format!("Stats {{ {clause} }}"),
        "`Helper`" => format!("{sync} Helper {{ {clause} }}"),
        "`Type`" => format!(
            "{sync} Helper {{ Type ftp inet tcp {{ {clause} {} }} }}",
            policy_beside(name)
        ),
        "`Policy`" => format!("{sync} Helper {{ Type ftp inet tcp {{ Policy ftp {{ {clause} }} }} }}"),
        "`IgnoreTrafficFor`" => format!("{sync} IgnoreTrafficFor {{ {clause} }}"),
        _ => panic!("{block} is a new block"),
    }
}

/// Returns what else a link needs beside this clause.
fn rest_of_link(block: &str, name: &str) -> String {
    let clauses: &[(&str, &str)] = match (block, name.starts_with("IPv6_")) {
        ("`Multicast`", false) => &[("IPv4_address", "225.0.0.50"), ("Group", "3780")],
        ("`Multicast`", true) => &[("IPv6_address", "ff02::50"), ("Group", "3780")],
        (_, false) => &[
            ("IPv4_address", "10.0.0.1"),
            ("IPv4_Destination_Address", "10.0.0.2"),
            ("Port", "3780"),
        ],
        (_, true) => &[
            ("IPv6_address", "fd00::1"),
            ("IPv6_Destination_Address", "fd00::2"),
            ("Port", "3780"),
        ],
    };
    let all = clauses.iter().chain(&[("Interface", "eth2")]);
    all.filter(|(other, _)| *other != name)
        .map(|(other, value)| format!("{other} {value} "))
        .collect()
}

fn policy_beside(name: &str) -> &'static str {
    if name == "Policy" {
        ""
    } else {
        "Policy ftp { ExpectMax 1 ExpectTimeout 300 }"
    }
}

fn pair(block: &str, name: &str) -> [String; 2] {
    let of = |given: &str| {
        PAIRS
            .iter()
            .find(|(block, known, _)| *block == given && *known == name)
    };
    let (.., values) = of(block)
        .or_else(|| of(""))
        .unwrap_or_else(|| panic!("no two ways to write `{name}` of {block}"));
    values.map(|value| {
        let value = value.replace("LINK", LINK).replace("HELPER", HELPER);
        let value = value.replace("POLICY", policy_beside(""));
        file(block, name, &format!("{name} {value}"))
    })
}

/// Returns what becomes of a clause: "settings", "refused" or the code of the finding that names it.
fn effect(block: &str, name: &str) -> Option<String> {
    let outcomes = pair(block, name).map(|source| {
        let outcome = conf_grammar::parse("test.conf", source.as_bytes());
        let found = conf_grammar::render(&outcome.diagnostics, "test.conf", source.as_bytes());
        assert!(outcome.config.is_some(), "{source}\n{found}");
        outcome
    });
    let [a, b] = outcomes.each_ref().map(|outcome| {
        let config = outcome.config.as_ref().expect("it was asked for");
        translate(config).map(without_places)
    });
    // Alone or with its argument.
    let is_named = |finding: &&Diagnostic, name: &str| {
        ["`", " "]
            .iter()
            .any(|end| finding.message.contains(&format!("`{name}{end}")))
    };
    match (a, b) {
        (Ok(a), Ok(b)) if a != b => Some("settings".to_owned()),
        (_, Err(refusals)) | (Err(refusals), _)
            if refusals.iter().any(|refusal| refuses(refusal, block, name)) =>
        {
            Some("refused".to_owned())
        }
        _ => {
            let [_, outcome] = &outcomes;
            let finding = outcome
                .diagnostics
                .iter()
                .find(|finding| is_named(finding, name))?;
            Some(finding.code.to_string())
        }
    }
}

/// Returns the settings alone: a longer word moves whatever stands behind it.
fn without_places(settings: Settings) -> Settings {
    fn nowhere<T>(placed: Placed<T>) -> Placed<T> {
        Placed {
            location: None,
            ..placed
        }
    }
    Settings {
        links: settings.links.into_iter().map(nowhere).collect(),
        kernel: nowhere(settings.kernel),
        filter_place: nowhere(settings.filter_place),
        control_socket: nowhere(settings.control_socket),
        lock_file: nowhere(settings.lock_file),
        log_file: nowhere(settings.log_file),
        scheduler: nowhere(settings.scheduler),
        ..settings
    }
}

/// Returns whether a refusal is about the clause or about all of its block.
fn refuses(refusal: &Diagnostic, block: &str, name: &str) -> bool {
    let of_block = match block {
        "`Helper`" | "`Type`" | "`Policy`" => "`Helper`",
        "`Stats`" => "`Sync`",
        block => block,
    };
    let is_stats = name == "Stats" && refusal.message.contains("without section `Sync`");
    is_stats || refusal.message.contains(&format!("`{name}`")) || refusal.message.contains(of_block)
}

#[test]
fn no_clause_is_silently_ignored() {
    let silent: Vec<String> = conf_grammar::clauses()
        .filter(|(block, name)| effect(block, name).is_none())
        .map(|(block, name)| format!("`{name}` of {block}"))
        .collect();
    assert_eq!(silent, [""; 0]);
}

#[test]
fn every_pair_belongs_to_a_clause() {
    for (block, name, _) in PAIRS {
        let is_known = conf_grammar::clauses()
            .any(|(in_block, known)| known == name && (block.is_empty() || in_block == block));
        assert!(is_known, "`{name}` of {block:?}");
    }
}

#[test]
fn what_is_refused_is_what_the_pages_call_not_yet() {
    let refused: Vec<(&str, &str)> = conf_grammar::clauses()
        .filter(|(block, name)| effect(block, name).as_deref() == Some("refused"))
        .collect();
    let not_yet: Vec<(&str, &str)> = conf_grammar::reference::not_yet().collect();
    assert_eq!(refused, not_yet);
}
