//! What only the stock daemon accepts: refused in today's language, carried out as it would in its own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use conf_grammar::{
    Code, Config, Diagnostic, Dialect, FilterPlace, Links, MulticastGroup, Network, Outcome, Policy,
    Severity, parse, parse_with,
};

/// The samples that the stock daemon starts with and that have no clear meaning, with what becomes
/// a warning. The others that it starts with are never accepted: they say what nobody can mean.
const TOLERATED: [(&str, Code); 11] = [
    ("invalid-32-syslog-facility.conf", Code::UnknownFacility),
    ("invalid-34-two-modes.conf", Code::ManyModes),
    ("invalid-45-udp-without-destination.conf", Code::LinkIncomplete),
    ("invalid-46-udp-without-port.conf", Code::LinkIncomplete),
    ("invalid-47-multicast-without-group.conf", Code::LinkIncomplete),
    ("invalid-61-two-defaults.conf", Code::ManyDefaults),
    ("invalid-62-duplicate-link.conf", Code::DuplicateLink),
    ("invalid-69-filter-unknown-protocol.conf", Code::UnknownProtocol),
    ("invalid-71-filter-prefix-too-long.conf", Code::BadPrefix),
    ("invalid-73-filter-family-mismatch.conf", Code::FamilyMismatch),
    ("invalid-78-filter-opposite-policies.conf", Code::Contradiction),
];

/// Refused by the stock daemon only later, when it sets up its helpers.
const QUEUE_CLASH: &str = "invalid-90-helper-queue-clash.conf";

fn sample(name: &str) -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    fs::read(samples.join(name)).expect("the sample is there")
}

fn stock(source: &str) -> Outcome {
    parse_with("conntrackd.conf", source.as_bytes(), Dialect::Stock)
}

#[track_caller]
fn stock_config(source: &str) -> Config {
    stock(source).config.expect(source)
}

#[test]
fn the_samples_without_a_clear_meaning_become_warnings() {
    for (name, code) in TOLERATED {
        let outcome = parse_with(name, &sample(name), Dialect::Stock);
        assert!(!outcome.has_errors(), "{name}: {:?}", outcome.diagnostics);
        assert!(outcome.config.is_some(), "{name}");
        let tolerated = outcome.diagnostics.iter().find(|d| d.code == code);
        let tolerated = tolerated.unwrap_or_else(|| panic!("{name}: {:?}", outcome.diagnostics));
        assert_eq!(tolerated.severity, Severity::Warning, "{name}");
        let help = tolerated.help.as_deref().unwrap_or_default();
        assert!(help.starts_with("accepted for compatibility: "), "{name}: {help}");
    }
}

#[test]
fn every_other_sample_has_the_verdict_of_todays_language() {
    let table = String::from_utf8(sample("expected.tsv")).unwrap();
    for name in table
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .filter(|name| *name != QUEUE_CLASH && TOLERATED.iter().all(|(tolerated, _)| tolerated != name))
    {
        let source = sample(name);
        let (today, stock) = (parse(name, &source), parse_with(name, &source, Dialect::Stock));
        assert_eq!(stock.has_errors(), today.has_errors(), "{name}");
        assert_eq!(stock.config, today.config, "{name}");
    }
}

#[test]
fn of_two_modes_the_order_of_rank_decides_and_all_settings_count() {
    let link = "UDP { IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.2 Port 1 Interface eth2 }";
    let modes = [
        ("NOTRACK", "StartupResync on", "FTFW", "", "FTFW"),
        ("ALARM", "RefreshTime 7", "NOTRACK", "", "ALARM"),
        ("FTFW", "", "ALARM", "PurgeTimeout 9", "FTFW"),
    ];
    for (one, in_one, other, in_other, want) in modes {
        let source = format!("Sync {{ Mode {one} {{ {in_one} }} Mode {other} {{ {in_other} }} {link} }}");
        let config = stock_config(&source);
        assert_eq!(config.sync().unwrap().mode.value.name(), want, "{source}");
    }
    let source = format!("Sync {{ Mode FTFW {{ }} Mode ALARM {{ PurgeTimeout 9 }} {link} }}");
    assert_eq!(stock_config(&source).sync().unwrap().purge_timeout_secs.value, 9);
}

#[test]
fn the_last_link_marked_default_is_the_one() {
    let link = |n| {
        format!(
            "UDP Default {{ IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.2 Port {n} Interface eth2 }}"
        )
    };
    let config = stock_config(&format!("Sync {{ {} {} {} }}", link(1), link(2), link(3)));
    let Links::Udp(links) = &config.sync().unwrap().links else {
        panic!("{config:?}")
    };
    assert_eq!(links.default_index(), 2);
}

