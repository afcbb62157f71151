//! Runs of the real program that need no privilege: exit codes, and what goes to which stream.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, stdout, stderr.
fn conntrackd(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_conntrackd"))
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Runs with a configuration in a directory of its own, named `DIR` in it.
fn with_config(config: &str, args: &[&str], check: impl FnOnce(&Path, (i32, String, String))) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("conf");
    fs::write(&path, config.replace("DIR", dir.path().to_str().unwrap())).unwrap();
    let args: Vec<&str> = ["-C", path.to_str().unwrap()]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    check(dir.path(), conntrackd(&args));
}

const CONFIG: &str = "Sync {
	Mode FTFW {
	}
	UDP {
		IPv4_address 127.0.0.1
		IPv4_Destination_Address 192.0.2.2
		Port 3780
		Interface lo
	}
}
General {
	LockFile DIR/lock
	UNIX {
		Path DIR/ctl
	}
}
";

#[test]
fn help_and_version_go_to_stdout_and_succeed() {
    for (args, part) in [(["-h"], "Client mode commands"), (["-v"], "conntrackd ")] {
        let (code, stdout, stderr) = conntrackd(&args);
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert!(stdout.contains(part), "{stdout}");
    }
}

#[test]
fn an_unknown_option_shows_the_usage_and_fails() {
    let (code, stdout, stderr) = conntrackd(&["--stats"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("Usage: conntrackd"), "{stdout}");
    assert!(stderr.ends_with("[ERROR] Unknown option: --stats\n"), "{stderr}");
}

#[test]
fn a_wrong_operand_fails_without_usage() {
    let (code, stdout, stderr) = conntrackd(&["-s", "foo"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.ends_with("[ERROR] unknown parameter `foo' for option `-s'\n"),
        "{stderr}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let (code, _, stderr) = conntrackd(&["-C", "/nonexistent", "-s"]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("can't open config file `/nonexistent'"),
        "{stderr}"
    );
}

#[test]
fn a_file_that_opens_and_cannot_be_read_has_an_exit_code_of_its_own() {
    for args in [&["-C", "/"][..], &["-C", "/", "-s"]] {
        let (code, stdout, stderr) = conntrackd(args);
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(
            stderr.ends_with("can't read config file `/': Is a directory\n"),
            "{stderr}"
        );
    }
}

#[test]
fn a_client_without_a_daemon_fails() {
    with_config(CONFIG, &["-s"], |_, (code, stdout, stderr)| {
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert!(
            stderr.contains("can't connect: is conntrackd running? appropriate permissions?"),
            "{stderr}"
        );
        assert!(
            stderr.ends_with("ctl: No such file or directory)\n"),
            "the reason is told once: {stderr}"
        );
    });
}

#[test]
fn a_client_needs_no_more_of_the_file_than_the_socket() {
    let broken = CONFIG.replace("Port 3780", "Prot 3780");
    with_config(&broken, &["-k"], |_, (code, _, stderr)| {
        assert_eq!(code, 1);
        assert!(stderr.contains("can't connect"), "{stderr}");
    });
}

#[test]
fn every_error_of_a_file_is_shown_and_nothing_is_started() {
    let broken = CONFIG
        .replace("Port 3780", "Prot 3780")
        .replace("IPv4_address 127.0.0.1", "IPv4_address 127.0.0");
    for args in [&[][..], &["-d"]] {
        with_config(&broken, args, |dir, (code, _, stderr)| {
            assert_eq!(code, 1);
            for place in ["conf:5:", "conf:7:"] {
                assert!(stderr.contains(place), "{place} in {stderr}");
            }
            assert!(!dir.join("lock").exists() && !dir.join("ctl").exists());
        });
    }
}

#[test]
fn a_clause_that_is_not_supported_is_refused_with_its_place() {
    let with_helpers = format!("Helper {{\n\tSetup on\n}}\n{CONFIG}");
    for args in [&[][..], &["-d"]] {
        with_config(&with_helpers, args, |dir, (code, _, stderr)| {
            assert_eq!(code, 1);
            assert!(
                stderr.contains("error[not-supported]: section `Helper` is not supported yet\n"),
                "{stderr}"
            );
            assert!(stderr.contains("conf:2:8\n"), "{stderr}");
            assert!(!dir.join("lock").exists());
        });
    }
}

#[test]
fn everything_that_can_be_known_before_is_refused_at_once_with_its_clauses() {
    let config = CONFIG
        .replace("DIR/lock", "/nonexistent/lock")
        .replace("General {", "General {\n\tLogFile /nonexistent/log")
        .replace("Interface lo", "Interface nosuch0")
        .replace("IPv4_address 127.0.0.1", "IPv4_address 192.0.2.1");
    for args in [&[][..], &["-d"]] {
        with_config(&config, args, |dir, (code, stdout, stderr)| {
            assert_eq!((code, stdout.as_str()), (1, ""));
            let conf = dir.join("conf");
            for (finding, place) in [
                (
                    "error[no-such-interface]: interface `nosuch0` does not exist\n",
                    "8:13",
                ),
                (
                    "[address-not-local]: address 192.0.2.1 is not on this machine\n",
                    "5:16",
                ),
                (
                    "error[log-not-writable]: can't open logfile `/nonexistent/log'.Reason: No such file or directory\n",
                    "12:10",
                ),
                (
                    "error[lock-directory]: can't create lockfile `/nonexistent/lock': No such file or directory\n",
                    "13:11",
                ),
            ] {
                let rest = stderr
                    .split_once(finding)
                    .unwrap_or_else(|| panic!("{finding} in {stderr}"))
                    .1;
                let arrow = rest.lines().next().unwrap().trim_start();
                assert_eq!(arrow, format!("--> {}:{place}", conf.display()));
            }
            assert!(stderr.ends_with("has errors, nothing was started\n"), "{stderr}");
            assert!(!dir.join("ctl").exists());
        });
    }
}

#[test]
fn a_client_shows_what_is_wrong_with_its_socket_and_says_so_in_one_line() {
    let broken = CONFIG.replace("Path DIR/ctl", "Path ctl");
    with_config(&broken, &["-s"], |dir, (code, stdout, stderr)| {
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert!(stderr.starts_with("error[bad-path]: "), "{stderr}");
        assert_eq!(stderr.matches("[ERROR]").count(), 1, "{stderr}");
        let last = format!(
            "[ERROR] `{}' names no control socket, nothing was asked\n",
            dir.join("conf").display()
        );
        assert!(stderr.ends_with(&last), "{stderr}");
    });
}
