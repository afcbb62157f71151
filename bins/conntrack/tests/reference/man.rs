//! The manual page.

use conntrack::options::help::{SECTIONS, words};
use conntrack::options::table::{GENERAL, PARTS, PROTOCOLS, Standing, VERBS, Value};
use roff::{Inline, Roff, bold, italic, roman};

use super::commands;

pub(super) fn page() -> String {
    let mut page = Roff::new();
    chapter(
        &mut page,
        "NAME",
        &["conntrack - shows and edits the kernel's connection-tracking table"],
    );
    page.control("SH", ["SYNOPSIS"]);
    page.text([
        bold("conntrack"),
        roman(" "),
        italic("COMMAND"),
        roman(" ["),
        italic("TABLE"),
        roman("] ["),
        italic("OPTION"),
        roman("]..."),
    ]);
    page.control("br", []);
    page.text([bold("conntrack -R"), roman(" "), italic("FILE")]);
    chapter(&mut page, "DESCRIPTION", &DESCRIPTION);
    verbs(&mut page);
    for (section, heading) in SECTIONS {
        page.control("SH", [heading.to_uppercase().as_str()]);
        for row in GENERAL.iter().filter(|row| row.section == section) {
            let letter = row.short.map(|letter| format!("-{}", char::from(letter)));
            term(&mut page, letter.as_deref(), row.names, row.value);
            page.text([roman(sentence(row.doc))]);
            let words = words(row.column);
            if !words.is_empty() {
                page.text([roman(format!("Known words: {}.", words.join(", ")))]);
            }
            facts(&mut page, row.may, row.must, row.standing);
        }
    }
    protocols(&mut page);
    chapter(&mut page, "VALUES", &VALUES);
    chapter(&mut page, "FILES THAT -R READS", &LOAD);
    chapter(&mut page, "EXIT STATUS", &EXIT);
    page.control("SH", ["EXAMPLES"]);
    for (what, line) in EXAMPLES {
        page.control("TP", []);
        page.text([roman(what)]);
        page.text([bold(line)]);
    }
    chapter(
        &mut page,
        "FILES",
        &["/etc/xtables/connlabel.conf names the labels, /etc/protocols the protocols."],
    );
    page.control("SH", ["SEE ALSO"]);
    page.control("BR", ["conntrackd", "(8),"]);
    page.control("BR", ["conntrackd.conf", "(5)"]);
    let text = page.to_roff();
    format!(
        ".\\\" Made from bins/conntrack/src/options/table; do not edit:\n.\\\" UPDATE=1 cargo test -p conntrack --test reference\n.TH CONNTRACK 8 \"\" Flowtwin \"System administration\"\n{text}"
    )
}

fn verbs(page: &mut Roff) {
    page.control("SH", ["COMMANDS"]);
    for row in &VERBS {
        let operand = row.operand.map(|_| "[TABLE]");
        page.control("TP", []);
        let mut inlines = vec![
            bold(format!("-{}", char::from(row.short))),
            roman(", "),
            bold(format!("--{}", row.long)),
        ];
        inlines.extend(operand.map(|operand| italic(format!(" {operand}"))));
        page.text(inlines);
        page.text([roman(sentence(row.doc))]);
    }
    page.control("TP", []);
    page.text([bold("-R"), roman(", "), bold("--load-file"), italic(" FILE")]);
    page.text([roman("Carry out the lines of a file; - is standard input. It is the first argument, and nothing follows the file.")]);
}

fn protocols(page: &mut Roff) {
    page.control("SH", ["OPTIONS OF PROTOCOLS"]);
    page.text([roman("They go after -p.")]);
    for row in &PARTS {
        term(page, None, row.names, row.value);
        page.text([roman(sentence(row.doc))]);
        for used in row.uses {
            let of_use = PROTOCOLS
                .iter()
                .filter(|protocol| used.protocols & protocol.tracked.bit() != 0);
            let names: Vec<_> = of_use.map(|protocol| protocol.name).collect();
            page.text([roman(format!("Of {}.", names.join(", ")))]);
            facts(page, used.may, used.must, Standing::Same);
        }
        facts(page, 0, 0, row.standing);
    }
}