#[test]
fn a_link_without_peer_or_port_has_none() {
    let config = stock_config("Sync { UDP { IPv4_address 192.0.2.1 Interface eth2 } }");
    let Links::Udp(links) = &config.sync().unwrap().links else {
        panic!("{config:?}")
    };
    let transport = links.as_slice()[0].transport;
    assert_eq!(
        transport.addresses.local().value,
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))
    );
    assert_eq!(
        transport.addresses.peer().value,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!(transport.port.value, None);

    let config = stock_config("Sync { Multicast { IPv6_address ff02::1 Interface eth2 } }");
    let Links::Multicast(links) = &config.sync().unwrap().links else {
        panic!("{config:?}")
    };
    assert!(matches!(links.as_slice()[0].transport, MulticastGroup::V6 { port, .. } if port.value.is_none()));
}

#[test]
fn a_link_without_any_address_or_interface_is_refused() {
    for link in [
        "UDP { Port 1 Interface eth2 }",
        "UDP { IPv4_address 192.0.2.1 Port 1 }",
    ] {
        let codes: Vec<Code> = stock(&format!("Sync {{ {link} }}"))
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .map(|d| d.code)
            .collect();
        assert_eq!(codes, [Code::LinkIncomplete], "{link}");
    }
}

#[test]
fn port_0_is_a_missing_port() {
    for port in ["0", "00"] {
        let link = format!(
            "UDP {{ IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.2 Port {port} Interface eth2 }}"
        );
        let config = stock_config(&format!("Sync {{ {link} }}"));
        let Links::Udp(links) = &config.sync().unwrap().links else {
            panic!("{config:?}")
        };
        assert_eq!(links.as_slice()[0].transport.port.value, None);
    }
    let config = stock_config("Sync { Multicast { IPv6_address ff02::1 Group 0 Interface eth2 } }");
    let Links::Multicast(links) = &config.sync().unwrap().links else {
        panic!("{config:?}")
    };
    assert_eq!(links.as_slice()[0].transport.port().value, None);
    // Other numbers out of range are wrapped by the stock daemon, which nobody means.
    let outcome = stock("Sync { Multicast { IPv6_address ff02::1 Group 65536 Interface eth2 } }");
    assert!(outcome.has_errors());
}

#[test]
fn links_that_the_daemon_cannot_open_together_are_refused() {
    let link = |kind: &str, local: &str| {
        format!("{kind} {{ {local} IPv4_Destination_Address 192.0.2.2 Port 1 Interface eth2 }}")
    };
    let given = "IPv4_address 192.0.2.1";
    for (kind, one, other) in [("UDP", given, given), ("UDP", given, ""), ("TCP", given, "")] {
        let outcome = stock(&format!("Sync {{ {} {} }}", link(kind, one), link(kind, other)));
        let is_refused = |d: &Diagnostic| d.code == Code::DuplicateLink && d.severity == Severity::Error;
        assert!(
            outcome.diagnostics.iter().any(is_refused),
            "{kind}: {:?}",
            outcome.diagnostics
        );
    }
}

#[test]
fn a_node_that_is_its_own_peer_hears_itself() {
    let outcome = stock(
        "Sync { UDP { IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.1 Port 1 Interface eth2 } }",
    );
    let codes: Vec<Code> = outcome.diagnostics.iter().map(|d| d.code).collect();
    assert!(
        !outcome.has_errors() && codes.contains(&Code::Contradiction),
        "{codes:?}"
    );
}

#[test]
fn an_unspecified_peer_is_as_good_as_none() {
    let link =
        |peer: &str| format!("Sync {{ UDP {{ IPv4_address 192.0.2.1 {peer} Port 1 Interface eth2 }} }}");
    let given = stock_config(&link("IPv4_Destination_Address 0.0.0.0"));
    assert_eq!(given, stock_config(&link("")));
}

#[test]
fn two_logs_may_share_a_file_but_no_lock() {
    let logs = |lock: &str| format!("General {{ LockFile {lock} LogFile /x }} Stats {{ LogFile /x }}");
    assert!(!stock(&logs("/y")).has_errors());
    assert!(stock(&logs("/x")).has_errors());
}

