//! Old files in today's spelling.

#[expect(dead_code, reason = "other tests use more of it")]
mod valid;

use std::fs;
use std::path::Path;

use conf_grammar::{Code, Migration, migrate, parse, print};
use proptest::prelude::*;
use valid::Age;

/// What a migrated file is not told.
const OLD: [Code; 5] = [
    Code::DeprecatedIgnored,
    Code::DeprecatedRenamed,
    Code::DeprecatedTranslated,
    Code::DocumentedElsewhere,
    Code::RedundantClause,
];

fn migrated(source: &str) -> String {
    let Migration { text, outcome, .. } = migrate("x.conf", source.as_bytes());
    assert!(!outcome.has_errors(), "{:?}\n{source}", outcome.diagnostics);
    text.expect("a file without errors has a migration")
}

/// The comments of a file, which in these tests are marked by `<` and `>`.
fn marks(text: &str) -> Vec<&str> {
    let mut marks: Vec<&str> = text
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(mark, _)| mark)
        .collect();
    marks.sort_unstable();
    marks
}

/// Holds a migration to all it promises and returns its text.
fn check(source: &str) -> String {
    let text = migrated(source);
    let (old, new) = (parse("x", source.as_bytes()), parse("x", text.as_bytes()));
    assert!(!new.has_errors(), "{:?}\n{source}\n---\n{text}", new.diagnostics);
    assert!(
        old.config == new.config,
        "another configuration\n{source}\n---\n{text}"
    );
    assert_eq!(migrated(&text), text, "a second run changes more\n{source}");
    assert_eq!(marks(&text), marks(source), "comments\n{source}\n---\n{text}");
    let nameless = "IgnoreProtocol";
    let left: Vec<_> = new
        .diagnostics
        .iter()
        .filter(|d| OLD.contains(&d.code) && !d.message.contains(nameless))
        .collect();
    assert!(left.is_empty(), "{left:?}\n{source}\n---\n{text}");
    let is_old = old
        .diagnostics
        .iter()
        .any(|d| OLD.contains(&d.code) || d.code == Code::BomSkipped);
    assert!(
        is_old || text == source,
        "a modern file is changed\n{source}\n---\n{text}"
    );
    text
}

