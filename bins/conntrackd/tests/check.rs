//! Questions to the real program about a configuration: exit codes, and what goes to which stream.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Program, listing};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conf-grammar/tests/samples");
const SIX_MISTAKES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../conf-grammar/tests/six-mistakes.conf"
);

/// Nothing is wrong with it, but for what every configuration is told.
const FAULTLESS: &str = "Sync {
	Mode FTFW {
	}
	UDP {
		IPv4_address 192.0.2.1
		IPv4_Destination_Address 192.0.2.2
		Port 3780
		Interface nothere0
	}
}
General {
	LogFile DIR/log
	LockFile DIR/lock
	UNIX {
		Path DIR/ctl
	}
	Filter From Userspace {
		Address Ignore {
			IPv4_address 127.0.0.1
			IPv4_address 192.0.2.1
			IPv4_address 192.0.2.2
			IPv6_address ::1
		}
	}
}
";

#[test]
fn the_exit_code_of_a_check_is_the_verdict_on_every_sample() {
    let program = Program::unprivileged();
    let table = fs::read_to_string(Path::new(SAMPLES).join("expected.tsv")).unwrap();
    let mut n_samples = 0;
    for line in table.lines().skip(1) {
        let mut columns = line.split('\t');
        let (name, verdict) = (columns.next().unwrap(), columns.next().unwrap());
        let sample = fs::read(Path::new(SAMPLES).join(name)).unwrap();
        let run = program.run_with_input(&["--check", "-C", "-"], &sample);
        let code = i32::from(verdict == "refuse");
        assert_eq!(run.code, code, "{name}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{name}");
        assert_eq!(
            run.stderr.contains("error["),
            verdict == "refuse",
            "{name}: {}",
            run.stderr
        );
        n_samples += 1;
    }
    assert_eq!(n_samples, 143);
}

#[test]
fn a_check_creates_nothing_even_where_it_could() {
    let program = Program::unprivileged();
    let path = program.write("conf", &FAULTLESS.replace("DIR", program.dir()));
    let before = listing(program.dir());
    for args in [
        &["--check"][..],
        &["--check", "--message-format", "json"],
        &["--check", "--deny-warnings"],
        &["--print-config"],
    ] {
        program.run(&[&["-C", &path], args].concat());
        assert_eq!(listing(program.dir()), before, "{args:?}");
    }
}

