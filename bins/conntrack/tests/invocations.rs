//! Command lines as the stock tool takes or refuses them, and what is made of them here.
//!
//! `stock/invocations.tsv` has a line each: the status with which conntrack 1.4.7 refuses it (`-` if it
//! does not), its message, and the arguments as a shell reads them.

use std::ffi::OsString;
use std::path::Path;

use conntrack::options::{Context, Refusal, parse};

const INVOCATIONS: &str = include_str!("stock/invocations.tsv");
const PROTOCOLS: &str = "stock/protocols";

fn context() -> Context {
    let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    Context::with_files(&stock.join("stock/connlabel.conf"), &stock.join(PROTOCOLS))
}

/// Splits a line at its blanks; single quotes keep them.
fn words(line: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.into_iter().map(OsString::from).collect()
}

fn run(line: &str) -> Result<(), Refusal> {
    let args = [OsString::from("conntrack")].into_iter().chain(words(line));
    parse(args, &mut context()).map(drop)
}

fn shown(exit: &str, message: &str) -> String {
    match exit {
        "-" => "taken".to_owned(),
        "crashes" => "crashes".to_owned(),
        exit => format!("exit {exit}: {message}"),
    }
}

/// Every difference stands in the snapshot; the other lines are as with the stock tool.
#[test]
fn what_the_stock_tool_takes_or_refuses_is_taken_or_refused() {
    let (mut n_same, mut n_refused) = (0, 0);
    let mut differences = String::new();
    for line in INVOCATIONS.lines() {
        let [exit, message, invocation] = line.split('\t').collect::<Vec<_>>()[..] else {
            unreachable!("three columns: {line}");
        };
        let stock = shown(exit, message);
        let ours = match run(invocation) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => shown(&refusal.exit_code().to_string(), &refusal.to_string()),
        };
        if ours == stock {
            n_same += 1;
            n_refused += usize::from(exit != "-");
        } else {
            differences += &format!("conntrack {invocation}\n  stock  {stock}\n  ours   {ours}\n");
        }
    }
    insta::assert_snapshot!(format!(
        "{n_same} the same, {n_refused} of them refused with the same words\n\n{differences}"
    ));
}

/// Misuses of what the stock tool does not have, or not so.
const OWN_MISUSES: [&str; 20] = [
    "-L -s 10.0.0.1,",
    "-L -s 10.0.0.9-10.0.0.1",
    "-L -s 10.0.0.1-fd00::1",
    "-L -s 10.0.0.1,10.0.0.2 --mask-src 255.0.0.0",
    "-L -r 10.0.0.0/8,10.0.0.1",
    "-L -p tcp --dport 80,",
    "-L -p tcp --dport 90-80",
    "-L -p gre --srckey 65536",
    "-L -n 5.5.5.5-5.5.5.9",
    "-L -n 5.5.5.5:1-2",
    "-L -z -n",
    "-L -o json,xml",
    "-L -l #128",
    "-L -l #x",
    "-S -o id",
    "-U -p sctp --orig-vtag 1",
    "-L --helper ftp",
    "-A -p udp -t 1 -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --helper a-name-of-sixteen",
    "-A -p udp -t 1 -s 1.1.1.1,1.1.1.2 -d 2.2.2.2 --sport 1 --dport 2",
    "-A -p udp -t 1 -s 1.1.1.1 -d 2.2.2.2 --sport 1-9 --dport 2",
];

#[test]
fn a_misuse_is_told_with_its_status_and_perhaps_the_help() {
    let of_stock = INVOCATIONS.lines().filter_map(|line| line.split('\t').nth(2));
    let mut told = String::new();
    for invocation in of_stock.chain(OWN_MISUSES) {
        if let Err(refusal) = run(invocation) {
            let hint = if refusal.has_hint() { "" } else { " (no hint)" };
            told += &format!(
                "conntrack {invocation}\n  {}: {refusal}{hint}\n",
                refusal.exit_code()
            );
        }
    }
    for invocation in OWN_MISUSES {
        assert!(run(invocation).is_err(), "{invocation}");
    }
    insta::assert_snapshot!(told);
}
