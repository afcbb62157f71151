//! Questions to the real program about a configuration: exit codes, and what goes to which stream.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
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
    assert_eq!(finding["message"], "can't open config file `/': Is a directory");
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
    let alarm = FAULTLESS.replace("FTFW", "ALARM").replace("DIR", program.dir());
    let path = program.write("conf", &alarm);
    let picture =
        "`Mode ALARM` is not supported yet\n --> CONF:2:2\n  |\n2 |     Mode ALARM {\n  |     ^^^^\n";
    let picture = picture.replace("CONF", &path);
    let run = program.run(&["-C", &path, "--check"]);
    assert_eq!(run.code, 0);
    let warning = format!("warning[not-supported]: {picture}");
    assert!(run.stderr.contains(&warning), "{}", run.stderr);
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