#[test]
fn a_file_without_errors_is_said_to_be_so() {
    let program = Program::unprivileged();
    let path = program.write("conf", "Sync { UDP { IPv4_address 192.0.2.1 IPv4_Destination_Address 192.0.2.2 Port 3780 Interface e0 } Mode FTFW { } }
        General { UNIX { Path /run/ctl } Filter { Address Ignore { IPv4_address 127.0.0.0/8 IPv4_address 192.0.2.0/24 IPv6_address ::1 } } }\n");
    let run = program.run(&["-C", &path, "--check"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    assert_eq!(run.stderr, format!("{path}: no errors, no warnings\n"));
}

#[test]
fn six_mistakes_get_six_findings_in_one_run() {
    let run = Program::unprivileged().run(&["--check", "-C", SIX_MISTAKES]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert_eq!(run.stderr.matches("error[").count(), 6, "{}", run.stderr);
    assert!(
        run.stderr.ends_with("six-mistakes.conf: 6 errors\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn findings_for_programs_are_an_object_a_line_on_stdout() {
    for args in [["--message-format", "json"], ["--format", "json"]] {
        let run = Program::unprivileged().run(&["--check", "-C", SIX_MISTAKES, args[0], args[1]]);
        assert_eq!((run.code, run.stderr.as_str()), (1, ""));
        let findings: Vec<serde_json::Value> = run
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(findings.len(), 6);
        assert_eq!(findings[0]["code"], "unknown-clause");
        assert_eq!(findings[0]["file"], SIX_MISTAKES);
        assert_eq!(
            (&findings[0]["line"], &findings[0]["column"]),
            (&3.into(), &2.into())
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_finding() {
    let program = Program::unprivileged();
    let run = program.run(&["--check", "-C", "/nonexistent"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert_eq!(
        run.stderr,
        "error[unreadable-file]: can't open config file `/nonexistent': No such file or directory\n\
         --> /nonexistent:1:1\n\n/nonexistent: 1 error\n"
    );
    let run = program.run(&["--check", "-C", "/", "--format", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let finding: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(finding["code"], "unreadable-file");
    assert_eq!(finding["message"], "can't read config file `/': Is a directory");
}

#[test]
fn warnings_fail_where_they_are_denied() {
    let program = Program::unprivileged();
    let no_socket = FAULTLESS.replace("	UNIX {\n		Path DIR/ctl\n	}\n", "");
    let path = program.write("conf", &no_socket.replace("DIR", program.dir()));
    let allowed = program.run(&["-C", &path, "--check"]);
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
    assert!(
        allowed.stderr.contains("warning[no-control-socket]"),
        "{}",
        allowed.stderr
    );
    for question in ["--check", "--print-config"] {
        let denied = program.run(&["-C", &path, question, "--deny-warnings"]);
        assert_eq!((denied.code, denied.stdout.as_str()), (1, ""));
        assert!(
            denied.stderr.ends_with("conf: warnings are denied\n"),
            "{}",
            denied.stderr
        );
    }
}

#[test]
fn what_this_version_cannot_do_is_a_warning_of_a_check_and_an_error_of_a_start() {
    let program = Program::unprivileged();
    let with_helpers = format!("Helper {{\n\tSetup on\n}}\n{FAULTLESS}").replace("DIR", program.dir());
    let path = program.write("conf", &with_helpers);
    let picture =
        "section `Helper` is not supported yet\n --> CONF:2:8\n  |\n2 |     Setup on\n  |           ^^\n";
    let picture = picture.replace("CONF", &path);
    let run = program.run(&["-C", &path, "--check"]);
    assert_eq!(run.code, 0);
    let warning = format!("warning[not-supported]: {picture}");
    assert!(run.stderr.contains(&warning), "{}", run.stderr);
    let denied = program.run(&["-C", &path, "--check", "--deny-warnings"]);
    assert_eq!(denied.code, 1);
    let help = program.run(&["-h"]).stdout;
    let words: Vec<&str> = help.split_whitespace().collect();
    let promise = "what this version cannot do is a warning, with --host or --deny-warnings a failure";
    assert!(words.join(" ").contains(promise), "{help}");
    for args in [&["--check", "--host"][..], &[], &["-d"]] {
        let run = program.run(&[&["-C", &path], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{args:?}");
        let error = format!("error[not-supported]: {picture}");
        assert!(run.stderr.contains(&error), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn the_stock_dialect_turns_errors_into_warnings() {
    let program = Program::unprivileged();
    let two_modes = FAULTLESS.replace("	UDP {", "	Mode NOTRACK {\n	}\n	UDP {");
    let path = program.write("conf", &two_modes.replace("DIR", program.dir()));
    let strict = program.run(&["-C", &path, "--check"]);
    assert_eq!(strict.code, 1, "{}", strict.stderr);
    assert!(strict.stderr.contains("error[many-modes]"), "{}", strict.stderr);
    let compat = program.run(&["-C", &path, "--check", "--compat"]);
    assert_eq!(compat.code, 0, "{}", compat.stderr);
    assert!(compat.stderr.contains("warning[many-modes]"), "{}", compat.stderr);
}

#[test]
fn a_printed_configuration_is_accepted_and_prints_the_same_again() {
    let program = Program::unprivileged();
    let path = program.write("conf", &FAULTLESS.replace("DIR", program.dir()));
    let printed = program.run(&["-C", &path, "--print-config"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let checked = program.run_with_input(&["-C", "-", "--check"], printed.stdout.as_bytes());
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let again = program.run_with_input(&["-C", "-", "--print-config"], printed.stdout.as_bytes());
    assert_eq!(again.stdout, printed.stdout);
}

#[test]
fn a_file_with_errors_has_no_answer() {
    let run = Program::unprivileged().run(&["-C", SIX_MISTAKES, "--print-config"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("6 errors"), "{}", run.stderr);
}

#[test]
fn a_check_of_the_host_looks_at_what_the_file_names() {
    let program = Program::unprivileged();
    let wrong = FAULTLESS
        .replace("DIR/lock", "/nonexistent/lock")
        .replace("DIR", program.dir());
    let path = program.write("conf", &wrong);
    assert_eq!(program.run(&["-C", &path, "--check"]).code, 0);
    fs::write(Path::new(program.dir()).join("ctl"), "no socket").unwrap();
    let before = listing(program.dir());
    let run = program.run(&["-C", &path, "--check", "--host"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    for found in [
        "error[no-such-interface]: interface `nothere0` does not exist\n",
        "[address-not-local]: address 192.0.2.1 is not on this machine\n",
        "error[lock-directory]: can't create lockfile `/nonexistent/lock': No such file or directory\n",
        "error[socket-path-taken]: ",
        "warning[public-socket]: any user of this machine can replace the control socket",
    ] {
        assert!(run.stderr.contains(found), "{found} in {}", run.stderr);
    }
    assert_eq!(listing(program.dir()), before);
}

#[test]
fn a_host_that_has_all_that_the_file_names_passes() {
    let program = Program::unprivileged();
    let local = FAULTLESS
        .replace("IPv4_address 192.0.2.1", "IPv4_address 127.0.0.1")
        .replace("nothere0", "lo")
        .replace("DIR", program.dir());
    let path = program.write("conf", &local);
    let before = listing(program.dir());
    let run = program.run(&["-C", &path, "--check", "--host"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    assert_eq!(listing(program.dir()), before);
}

#[test]
fn a_file_that_any_user_can_change_is_a_warning_of_the_host() {
    let program = Program::unprivileged();
    let path = program.write("conf", "Stats {\n\tLogFile off\n}\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
    let run = program.run(&["-C", &path, "--check", "--host"]);
    assert!(run.stderr.contains("warning[config-writable]"), "{}", run.stderr);
}

/// A file of many years ago.
const OLD: &str = "# firewall 1
Sync {
	Mode PERSISTENT {
		RefreshTime 15
	}
	Multicast {
		IPv4_address 225.0.0.50
		IPv4_interface 192.0.2.1	# ours
		Interface eth2
		Group 3780
	}
}
General {
	SocketBufferSize 262142
	UNIX {
		Path /tmp/sync.sock
		Backlog 20
	}
}
IgnoreTrafficFor {
	IPv4_address 127.0.0.1
}
";

#[test]
fn a_migrated_file_is_modern_and_migrating_it_changes_nothing() {
    let program = Program::unprivileged();
    let path = program.write("old", OLD);
    let migrated = program.run(&["-C", &path, "--migrate"]);
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);
    assert!(
        migrated.stdout.starts_with("# firewall 1\n"),
        "{}",
        migrated.stdout
    );
    assert!(
        migrated.stdout.contains("192.0.2.1	# ours\n"),
        "{}",
        migrated.stdout
    );
    for old in ["PERSISTENT", "SocketBufferSize ", "Backlog", "IgnoreTrafficFor"] {
        assert!(
            !migrated.stdout.replace("NetlinkBufferSize", "").contains(old),
            "{old}"
        );
        assert!(
            migrated.stderr.contains(old),
            "{old} is told: {}",
            migrated.stderr
        );
    }
    let again = program.run_with_input(&["-C", "-", "--migrate"], migrated.stdout.as_bytes());
    assert_eq!(again.stdout, migrated.stdout);
    assert!(!again.stderr.contains("deprecated"), "{}", again.stderr);
    let checked = program.run_with_input(&["-C", "-", "--check"], migrated.stdout.as_bytes());
    assert_eq!(checked.code, 0, "{}", checked.stderr);
}

const FLOW: &str = "tcp      6 431998 ESTABLISHED src=192.0.2.1 dst=203.0.113.1 sport=1 dport=80";

#[test]
fn a_flow_is_explained_by_the_clause_that_decides() {
    let program = Program::unprivileged();
    let path = program.write("conf", &FAULTLESS.replace("DIR", program.dir()));
    let run = program.run(&["-C", &path, "--explain", FLOW]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let decided = format!(
        "replicated: no\n{path}:20:17: Address Ignore 192.0.2.1/32 excludes it: the source of the original \
         direction is 192.0.2.1\n"
    );
    assert!(run.stdout.starts_with(&decided), "{}", run.stdout);

    let other = FLOW.replace("192.0.2.1", "198.51.100.1");
    let run = program.run(&["-C", &path, "--explain", &other]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.starts_with("replicated: yes\n"), "{}", run.stdout);
}

#[test]
fn flows_on_standard_input_are_explained_one_by_one() {
    let program = Program::unprivileged();
    let path = program.write("conf", &FAULTLESS.replace("DIR", program.dir()));
    let other = FLOW.replace("192.0.2.1", "198.51.100.1");
    let input = format!("{FLOW}\n\n{other}\n");
    let run = program.run_with_input(&["-C", &path, "--explain", "-"], input.as_bytes());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let answers: Vec<&str> = run.stdout.split_terminator("\n\n").collect();
    let [no, yes] = &answers[..] else {
        panic!("two answers: {answers:?}");
    };
    assert!(no.starts_with(&format!("flow: {FLOW}\nreplicated: no\n")), "{no}");
    assert!(
        yes.starts_with(&format!("flow: {other}\nreplicated: yes\n")),
        "{yes}"
    );
}

#[test]
fn a_line_that_is_no_flow_is_told_with_its_place() {
    let program = Program::unprivileged();
    let path = program.write("conf", &FAULTLESS.replace("DIR", program.dir()));
    let run = program.run(&["-C", &path, "--explain", "tcp src=192.0.2.1 spotr=80"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(
        run.stderr
            .contains("no flow: at byte 18: `spotr=80`: no such key"),
        "{}",
        run.stderr
    );
    let input = format!("{FLOW}\nnonsense\n{FLOW}\n");
    let run = program.run_with_input(&["-C", &path, "--explain", "-"], input.as_bytes());
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stdout.matches("replicated: no\n").count(),
        2,
        "the others are answered"
    );
    assert!(
        run.stderr.contains("line 2: no flow: at byte 0: `nonsense`"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_file_without_an_end_is_read_no_further_than_to_the_limit() {
    let program = Program::unprivileged();
    for args in [&["--check"][..], &["--print-config"], &["-s"]] {
        let run = program.run(&[&["-C", "/dev/zero"], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{args:?}");
        assert!(
            run.stderr.contains("the file has more than 16777216 bytes"),
            "{args:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_line_longer_than_any_flow_is_passed_over() {
    let program = Program::unprivileged();
    let path = program.write("conf", &FAULTLESS.replace("DIR", program.dir()));
    let longest = FLOW.to_owned() + &" ".repeat(65_536 - FLOW.len());
    let input = format!("{}\n{longest}\n{longest} \n{FLOW}", "x".repeat(1 << 20));
    let run = program.run_with_input(&["-C", &path, "--explain", "-"], input.as_bytes());
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stdout.matches("replicated: no\n").count(),
        2,
        "{}",
        run.stdout
    );
    assert_eq!(
        run.stderr,
        "line 1: no flow: the line is longer than 65536 bytes\n\
         line 3: no flow: the line is longer than 65536 bytes\n"
    );
}

#[test]
fn lines_that_are_no_flow_are_objects_for_programs() {
    let program = Program::unprivileged();
    let path = program.write("conf", &FAULTLESS.replace("DIR", program.dir()));
    let told = |run: &str| -> Vec<serde_json::Value> {
        let lines = run.lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let input = format!("{FLOW}\ntcp src=\u{e4} spotr=80\n{}\n", "x".repeat(65_537));
    let explain = ["-C", &path, "--format", "json", "--explain"];
    let run = program.run_with_input(&[&explain[..], &["-"]].concat(), input.as_bytes());
    assert_eq!(run.code, 1);
    let refused = told(&run.stderr);
    assert_eq!(refused.len(), 2, "{}", run.stderr);
    for (finding, line) in refused.iter().zip([2, 3]) {
        assert_eq!(
            (&finding["code"], &finding["file"]),
            (&"bad-flow".into(), &"<stdin>".into())
        );
        assert_eq!(
            (&finding["line"], &finding["end_line"]),
            (&line.into(), &line.into())
        );
    }
    assert_eq!(
        (&refused[0]["column"], &refused[0]["byte"]),
        (&5.into(), &(FLOW.len() + 5).into()),
        "{}",
        refused[0]
    );
    let run = program.run(&[&explain[..], &["tcp src=192.0.2.1 spotr=80"]].concat());
    assert_eq!(run.code, 1);
    let refused = told(&run.stderr);
    assert_eq!(
        (&refused[0]["code"], &refused[0]["column"]),
        (&"bad-flow".into(), &19.into())
    );
}

#[test]
fn an_answer_fails_not_because_nobody_reads_what_else_there_is_to_say() {
    let program = Program::unprivileged();
    let with_a_warning = FAULTLESS.replace("	UNIX {\n		Path DIR/ctl\n	}\n", "");
    let path = program.write("conf", &with_a_warning.replace("DIR", program.dir()));
    for question in ["--check", "--print-config", "--migrate"] {
        let heard = program.run(&["-C", &path, question]);
        assert!(heard.stderr.contains("warning["), "{}", heard.stderr);
        let unheard = program.run_unheard(&["-C", &path, question], b"");
        assert_eq!((unheard.code, unheard.stdout), (0, heard.stdout), "{question}");
    }
    let input = format!("nonsense\n{FLOW}\n");
    let unheard = program.run_unheard(&["-C", &path, "--explain", "-"], input.as_bytes());
    assert_eq!(unheard.code, 1);
    assert!(unheard.stdout.contains("replicated: "), "{}", unheard.stdout);
}

#[test]
fn a_migration_tells_every_change_once() {
    let program = Program::unprivileged();
    let path = program.write("old", OLD);
    let run = program.run(&["-C", &path, "--migrate"]);
    for (word, what) in [
        ("SocketBufferSize", "is called `NetlinkBufferSize`"),
        ("Backlog", "is removed"),
        ("IgnoreTrafficFor", "is part of `Filter`"),
    ] {
        let told = run.stderr.matches(&format!("`{word}` ")).count();
        assert_eq!(told, 1, "{word}: {}", run.stderr);
        let change = format!("note[migrated]: `{word}` {what}");
        assert!(run.stderr.contains(&change), "{}", run.stderr);
    }
    let json = program.run(&["-C", &path, "--migrate", "--format", "json"]);
    assert_eq!((json.code, &json.stdout), (0, &run.stdout));
    let told: Vec<serde_json::Value> = json
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        told.iter()
            .any(|found| found["code"] == "migrated" && found["line"] == 14),
        "{}",
        json.stderr
    );
    assert!(!json.stderr.contains("deprecated"), "{}", json.stderr);
}

#[test]
fn a_migration_of_many_clauses_tells_the_first_changes_and_how_many_more() {
    let program = Program::unprivileged();
    let many = format!("General {{\n{}}}\n", "\tSocketBufferSize 262142\n".repeat(203));
    let run = program.run_with_input(&["-C", "-", "--migrate"], many.as_bytes());
    assert_eq!(run.stdout.matches("\tNetlinkBufferSize 262142\n").count(), 203);
    assert_eq!(run.stderr.matches("note[migrated]").count(), 200);
    assert!(
        run.stderr.contains("3 further changes are made and not shown"),
        "{}",
        run.stderr
    );
    let fewer = many.replacen("\tSocketBufferSize 262142\n", "", 3);
    let run = program.run_with_input(&["-C", "-", "--migrate"], fewer.as_bytes());
    assert!(!run.stderr.contains("further changes"), "{}", run.stderr);
}

#[test]
fn a_check_of_the_host_advises_by_what_hinders_a_file() {
    let program = Program::unprivileged();
    let file = program.write("file", "");
    for (lock, help) in [
        (
            "/nonexistent/lock".to_owned(),
            "make the directory, or choose another path",
        ),
        (format!("{file}/lock"), "choose another path"),
        (
            "/proc/1/lock".to_owned(),
            "this was tried with the rights of the user who runs this command",
        ),
    ] {
        let conf = FAULTLESS.replace("DIR/lock", &lock).replace("DIR", program.dir());
        let path = program.write("conf", &conf);
        let run = program.run(&["-C", &path, "--check", "--host"]);
        let (_, found) = run.stderr.split_once("error[lock-directory]").unwrap();
        let (found, _) = found.split_once("\n\n").unwrap();
        assert!(found.ends_with(&format!("= help: {help}")), "{lock}: {found}");
    }
}

#[test]
fn a_file_that_replicates_nothing_is_told_where_it_says_so() {
    let program = Program::unprivileged();
    let path = program.write("conf", "# mine\nGeneral {\n}\nStats {\n}\n");
    let run = program.run(&["-C", &path, "--check"]);
    let told = "a configuration without section `Sync` is not supported yet\n";
    let pointed = format!("{told} --> {path}:4:1\n");
    assert!(run.stderr.contains(&pointed), "{}", run.stderr);

    let path = program.write("conf", "# mine\nGeneral {\n}\n");
    let run = program.run(&["-C", &path, "--check"]);
    let bare = format!("{told}--> {path}:1:1\n = help: ");
    assert!(run.stderr.contains(&bare), "{}", run.stderr);
    assert!(
        !run.stderr.contains("# mine"),
        "a comment lacks nothing: {}",
        run.stderr
    );
}