#[test]
fn opposite_policies_pool_their_entries() {
    let sets = "Address Ignore { IPv4_address 10.0.0.1 } Address Accept { IPv4_address 10.0.0.2 }";
    let reversed = "Address Accept { IPv4_address 10.0.0.2 } Address Ignore { IPv4_address 10.0.0.1 }";
    let cases = [
        ("", sets, Policy::Accept),
        ("", reversed, Policy::Ignore),
        ("From Kernelspace", sets, Policy::Ignore),
        ("From Kernelspace", reversed, Policy::Ignore),
    ];
    for (from, sets, want) in cases {
        let config = stock_config(&format!("General {{ Filter {from} {{ {sets} }} }} Stats {{ }}"));
        let addresses = config.general.filter.addresses.unwrap();
        assert_eq!(addresses.policy.value, want, "{from} {sets}");
        assert_eq!(addresses.entries.len(), 2, "{from} {sets}");
    }
}

#[test]
fn the_last_filter_says_where_all_of_them_work() {
    let set = "{ Protocol Accept { TCP } }";
    let place = |source: &str| stock_config(source).general.filter.place.value;
    assert_eq!(
        place(&format!(
            "General {{ Filter From Kernelspace {set} Filter {set} }} Stats {{ }}"
        )),
        FilterPlace::Userspace
    );
    assert_eq!(
        place(&format!(
            "General {{ Filter {set} Filter From Kernelspace {set} }} Stats {{ }}"
        )),
        FilterPlace::Kernelspace
    );
}

#[test]
fn entries_that_are_none_are_left_out_and_the_set_stays() {
    let entries = "IPv4_address 300.0.0.1 IPv4_address 10.0.0.0/33 IPv4_address ::1 IPv6_address fe80::/129
        IPv6_address 10.0.0.1 IPv4_address 10.0.0.7";
    let config = stock_config(&format!(
        "General {{ Filter {{ Address Accept {{ {entries} }} }} }} Stats {{ }}"
    ));
    let addresses = config.general.filter.addresses.unwrap();
    let kept: Vec<Network> = addresses.entries.iter().map(|entry| entry.value).collect();
    assert_eq!(kept, [Network::host(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)))]);

    let outcome = stock("General { Filter { Protocol Accept { bogus } } } Stats { }");
    let codes: Vec<Code> = outcome.diagnostics.iter().map(|d| d.code).collect();
    assert!(
        codes.contains(&Code::UnknownProtocol) && codes.contains(&Code::EmptyAccept),
        "{codes:?}"
    );
    let protocols = outcome.config.unwrap().general.filter.protocols.unwrap();
    assert!(protocols.entries.is_empty());
}

#[test]
fn what_the_stock_parser_refuses_in_a_filter_stays_refused() {
    let sets = [
        "Address Accept { IPv4_address 010.0.0.1 }",
        "Address Accept { IPv4_address 10.0.0.0/255.0.0.0 }",
        "Address Accept { IPv4_address 10.0.0 }",
        "Address Accept { IPv4_address host }",
        "Protocol Accept { 47 }",
        "Protocol Accept { TCP LAST_ACK TIME_WAIT for TCP }",
        "Protocol Accept { Accept }",
        "Protocol Accept { YES }",
        "Protocol Accept { alarm }",
        "Protocol Accept { HashSize }",
        "State Accept { bogus for TCP }",
    ];
    for set in sets {
        let outcome = stock(&format!("General {{ Filter {{ {set} }} }} Stats {{ }}"));
        assert!(outcome.has_errors(), "{set}");
    }
}

#[test]
fn a_keyword_is_no_syslog_facility() {
    let is_refused = |word: &str| stock(&format!("General {{ Syslog {word} }} Stats {{ }}")).has_errors();
    assert!(!is_refused("bogus"));
    assert!(is_refused("FTFW"));
    assert!(is_refused("Default"));
}

#[test]
fn old_filters_that_contradict_new_ones_stay_refused() {
    let outcome = stock(
        "IgnoreTrafficFor { IPv4_address 10.0.0.1 }
        General { Filter { Address Accept { IPv4_address 10.0.0.2 } } } Stats { }",
    );
    let codes: Vec<Code> = outcome
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| d.code)
        .collect();
    assert_eq!(codes, [Code::Contradiction]);
}

#[test]
fn two_helpers_on_one_queue_are_both_set_up() {
    let outcome = parse_with(QUEUE_CLASH, &sample(QUEUE_CLASH), Dialect::Stock);
    assert!(!outcome.has_errors(), "{:?}", outcome.diagnostics);
    assert_eq!(outcome.config.unwrap().helpers.types.len(), 2);
}