fn samples(begin: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let entries = fs::read_dir(folder).expect("the samples are there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<(String, String)> = paths
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(begin))
        })
        .map(|path| {
            let bytes = fs::read(&path).expect("the sample can be read");
            (
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_valid_sample_keeps_its_meaning() {
    let files = samples("valid-");
    for (_, source) in &files {
        check(source);
    }
    assert_eq!(files.len(), 46);
}

#[test]
fn a_file_with_errors_has_no_migration() {
    for (name, source) in samples("invalid-") {
        let migration = migrate("x.conf", source.as_bytes());
        assert!(migration.text.is_none() && migration.changes.is_empty(), "{name}");
        assert!(migration.outcome.has_errors(), "{name}");
    }
}

#[test]
fn a_file_of_2007() {
    let source = "\
# Node alpha, since 2007.
Sync {
	Mode NACK {
		ResendBufferSize 262144 # bytes
		ACKWindowSize 20
	}
	Multicast {
		IPv4_address 225.0.0.50
		IPv4_interface 192.168.100.100 # eth2
		Group 3780
		Backlog 20
	}

	# Use checksums.
	Checksum on
	CacheWriteThrough On # <- important
	ListenTo 192.168.100.101
	Replicate ESTABLISHED CLOSE for TCP
}

General {
	HashSize 8192
	SocketBufferSize 262142
	SocketBufferSizeMaxGrown 655355
	UNIX {
		Path /tmp/sync.sock
		Backlog 20
	}
}

# Not our own traffic.
IgnoreTrafficFor {
	IPv4_address 127.0.0.1 # loopback
	# the links
	IPv4_address 192.168.0.1
}

IgnoreProtocol {
	UDP
	1
	VRRP
	47 # tunnels
}

StripNAT
";
    check(source);
    let migration = migrate("old.conf", source.as_bytes());
    let changes: Vec<String> = migration
        .changes
        .iter()
        .map(|c| format!("{}: {}", c.span.location, c.message))
        .collect();
    let text = migration.text.expect("the file has no errors");
    insta::assert_snapshot!(format!("{text}---\n{}", changes.join("\n")));
}

#[test]
fn words_of_a_shared_line_go_alone() {
    let cases = [
        ("General { Nice 5 HashSize 1 }\n", "General { HashSize 1 }\n"),
        ("General { HashSize 1 Nice 5 }\n", "General { HashSize 1 }\n"),
        ("General {Nice 5}\n", "General {}\n"),
        (
            "General {\n\tHashSize 1 Nice 5\n}\n",
            "General {\n\tHashSize 1\n}\n",
        ),
        (
            "General {\n\tHashSize 1 Nice 5 # <5>\n}\n",
            "General {\n\tHashSize 1 # <5>\n}\n",
        ),
        ("General {\n\tNice 5\t\t#<5>\n}\n", "General {\n\t#<5>\n}\n"),
        ("General {\n\tNice # <5>\n\t5\n}\n", "General {\n\t# <5>\n}\n"),
        ("General {\n\tNice 5 Family x\n}\n", "General {\n}\n"),
        (
            "General {\n\tNice 5 Family x HashSize 1\n}\n",
            "General {\n\tHashSize 1\n}\n",
        ),
        (
            "General {\n\tLockFile /x Nice 5#<5>\n}\n",
            "General {\n\tLockFile /x #<5>\n}\n",
        ),
    ];
    for (old, new) in cases {
        assert_eq!(check(old), new, "{old}");
    }
}

#[test]
fn a_gone_line_leaves_one_empty_line() {
    let cases = [
        (
            "Stats { }\n\nStripNAT\n\nGeneral { }\n",
            "Stats { }\n\nGeneral { }\n",
        ),
        ("Stats { }\n\nStripNAT\n", "Stats { }\n"),
        ("StripNAT\n\nStats { }\n", "Stats { }\n"),
        ("Stats { }\nStripNAT\nGeneral { }\n", "Stats { }\nGeneral { }\n"),
        (
            "Stats { }\n\n\nStripNAT\nGeneral { }\n",
            "Stats { }\n\n\nGeneral { }\n",
        ),
        ("StripNAT", ""),
    ];
    for (old, new) in cases {
        assert_eq!(check(old), new, "{old}");
    }
}

#[test]
fn what_is_missed_leaves_a_comment() {
    let link = "UDP { IPv4_Destination_Address 192.0.2.1 Port 1 Interface e }";
    let old = format!(
        "Sync {{\n\tListenTo 192.0.2.1 ListenTo ::1 # <peers>\n\tCacheWriteThrough off\n\t{link}\n}}\n"
    );
    let text = check(&old);
    let help = "the source of messages is not checked; use a firewall rule for that";
    let new = format!(
        "Sync {{\n\t# removed: ListenTo 192.0.2.1 ({help})\n\t# removed: ListenTo ::1 ({help}) # <peers>\n\t{link}\n}}\n"
    );
    assert_eq!(text, new);
    let text = check(&format!("Sync {{ CacheWriteThrough on {link} }}\n"));
    assert!(text.contains("# removed: CacheWriteThrough on ("), "{text}");
    assert!(text.contains(&format!(")\n{link} }}\n")), "{text}");
}

#[test]
fn the_checksum_of_old_goes_into_links_without_one() {
    let old = "\
Sync {
	Checksum on
	Multicast {
		IPv4_address 225.0.0.50
		Group 3780 # <3780>
		Interface eth2
	}
	Checksum off # <last>
	Multicast { IPv4_address 225.0.0.51 Group 3780 Interface eth3 }
	Multicast { IPv4_address 225.0.0.52 Group 3780 Interface eth4 Checksum on }
}
";
    let new = "\
Sync {
	Multicast {
		IPv4_address 225.0.0.50
		Group 3780 # <3780>
		Interface eth2
		Checksum off
	}
	# <last>
	Multicast { IPv4_address 225.0.0.51 Group 3780 Interface eth3 Checksum off }
	Multicast { IPv4_address 225.0.0.52 Group 3780 Interface eth4 Checksum on }
}
";
    assert_eq!(check(old), new);
}

#[test]
fn ignored_traffic_joins_the_filter_that_is_there() {
    let old = "\
IgnoreTrafficFor { # <own>
    IPv4_address 127.0.0.1
        # <six>
    IPv6_address ::1 } # <end>
General {
    Filter From Kernelspace {
        Address Ignore {
            IPv4_address 10.0.0.0/8
        }
    }
}
Stats { }
";
    let new = "    # <end>
General {
    Filter From Kernelspace {
        Address Ignore {
            IPv4_address 10.0.0.0/8
            # <own>
            IPv4_address 127.0.0.1
            # <six>
            IPv6_address ::1
        }
    }
}
Stats { }
";
    assert_eq!(check(old), new);
    let old =
        "General { Filter { Address Ignore { } } } Stats { } IgnoreTrafficFor { IPv4_address 10.0.0.1 }\n";
    let new = "General { Filter { Address Ignore { IPv4_address 10.0.0.1 } } } Stats { }\n";
    assert_eq!(check(old), new);
}

