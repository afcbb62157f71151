//! The pages that are made from the table of options: the manual page, the completions of shells, and
//! the rows of COMPAT.md.

mod compat;
mod man;

use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use conntrack::options::help;
use conntrack::options::table::{Kind, Standing};

/// The rows of COMPAT.md stand between these lines.
const TABLE: [&str; 2] = ["<!-- conntrack options -->\n", "<!-- /conntrack options -->\n"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_default()
}

/// Compares a committed file with what the table makes of it; with `UPDATE=1` it writes the file.
fn check(name: &str, made: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path(name).parent().expect("a file has a folder"))
            .expect("the folder can be made");
        fs::write(path(name), made).expect("the file can be written");
    }
    assert!(
        read(name) == made,
        "{name} is not what the table says; run `UPDATE=1 cargo test -p conntrack --test reference`"
    );
}

#[test]
fn the_manual_page_is_that_of_the_table() {
    check("packaging/man/conntrack.8", &man::page());
}

#[test]
fn the_completions_are_those_of_the_table() {
    for (shell, name) in [
        (Shell::Bash, "conntrack.bash"),
        (Shell::Zsh, "_conntrack"),
        (Shell::Fish, "conntrack.fish"),
    ] {
        let mut made = Vec::new();
        clap_complete::generate(shell, &mut help::command(), "conntrack", &mut made);
        let made = String::from_utf8(made).expect("completions are text");
        check(&format!("packaging/completions/{name}"), &made);
    }
}

#[test]
fn the_rows_of_compat_are_those_of_the_table() {
    let [begin, end] = TABLE;
    let file = read("COMPAT.md");
    let (before, rest) = file.split_once(begin).expect("the table has a beginning");
    let (_, after) = rest.split_once(end).expect("the table has an end");
    check(
        "COMPAT.md",
        &format!("{before}{begin}{}{end}{after}", compat::rows()),
    );
}

#[test]
fn the_manual_page_is_ascii() {
    assert!(man::page().is_ascii());
}

/// Returns the commands of a set, as they are written.
fn commands(kinds: u32) -> String {
    if kinds == u32::MAX {
        return "all".to_owned();
    }
    let of_set = Kind::ALL.iter().filter(|kind| kinds & kind.bit() != 0);
    of_set.map(|kind| kind.spelt()).collect::<Vec<_>>().join(", ")
}

/// Returns how an option stands to that of the stock tool.
fn state(standing: Standing) -> String {
    match standing {
        Standing::Same => "same".to_owned(),
        Standing::Differs(how) => format!("differs: {how}"),
        Standing::Ours(what) => format!("ours: {what}"),
    }
}
