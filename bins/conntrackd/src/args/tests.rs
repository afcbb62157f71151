use super::*;

fn parsed(line: &str) -> Result<Invocation, NoRun> {
    parse(
        ["conntrackd"]
            .into_iter()
            .chain(line.split_whitespace())
            .map(OsString::from),
    )
}

fn run(line: &str) -> Run {
    parsed(line)
        .unwrap_or_else(|refused| panic!("{line}: {refused:?}"))
        .run
}

fn refusal(line: &str) -> String {
    match parsed(line) {
        Err(NoRun::Refused { message, .. }) => message,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn without_a_client_action_the_program_is_the_daemon() {
    for (line, config, place) in [
        ("", CONFIG_PATH, Place::Foreground),
        ("-d", CONFIG_PATH, Place::Background),
        ("-C /a -d", "/a", Place::Background),
        ("-d -C /a -C /b", "/b", Place::Background),
        ("-C /a", "/a", Place::Foreground),
    ] {
        let want = Invocation {
            config: config.into(),
            dialect: Dialect::Strict,
            run: Run::Daemon(place),
        };
        assert_eq!(parsed(line), Ok(want), "{line}");
    }
}

#[test]
fn every_client_action_asks_for_what_it_says() {
    use CacheName::{External, Internal};
    use Table::{Both, Expectations, Flows};
    let dump = |cache, table, format| Request::Dump { cache, table, format };
    for (line, request) in [
        ("-c", Request::Commit(Both)),
        ("-c ct", Request::Commit(Flows)),
        ("-c exp", Request::Commit(Expectations)),
        ("-i", dump(Internal, Flows, DumpFormat::Text)),
        ("-i e", dump(Internal, Expectations, DumpFormat::Text)),
        ("-i -x", dump(Internal, Flows, DumpFormat::Xml)),
        ("-e expect -x", dump(External, Expectations, DumpFormat::Xml)),
        ("-f", Request::FlushCache(None)),
        ("-f int", Request::FlushCache(Some(Internal))),
        ("-f external", Request::FlushCache(Some(External))),
        ("-F", Request::FlushKernel(Both)),
        ("-F ct", Request::FlushKernel(Flows)),
        ("-R", Request::ResyncKernel(Both)),
        ("-R exp -C /a", Request::ResyncKernel(Expectations)),
        ("-B", Request::Bulk),
        ("-n", Request::RequestResync),
        ("-t", Request::SchedulePurge),
        ("-k", Request::Stop),
        ("-C /a -k", Request::Stop),
    ] {
        assert_eq!(
            run(line),
            Run::Client {
                request,
                advice: None
            },
            "{line}"
        );
    }
}

#[test]
fn a_topic_may_be_cut_short_and_ties_have_an_order() {
    for (line, topic) in [
        ("-s", StatsTopic::Flows),
        ("-s ct", StatsTopic::Flows),
        ("-s c", StatsTopic::Cache),
        ("-s n", StatsTopic::Network),
        ("-s r", StatsTopic::Runtime),
        ("-s rs", StatsTopic::ResendQueue),
        ("-s rsqueue", StatsTopic::ResendQueue),
        ("-s p", StatsTopic::Process),
        ("-s queue", StatsTopic::Queue),
        ("-s link", StatsTopic::Link),
        ("-s exp", StatsTopic::Expectations),
    ] {
        let request = Request::Statistics(topic);
        assert_eq!(
            run(line),
            Run::Client {
                request,
                advice: None
            },
            "{line}"
        );
    }
    let Run::Client { request, advice } = run("-s multicast") else {
        panic!("a client run");
    };
    assert_eq!(request, Request::Statistics(StatsTopic::Link));
    assert!(advice.is_some_and(|advice| advice.contains("use `link'")));
}

#[test]
fn a_question_about_the_configuration_is_spelt_out() {
    let check = Examination {
        question: Question::Check(Scope::Text),
        format: MessageFormat::Human,
        warnings: Warnings::Allowed,
    };
    let flow = "tcp 6 src=10.0.0.1";
    for (line, examination) in [
        (&["--check"][..], check.clone()),
        (
            &["-C", "-", "--check", "--host"],
            Examination {
                question: Question::Check(Scope::Host),
                ..check.clone()
            },
        ),
        (
            &["--deny-warnings", "--check", "--message-format", "json"],
            Examination {
                format: MessageFormat::Json,
                warnings: Warnings::Denied,
                ..check.clone()
            },
        ),
        (
            &["--print-config", "--format=json"],
            Examination {
                question: Question::Print,
                format: MessageFormat::Json,
                ..check.clone()
            },
        ),
        (
            &["--migrate", "--format", "human"],
            Examination {
                question: Question::Migrate,
                ..check.clone()
            },
        ),
        (
            &["--explain", flow],
            Examination {
                question: Question::Explain(Flows::Line(flow.to_owned())),
                ..check.clone()
            },
        ),
        (
            &["--explain", "-"],
            Examination {
                question: Question::Explain(Flows::StandardInput),
                ..check
            },
        ),
    ] {
        let args = ["conntrackd"].iter().chain(line).map(OsString::from);
        let parsed = parse(args).unwrap_or_else(|refused| panic!("{line:?}: {refused:?}"));
        assert_eq!(parsed.run, Run::Examination(examination), "{line:?}");
        assert_eq!(parsed.dialect, Dialect::Strict, "{line:?}");
    }
}

#[test]
fn the_language_of_the_stock_daemon_is_for_every_run() {
    for line in ["--compat", "-d --compat", "--compat --check", "-s --compat"] {
        let dialect = parsed(line).map(|invocation| invocation.dialect);
        assert_eq!(dialect, Ok(Dialect::Stock), "{line}");
    }
}

#[test]
fn questions_that_contradict_each_other_are_refused() {
    for (line, message) in [
        ("--check --migrate", "--check cannot be combined with --migrate"),
        ("--check -d", "-d cannot be combined with --check"),
        ("-d --check", "-d cannot be combined with --check"),
        ("-k -d", "-d cannot be combined with -k"),
        ("-d --print-config", "-d cannot be combined with --print-config"),
        ("--check -k", "-k cannot be combined with --check"),
        (
            "--print-config -i -x",
            "-i cannot be combined with --print-config",
        ),
        ("--host", "--host goes with --check"),
        ("--host --migrate", "--host goes with --check"),
        (
            "--deny-warnings -d",
            "--deny-warnings goes with --check, --print-config, --migrate, --explain",
        ),
        (
            "--format json",
            "--message-format goes with --check, --print-config, --migrate, --explain",
        ),
        ("--check=yes", "--check takes no operand"),
        ("--explain", "--explain lacks its operand"),
        (
            "-C - --explain -",
            "standard input cannot be both configuration and flows",
        ),
        (
            "-C - -d",
            "-C - goes with --check, --print-config, --migrate or --explain",
        ),
        (
            "-C - -k",
            "-C - goes with --check, --print-config, --migrate or --explain",
        ),
    ] {
        assert_eq!(refusal(line), format!("Invalid parameters: {message}"), "{line}");
    }
    assert_eq!(
        refusal("--check --format xml"),
        "unknown parameter `xml' for option `--message-format'"
    );
}

#[test]
fn what_means_nothing_is_refused_in_known_words() {
    for (line, message) in [
        ("-s foo", "unknown parameter `foo' for option `-s'"),
        ("-f foo", "unknown parameter `foo' for option `-f'"),
        ("-c foo", "unknown parameter `foo' for option `-c'"),
        ("-i ct foo", "Unknown option: foo"),
        ("--stats", "Unknown option: --stats"),
        ("--chec", "Unknown option: --chec"),
        ("--stats=x", "Unknown option: --stats"),
        ("-S", "Unknown option: -S"),
        ("-", "Unknown option: -"),
        ("--", "Unknown option: --"),
        ("-ix", "Unknown option: -ix"),
        ("-iexp", "Unknown option: -iexp"),
        ("-dv", "Unknown option: -dv"),
        ("xi", "Unknown option: xi"),
    ] {
        assert_eq!(refusal(line), message, "{line}");
    }
    for line in [
        "-i -d", "-d -i", "-i -s", "-c -f", "-x", "-x -i", "-s -x", "-d -x", "-C", "-s -C",
    ] {
        let message = refusal(line);
        assert!(message.starts_with("Invalid parameters: "), "{line}: {message}");
    }
}

#[test]
fn an_empty_argument_is_refused() {
    for args in [&["conntrackd", ""][..], &["conntrackd", "-s", ""]] {
        let refused = parse(args.iter().map(OsString::from));
        assert!(
            matches!(refused, Err(NoRun::Refused { .. })),
            "{args:?}: {refused:?}"
        );
    }
}

#[test]
fn help_and_version_are_texts() {
    for (line, part) in [
        ("-h", "Client mode commands"),
        ("--help", "commit external cache"),
        ("-v", env!("CARGO_PKG_VERSION")),
        ("-C /a -v", "conntrackd"),
    ] {
        let Err(NoRun::Text(text)) = parsed(line) else {
            panic!("{line} is a text");
        };
        assert!(text.contains(part), "{line}: {text}");
    }
}

#[test]
fn the_table_of_options_is_consistent() {
    command().debug_assert();
}
