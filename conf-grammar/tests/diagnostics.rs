//! Diagnostics as a person reads them.

use conf_grammar::{Code, Diagnostic, parse, render};

/// Wraps clauses into a file that has everything else.
const GENERAL: &str = "General {\n\tUNIX {\n\t\tPath /run/conntrackd.ctl\n\t}\n}\n";
const LINK: &str = "\tUDP {
\t\tIPv4_address 192.0.2.1
\t\tIPv4_Destination_Address 192.0.2.2
\t\tPort 3780
\t\tInterface eth2
\t}
";

/// What keeps the flows of `LINK` and of the loopback out.
const FILTER: &str = "General {
\tFilter {
\t\tAddress Ignore {
\t\t\tIPv4_address 127.0.0.1
\t\t\tIPv4_address 192.0.2.1
\t\t\tIPv6_address ::1
\t\t}
\t}
}
";

fn rendered(source: impl AsRef<[u8]>) -> String {
    let source = source.as_ref();
    render(
        &parse("conntrackd.conf", source).diagnostics,
        "conntrackd.conf",
        source,
    )
}

fn in_sync(clauses: &str) -> String {
    rendered(format!("{GENERAL}Sync {{\n{clauses}}}\n{FILTER}"))
}

fn in_general(clauses: &str) -> String {
    rendered(format!("{GENERAL}Stats {{ }}\nGeneral {{\n{clauses}}}\n"))
}

/// The finding with this code.
fn finding(source: &str, code: Code) -> Diagnostic {
    let diagnostics = parse("conntrackd.conf", source.as_bytes()).diagnostics;
    let found = diagnostics.into_iter().find(|diagnostic| diagnostic.code == code);
    found.expect("the file has such a finding")
}

fn help(source: &str, code: Code) -> String {
    finding(source, code).help.unwrap_or_default()
}

#[test]
fn six_mistakes_get_six_diagnostics() {
    insta::assert_snapshot!(rendered(include_str!("six-mistakes.conf")));
}

#[test]
fn a_clause_of_another_mode_names_its_home() {
    insta::assert_snapshot!(in_sync(&format!(
        "\tMode NOTRACK {{\n\t\tACKWindowSize 300\n\t}}\n{LINK}"
    )));
}

#[test]
fn a_second_mode_points_at_the_first() {
    insta::assert_snapshot!(in_sync(&format!(
        "\tMode FTFW {{ }}\n\tMode NOTRACK {{ }}\n{LINK}"
    )));
}

#[test]
fn an_incomplete_link_lists_all_it_lacks() {
    insta::assert_snapshot!(in_sync(
        "\tMode FTFW { }\n\tUDP {\n\t\tIPv4_address 192.0.2.1\n\t}\n"
    ));
}

#[test]
fn a_link_of_two_families_shows_both() {
    let link = LINK.replace(
        "IPv4_Destination_Address 192.0.2.2",
        "IPv6_Destination_Address 2001:db8::2",
    );
    insta::assert_snapshot!(in_sync(&format!("\tMode FTFW {{ }}\n{link}")));
}

#[test]
fn a_commit_timeout_without_cache_shows_why_it_is_void() {
    insta::assert_snapshot!(in_sync(&format!(
        "\tMode FTFW {{\n\t\tCommitTimeout 180\n\t\tDisableExternalCache on\n\t}}\n{LINK}"
    )));
}

#[test]
fn numbers_in_other_notations_are_explained() {
    insta::assert_snapshot!(in_general(
        "\tHashSize 0x1000\n\tHashLimit -1\n\tNetlinkBufferSize 2M\n\tEventIterationLimit 1e3\n\tPollSecs 1.5\n"
    ));
}

#[test]
fn separators_and_quotes_of_other_formats_are_explained() {
    insta::assert_snapshot!(in_general(
        "\tHashSize = 1024\n\tHashLimit 4096;\n\tLockFile \"/run/lock\"\n\tFilter {\n\t\tProtocol Accept { TCP, UDP }\n\t}\n"
    ));
}

#[test]
fn an_unclosed_block_is_found_by_its_indentation() {
    insta::assert_snapshot!(rendered(
        "General {\n\tUNIX {\n\t\tPath /run/conntrackd.ctl\n\tHashSize 1024\n}\nStats {\n}\n"
    ));
}

#[test]
fn a_section_in_an_unclosed_one_is_still_a_section() {
    insta::assert_snapshot!(rendered(
        "General {\n\tUNIX { Path /run/conntrackd.ctl }\nStats {\n\tLogFile on\n}\n"
    ));
}