fn term(page: &mut Roff, letter: Option<&str>, names: &[&str], value: Value) {
    page.control("TP", []);
    let mut inlines: Vec<Inline> = Vec::new();
    let names = names.iter().map(|name| format!("--{name}"));
    for name in letter.map(str::to_owned).into_iter().chain(names) {
        if !inlines.is_empty() {
            inlines.push(roman(", "));
        }
        inlines.push(bold(name));
    }
    match value {
        Value::None => {}
        Value::Required(what) => inlines.push(italic(format!(" {what}"))),
        Value::Optional(what) => inlines.push(italic(format!(" [{what}]"))),
    }
    page.text(inlines);
}

/// Who takes an option, and what the stock tool does with it.
fn facts(page: &mut Roff, may: u32, must: u32, standing: Standing) {
    if may != 0 {
        page.text([roman(format!("Taken by {}.", commands(may)))]);
    }
    if must != 0 {
        page.text([roman(format!("Needed by {}.", commands(must)))]);
    }
    let difference = match standing {
        Standing::Same => return,
        Standing::Differs(how) => format!("Differs from conntrack-tools: {how}."),
        Standing::Ours(what) => format!("Not in conntrack-tools: {what}."),
    };
    page.control("IP", []);
    page.text([roman(difference.replace('`', ""))]);
}

fn sentence(doc: &str) -> String {
    format!("{doc}.")
}

fn chapter(page: &mut Roff, title: &str, texts: &[&str]) {
    page.control("SH", [title]);
    for (n, text) in texts.iter().enumerate() {
        if n > 0 {
            page.control("PP", []);
        }
        page.text([roman(*text)]);
    }
}

const DESCRIPTION: [&str; 3] = [
    "A flow is one entry of the kernel's connection-tracking table; an expectation is a flow that a helper foretells. conntrack lists, finds, creates, changes and deletes them, and shows what happens to them.",
    "TABLE is conntrack (if none is named), expect, dying or unconfirmed, perhaps cut short. It is the word behind the command, or glued to it, or behind =.",
    "There is one command. Options stand anywhere, long ones may be cut short as long as only one begins so, and -- ends them. The last of two equal options counts, but -u, -e, -o, -l, --label-add and --label-del add up.",
];

const VALUES: [&str; 4] = [
    "Addresses are IPv4 in each notation of inet_aton(3), or IPv6. Where flows are selected, a list with commas selects what has one of its addresses; its items are addresses, networks (ADDRESS/BITS, for -s and -d) and ranges (ADDRESS-ADDRESS). Ports make lists in the same way: 80,443,8000-8100.",
    "Numbers of -m, -w, -i, -c, of zones and of GRE keys are decimal, hexadecimal after 0x, or octal after 0; all others are decimal.",
    "A translation to do is ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, and each of them may be a range from which the kernel chooses: ADDRESS-ADDRESS, ADDRESS:PORT-PORT, [ADDRESS-ADDRESS]:PORT-PORT.",
    "A label is a name of /etc/xtables/connlabel.conf, or # and its bit.",
];

const LOAD: [&str; 3] = [
    "Each line is a command line without the name of the program: -I, -A, -U, -D or -F, on flows. conntrack -L -o save prints such lines. Empty lines and those whose first character is # mean nothing.",
    "Words stand between blanks. A double quote keeps blanks in a word until the next one, which ends the word; between them a backslash takes the next character as it is. A line has up to 10239 bytes and 253 words, a word up to 1023 bytes.",
    "The whole file is read before anything is done. A line that is refused means that nothing has been done.",
];

const EXIT: [&str; 1] = [
    "0: done, also if a list is empty. 1: the kernel refuses, or nothing was found to show, delete or change, or options exclude each other. 2: the command line is refused.",
];

const EXAMPLES: [(&str, &str); 6] = [
    ("All flows, with the family:", "conntrack -L -o extended"),
    (
        "Web traffic of a network:",
        "conntrack -L -s 10.0.0.0/8 -p tcp --dport 80,443",
    ),
    ("Delete what was never answered:", "conntrack -D -u UNREPLIED"),
    (
        "Mark some flows:",
        "conntrack -U -s 192.0.2.1-192.0.2.9 -m 0x10/0xf0",
    ),
    (
        "Save the table, and restore it:",
        "conntrack -L -o save > flows; conntrack -R flows",
    ),
    ("Watch flows end:", "conntrack -E -e DESTROY -o timestamp"),
];