#[test]
fn a_section_general_is_made_where_there_is_none() {
    let old = "Stats {\r\n  PollSecs 5\r\n  LogFile on\r\n}\r\nIgnoreProtocol { 6 udp }";
    let new = "Stats {\r\n  LogFile on\r\n}\r\n\r\nGeneral {\r\n  PollSecs 5\r\n  Filter {\r\n    Protocol Ignore {\r\n      TCP udp\r\n    }\r\n  }\r\n}\r\n";
    assert_eq!(check(old), new);
}

#[test]
fn of_clauses_that_stand_elsewhere_the_last_one_counts() {
    let old = "General {\n\tPollSecs 1\n}\nStats {\n\tPollSecs 2\n\tPollSecs 3 # <3>\n}\n";
    assert_eq!(
        check(old),
        "General {\n\tPollSecs 1\n\tPollSecs 3\n}\nStats {\n\t# <3>\n}\n"
    );
    let old = "Stats {\n\tPollSecs 2\n}\nGeneral {\n\tPollSecs 1\n}\n";
    assert_eq!(check(old), "Stats {\n}\nGeneral {\n\tPollSecs 1\n}\n");
}

#[test]
fn a_protocol_without_a_name_keeps_its_old_clause() {
    let old = "Stats { }\nGeneral {\n}\nIgnoreProtocol {\n\tUDP\n\t47 # <47>\n\t250\n\t6\n}\n";
    let new = "\
Stats { }
General {
	Filter {
		Protocol Ignore {
			UDP
			gre
		}
	}
}
# a protocol number without a name cannot stand in `Filter`
IgnoreProtocol {
	# <47>
	250
	6
}
";
    assert_eq!(check(old), new);
    let printed = print(&parse("x", old.as_bytes()).config.expect("the file is valid"));
    assert_eq!(migrated(&printed), printed, "the printed file says why, too");
}

#[test]
fn a_file_without_line_feeds_keeps_its_carriage_returns() {
    let old = "Stats {\r\tPollSecs 5 # <5>\r}\r# <end>\r";
    assert_eq!(
        check(old),
        "Stats {\r\t# <5>\r}\r# <end>\r\rGeneral {\r\tPollSecs 5\r}\r"
    );
}

#[test]
fn a_carriage_return_in_a_comment_stays_no_line_end() {
    check("StripNAT\nGeneral { } # a \r HashSize 0");
    check("# a \r HashSize 0\nStripNAT");
}

#[test]
fn a_file_of_a_million_old_clauses_is_rewritten_in_time() {
    let heads = ["Stats {", "General {"];
    for (head, clause) in [(0, "PollSecs 1\n"), (1, "Nice 1 "), (0, "LogFileBufferSize 1\n")] {
        let source = format!("{}{}}}", heads[head], clause.repeat(50_000));
        assert!(migrated(&source).len() < 100);
    }
    let source = format!(
        "IgnoreTrafficFor {{ {} }}",
        "IPv4_address 10.0.0.1\n".repeat(50_000)
    );
    assert!(migrated(&source).len() > source.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_old_file_keeps_its_meaning_and_its_comments(source in valid::file(Age::Any)) {
        check(&source);
    }

    #[test]
    fn a_modern_file_stays_as_it_is(source in valid::file(Age::Modern)) {
        let bare = source.trim_start_matches('\u{FEFF}');
        prop_assert_eq!(migrated(&source), bare);
    }

    #[test]
    fn a_printed_file_is_modern(source in valid::file(Age::Any)) {
        let printed = print(&parse("x", source.as_bytes()).config.expect("the file is valid"));
        prop_assert_eq!(migrated(&printed), printed);
    }

    #[test]
    fn an_old_file_with_something_in_between_keeps_its_meaning(
        mut source in valid::file(Age::Any),
        parts in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            Just(" "), Just("\n"), Just("\r"), Just("\r\n"), Just("\t"), Just("#"), Just(" # "), Just("}"), Just("{"),
            Just(" StripNAT "), Just("\nStripNAT"), Just(" Nice 1"), Just(" ListenTo ::1\t"), Just("PollSecs 9 "),
            Just("IgnoreProtocol{1}"), Just(" IgnoreTrafficFor #\n{\n\n#\nIPv6_address ::1#\n}"),
        ]), 1..4),
    ) {
        for (at, part) in parts {
            let mut at = at.index(source.len() + 1);
            while !source.is_char_boundary(at) {
                at -= 1;
            }
            source.insert_str(at, part);
        }
        if !parse("x", source.as_bytes()).has_errors() {
            check(&source);
        }
    }

    #[test]
    fn a_cut_file_is_answered(source in valid::file(Age::Any), cut in any::<prop::sample::Index>()) {
        let source = source.as_bytes();
        let cut = &source[..cut.index(source.len() + 1)];
        prop_assert_eq!(migrate("x", cut).text.is_some(), !parse("x", cut).has_errors());
    }
}