#[test]
fn a_surplus_brace_is_found_by_its_indentation() {
    insta::assert_snapshot!(rendered(
        "General {\n\tUNIX { Path /run/conntrackd.ctl }\n\t}\n\tHashSize 1024\n}\nStats {\n}\n"
    ));
}

#[test]
fn bytes_that_are_not_text_are_named() {
    insta::assert_snapshot!(rendered(
        b"General {\n\tUNIX { Path /run/conntrackd.ctl }\n\t\xc2\xa0HashSize 1\n\tHashLimit\x0c2\n}\n# caf\xe9\nStats { }\n"
    ));
}

#[test]
fn a_terminal_obeys_neither_the_file_nor_its_name() {
    let source = "Stats { LogFile \x1b[2J\u{9b}2J\u{202e} }";
    let name = "a\x1b[2J\u{9b}2J.conf";
    let shown = render(
        &parse(name, source.as_bytes()).diagnostics,
        name,
        source.as_bytes(),
    );
    assert!(shown.contains("a\u{FFFD}[2J\u{FFFD}2J.conf:1:1"), "{shown:?}");
    assert!(!shown.contains(['\x1b', '\u{9b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn old_clauses_say_what_became_of_them() {
    insta::assert_snapshot!(rendered(format!(
        "StripNAT\nIgnoreProtocol {{ IGMP 47 }}\n{GENERAL}Sync {{\n\tMode NACK {{ }}\n\tCacheWriteThrough on\n{LINK}}}\n"
    )));
}

#[test]
fn a_filter_that_contradicts_itself_shows_both_places() {
    insta::assert_snapshot!(in_general(
        "\tFilter {\n\t\tAddress Ignore {\n\t\t\tIPv4_address 127.0.0.1/8\n\t\t}\n\t\tAddress Accept {\n\t\t\tIPv4_address 10.0.0.0/33\n\t\t}\n\t}\n"
    ));
}

#[test]
fn helpers_are_checked_against_what_they_can_do() {
    insta::assert_snapshot!(rendered(format!(
        "{GENERAL}Helper {{
	Type fpt inet tcp {{ QueueNum 1 }}
	Type tftp inet udp {{ QueueNum 2 }}
	Type amanda inet udp {{
		QueueNum 2
		Policy ftp {{ ExpectMax 1 }}
	}}
	Type rpc ipv4 sctp {{ QueueNum 3 }}
}}
"
    )));
}

#[test]
fn a_small_event_buffer_says_how_many_events_it_holds() {
    insta::assert_snapshot!(in_general(
        "\tHashLimit 65535\n\tNetlinkBufferSize 262142\n\tNetlinkBufferSizeMaxGrowth 655355\n"
    ));
}

#[test]
fn timers_that_do_not_fit_are_shown_together() {
    insta::assert_snapshot!(in_sync(&format!(
        "\tMode ALARM {{\n\t\tRefreshTime 60\n\t\tCacheTimeout 60\n\t}}\n{LINK}"
    )));
}

#[test]
fn an_unreliable_mode_without_buffers_is_shown_with_its_link() {
    insta::assert_snapshot!(in_sync(&format!("\tMode NOTRACK {{ }}\n{LINK}")));
}

#[test]
fn a_filter_that_forgets_the_link_is_told_what_to_add() {
    let filter = "\tFilter {\n\t\tAddress Ignore {\n\t\t\tIPv4_address 127.0.0.1\n\t\t}\n\t}\n";
    insta::assert_snapshot!(rendered(format!(
        "{GENERAL}General {{\n{filter}}}\nSync {{\n\tMode FTFW {{ }}\n{LINK}}}\n"
    )));
}

#[test]
fn a_filter_that_accepts_the_peer_of_a_link_names_it() {
    let filter = "\tFilter {\n\t\tAddress Accept {\n\t\t\tIPv4_address 192.0.2.2/31\n\t\t}\n\t}\n";
    insta::assert_snapshot!(rendered(format!(
        "{GENERAL}General {{\n{filter}}}\nSync {{\n\tMode FTFW {{ }}\n{LINK}}}\n"
    )));
}

#[test]
fn two_links_over_one_interface_are_shown_together() {
    let other = LINK.replace("3780", "3781");
    insta::assert_snapshot!(in_sync(&format!("\tMode FTFW {{ }}\n{LINK}{other}")));
}

#[test]
fn a_line_no_person_wrote_is_not_shown() {
    insta::assert_snapshot!(rendered(format!("{GENERAL}Stats {{ {} }}\n", "x".repeat(5000))));
}

#[test]
fn colours_are_all_that_the_styled_text_has_beside_the_plain_one() {
    let source = "Stats { LogFile \x1b[2J\u{9b}2J }\nGeneral { HashSzie 3 }\n".as_bytes();
    let name = "a\x1b[2J.conf";
    let outcome = parse(name, source);
    let styled = conf_grammar::render_styled(&outcome.diagnostics, name, source);
    assert!(styled.starts_with("\x1b["), "{styled:?}");
    let mut parts = styled.split("\x1b[");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let (colour, text) = part.split_once('m').unwrap();
        assert!(colour.chars().all(|c| c.is_ascii_digit() || c == ';'), "{part:?}");
        plain.push_str(text);
    }
    assert_eq!(plain, render(&outcome.diagnostics, name, source));
}

