//! Checks the table of faults: all rows exist, the tests that it names exist, and it names every
//! test of a fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The file with the table.
const TABLE: &str = "rpc-runtime/docs/reliability.md";
/// How many rows each section has.
const ROWS: [(char, usize); 9] = [
    ('A', 23),
    ('B', 19),
    ('C', 25),
    ('D', 10),
    ('E', 19),
    ('F', 12),
    ('G', 21),
    ('H', 17),
    ('I', 10),
];

/// The entry of a row that types prove, so that it needs no test.
const BY_NO_TEST: [&str; 1] = ["by type"];

/// Compares the table with the tests in `files`.
pub(super) fn check<'f>(
    root: &Path,
    files: impl Iterator<Item = &'f str>,
    wrong: &mut Vec<String>,
) {
    let text = fs::read_to_string(root.join(TABLE)).unwrap_or_default();
    let rows: BTreeMap<_, _> = text.lines().filter_map(row).collect();
    let numbers =
        ROWS.iter().flat_map(|(section, rows)| (1..=*rows).map(move |n| format!("{section}{n}")));
    let absent = numbers.filter(|number| !rows.contains_key(number.as_str()));
    wrong.extend(absent.map(|number| format!("{TABLE}: there is no row {number}")));

    let sources = files.filter(|name| name.ends_with(".rs"));
    let sources = sources.filter_map(|name| fs::read_to_string(root.join(name)).ok());
    let functions: BTreeSet<_> = sources.flat_map(|source| functions(&source)).collect();
    let named: BTreeSet<_> = rows.values().flat_map(|tests| tests.iter().copied()).collect();
    let open = rows.iter().filter(|(_, tests)| tests.is_empty()).map(|(number, _)| number);
    wrong.extend(
        open.map(|number| format!("{TABLE}: row {number} names no test, and does not say why")),
    );
    let named = named.difference(&BY_NO_TEST.into()).copied().collect::<BTreeSet<_>>();
    for test in named.iter().filter(|test| !functions.contains(**test)) {
        wrong.push(format!("{TABLE}: there is no test `{test}`"));
    }
    for test in functions.iter().filter(|name| name.starts_with("fault_")) {
        if !named.contains(test.as_str()) {
            wrong.push(format!("{TABLE}: no row names `{test}`"));
        }
    }
}

/// Reads a row: its number, and the tests that it names, or the reason for having none.
fn row(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let number = cells.next()?;
    let is_number = number.chars().next().is_some_and(|c| ('A'..='I').contains(&c))
        && number[1..].parse::<usize>().is_ok();
    let tests = cells.nth(2)?;
    let tests = match BY_NO_TEST.contains(&tests) {
        true => vec![tests],
        false => tests.split('`').skip(1).step_by(2).collect(),
    };
    is_number.then_some((number, tests))
}

/// Returns the names of a source's functions.
fn functions(source: &str) -> Vec<String> {
    let names = source.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_its_number_and_its_tests() {
        let line = "| B3 | a | what `is` said | `one`, `two` | |";
        assert_eq!(row(line), Some(("B3", vec!["one", "two"])));
        assert_eq!(row("| C1 | a | b | open | |"), Some(("C1", vec![])));
        assert_eq!(row("| C2 | a | b | by type | |"), Some(("C2", vec!["by type"])));
        assert_eq!(row("| # | Fault | Promise | Test | Figure |"), None);
        assert_eq!(row("|---|---|---|---|---|"), None);
    }

    #[test]
    fn functions_are_found() {
        assert_eq!(functions("async fn a_b(x: u8) {}\nfn c<T>() {}"), ["a_b", "c"]);
    }
}
