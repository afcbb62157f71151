use super::links::Machine;
use super::*;

fn config(source: &str) -> Config {
    let outcome = conf_grammar::parse("test.conf", source.as_bytes());
    let found = conf_grammar::render(&outcome.diagnostics, "test.conf", source.as_bytes());
    outcome.config.unwrap_or_else(|| panic!("{found}"))
}

/// A machine with lo, sync0 (192.0.2.1, fe80::1) and eth0 (198.51.100.1, fe80::1).
fn machine() -> Machine {
    let carry = |interface: &str, address: Option<&str>| io::link::LocalAddress {
        interface: interface.to_owned(),
        address: address.map(|address| address.parse().unwrap()),
    };
    Machine(vec![
        carry("lo", Some("127.0.0.1")),
        carry("sync0", None),
        carry("sync0", Some("192.0.2.1")),
        carry("sync0", Some("fe80::1")),
        carry("eth0", Some("198.51.100.1")),
        carry("eth0", Some("fe80::1")),
    ])
}

fn found(links: &str) -> Vec<String> {
    let config = config(&format!("Sync {{\n{links}\n}}\n"));
    let mut findings = Vec::new();
    machine().check(&config.sync().unwrap().links, &mut findings);
    findings.iter().map(described).collect()
}

fn described(finding: &Diagnostic) -> String {
    let (severity, code, line) = (finding.severity, finding.code, finding.span.location.line);
    format!("{severity}[{code}] line {line}: {}", finding.message)
}

fn udp(interface: &str, local: &str) -> String {
    format!(
        "UDP {{\nInterface {interface}\nIPv4_address {local}\nIPv4_Destination_Address 192.0.2.9\nPort 3780\n}}"
    )
}

#[test]
fn links_over_interfaces_and_addresses_of_the_machine_are_fine() {
    assert_eq!(found(&udp("sync0", "192.0.2.1")), [""; 0]);
    assert_eq!(
        found(&udp("lo", "127.0.0.7")),
        [""; 0],
        "all of 127.0.0.0/8 is here"
    );
    let v6 = "UDP {\nIPv6_address fe80::1\nIPv6_Destination_Address fe80::2\nPort 3780\nInterface eth0\n}";
    assert_eq!(found(v6), [""; 0]);
}

#[test]
fn an_interface_that_the_machine_lacks_is_an_error() {
    assert_eq!(
        found(&udp("sync1", "192.0.2.1")),
        ["error[no-such-interface] line 3: interface `sync1` does not exist"]
    );
}

#[test]
fn an_address_that_the_machine_lacks_is_found() {
    let [finding] = &found(&udp("sync0", "203.0.113.5"))[..] else {
        panic!("one finding");
    };
    // Where the kernel lets foreign addresses be used it is a warning.
    assert!(
        finding.ends_with("[address-not-local] line 4: address 203.0.113.5 is not on this machine"),
        "{finding}"
    );
}

#[test]
fn an_address_of_another_interface_is_a_warning() {
    let warning = "address 198.51.100.1 is not on interface `sync0`, but on eth0";
    assert_eq!(
        found(&udp("sync0", "198.51.100.1")),
        [format!("warning[interface-address-differs] line 4: {warning}")]
    );
    let multicast =
        "Multicast {\nIPv4_address 225.0.0.50\nGroup 3780\nIPv4_interface 198.51.100.1\nInterface sync0\n}";
    assert_eq!(
        found(multicast),
        [format!("warning[interface-address-differs] line 5: {warning}")]
    );
}

#[test]
fn every_link_is_looked_at() {
    let links = udp("sync1", "192.0.2.1") + "\n" + &udp("sync2", "198.51.100.1");
    assert_eq!(found(&links).len(), 2);
}

#[test]
fn caches_are_as_large_as_the_file_says_or_as_the_kernels_table_needs() {
    let (silent, chosen) = (
        config("Stats { }\n"),
        config("General {\nHashLimit 1000\n}\nStats { }\n"),
    );
    for (config, table_len_max, want) in [
        (&chosen, Some(1_048_576), 1000),
        (&chosen, None, 1000),
        (&silent, None, 262_144),
        // Without a limit of the kernel's, which is 0, and with a small one.
        (&silent, Some(0), 262_144),
        (&silent, Some(65_536), 262_144),
        (&silent, Some(1_048_576), 2_097_152),
        (&silent, Some(u32::MAX), u32::MAX),
    ] {
        let is = cache_len_max(config.general.hash_limit, table_len_max);
        assert_eq!(is.get(), want, "{table_len_max:?}");
    }
}

#[test]
fn a_cache_smaller_than_the_kernels_table_loses_flows() {
    let chosen = |limit| config(&format!("General {{\nHashLimit {limit}\n}}\nStats {{ }}\n"));
    for (config, table_len_max, want) in [
        (chosen(1000), Some(500), None),
        (chosen(1000), None, None),
        (
            chosen(1000),
            Some(501),
            Some("warning[hash-limit-small] line 2: "),
        ),
        (config("Stats { }\n"), Some(262_145), None),
    ] {
        let finding = table(&config, table_len_max).map(|finding| described(&finding));
        assert_eq!(
            finding.is_some(),
            want.is_some(),
            "{table_len_max:?}: {finding:?}"
        );
        if let (Some(finding), Some(want)) = (finding, want) {
            assert!(finding.starts_with(want), "{finding}");
        }
    }
}

#[test]
fn only_flows_beyond_a_cache_are_said_to_be_lost() {
    let chosen = config("General {\nHashLimit 1000\n}\nStats { }\n");
    for (table_len_max, want) in [
        (
            1000,
            "1000 (`nf_conntrack_max`): ended flows that wait for the peer also take room",
        ),
        (1001, "1001 (`nf_conntrack_max`): flows beyond are not replicated"),
    ] {
        let message = table(&chosen, Some(table_len_max)).unwrap().message;
        assert_eq!(
            message,
            format!("each cache takes 1000 flows, the kernel's table {want}")
        );
    }
}