#[test]
fn a_misspelt_protocol_gets_a_suggestion_in_the_letters_it_was_written_in() {
    let help = |word: &str| {
        let source = format!("Stats {{ }} General {{ Filter {{ Protocol Accept {{ {word} }} }} }}");
        help(&source, Code::UnknownProtocol)
    };
    assert_eq!(help("TPC"), "did you mean `TCP`?");
    assert_eq!(help("UPD"), "did you mean `UDP`?");
    assert_eq!(help("SCPT"), "did you mean `SCTP`?");
    assert_eq!(help("tpc"), "did you mean `tcp`?");
}

#[test]
fn the_name_that_the_kernel_gives_a_state_leads_to_that_of_the_file() {
    let help = |word: &str| {
        let source = format!("Stats {{ }} General {{ Filter {{ State Accept {{ {word} for TCP }} }} }}");
        help(&source, Code::UnknownState)
    };
    assert_eq!(help("SYN_SENT2"), "what the kernel calls so is `LISTEN` here");
    assert_eq!(help("SYN_SNT"), "did you mean `SYN_SENT`?");
}

#[test]
fn an_entry_that_is_given_twice_is_named() {
    let message = |filter: &str| {
        let source = format!("Stats {{ }} General {{ Filter {{ {filter} }} }}");
        finding(&source, Code::RepeatedEntry).message
    };
    assert_eq!(message("Protocol Ignore { TCP tcp }"), "`TCP` is given twice");
    assert_eq!(
        message("Address Ignore { IPv4_address 10.0.0.0/8 IPv4_address 10.0.0.0/8 }"),
        "`10.0.0.0/8` is given twice"
    );
}

#[test]
fn a_set_that_accepts_nothing_says_what_it_keeps_out() {
    let message = |set: &str| {
        let source = format!("Stats {{ }} General {{ Filter {{ {set} Accept {{ }} }} }}");
        finding(&source, Code::EmptyAccept).message
    };
    assert_eq!(
        message("Protocol"),
        "`Protocol Accept` without an entry keeps out every flow"
    );
    assert_eq!(
        message("State"),
        "`State Accept` without an entry keeps out every TCP flow whose state is known"
    );
}

#[test]
fn the_summary_counts_what_is_shown_and_says_that_there_is_more() {
    let summary = |clause: &str, n: usize| {
        let source = format!("{GENERAL}Stats {{ }}\nGeneral {{\n{}}}\n", clause.repeat(n));
        rendered(source).lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(summary("HashSzie 1\n", 50), "conntrackd.conf: 50 errors");
    assert_eq!(summary("HashSzie 1\n", 51), "conntrackd.conf: 50 errors and more");
    assert_eq!(summary("HashSize 8\n", 201), "conntrackd.conf: 200 warnings");
    assert_eq!(
        summary("HashSize 8\n", 202),
        "conntrackd.conf: 200 warnings and more"
    );
}

#[test]
fn a_number_out_of_range_is_told_whether_0_is_allowed() {
    let message = |clause: &str| {
        let source = format!("Stats {{ }} General {{ {clause} }}");
        finding(&source, Code::NumberRange).message
    };
    assert_eq!(
        message("HashSize 4294967296"),
        "`HashSize` must be between 1 and 67108864 buckets, or 0 as if it were missing, not `4294967296`"
    );
    assert_eq!(
        message("PollSecs 0"),
        "`PollSecs` must be between 1 and 86400 seconds, not `0`"
    );
}

#[test]
fn an_unknown_clause_is_answered_with_what_the_block_has() {
    let help = |clauses: &str| help(&format!("Sync {{ {clauses} }}"), Code::UnknownClause);
    assert_eq!(help("Opts { }"), "did you mean `Options`?");
    assert_eq!(
        help("Mode NOTRACK { Nonsense 1 }"),
        "its clauses are `CommitTimeout`, `PurgeTimeout`, `DisableInternalCache`, `DisableExternalCache`, `StartupResync`"
    );
}
