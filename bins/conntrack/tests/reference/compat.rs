//! A row for every option.

use std::fmt::Write;

use conntrack::options::table::{GENERAL, PARTS, PROTOCOLS};

use super::{commands, state};

pub(super) fn rows() -> String {
    let mut table = "| Option | Taken by | Needed by | State |\n|---|---|---|---|\n".to_owned();
    for row in &GENERAL {
        let letter = row.short.map(|letter| format!("`-{}`, ", char::from(letter)));
        let names = names(row.names);
        put(
            &mut table,
            &format!("{}{names}", letter.unwrap_or_default()),
            row.may,
            row.must,
            &state(row.standing),
        );
    }
    for row in &PARTS {
        for used in row.uses {
            let of_use = PROTOCOLS
                .iter()
                .filter(|protocol| used.protocols & protocol.tracked.bit() != 0);
            let protocols: Vec<_> = of_use.map(|protocol| protocol.name).collect();
            let option = format!("{} of {}", names(row.names), protocols.join(", "));
            put(&mut table, &option, used.may, used.must, &state(row.standing));
        }
    }
    table
}

fn names(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`--{name}`")).collect();
    names.join(", ")
}

fn put(table: &mut String, option: &str, may: u32, must: u32, state: &str) {
    let cell = |kinds| match commands(kinds) {
        text if text.is_empty() => "-".to_owned(),
        text => format!("`{text}`"),
    };
    // Writing to a string does not fail.
    let _ = writeln!(table, "| {option} | {} | {} | {state} |", cell(may), cell(must));
}
