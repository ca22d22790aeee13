//! Checks what compilers do not: headers of files, sizes of functions, links of papers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, process::output};

/// The longest function in the crates whose functions tend to grow.
const LONGEST: usize = 60;

/// Checks every file that git knows.
pub(super) fn check(root: &Path) -> Result<(), Error> {
    let list = output(std::process::Command::new("git").current_dir(root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut wrong = Vec::new();
    for name in list.lines() {
        let path = root.join(name);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if name.ends_with(".rs") && !is_sample(name) {
            header(name, &text, &mut wrong);
            if name.starts_with("idl/src") || name.starts_with("rpc-macros/src") {
                functions(name, &text, &mut wrong);
            }
        }
        if name.ends_with(".md") {
            links(&path, &text, &mut wrong);
        }
    }
    readme(root, &mut wrong);
    super::faults::check(root, list.lines(), &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Whether a test compiles or compares the file, which therefore has the form that the test
/// requires.
fn is_sample(name: &str) -> bool {
    name.starts_with("tests/ui/fail")
        || name.starts_with("tests/ui/pass")
        || name.starts_with("rpc-macros/golden")
}

fn header(name: &str, text: &str, wrong: &mut Vec<String>) {
    if !text.starts_with("//!") {
        wrong.push(format!("{name}: begin with `//!` and what the file is"));
    }
}

/// Counts the lines of each function, in source that rustfmt has laid out.
fn functions(name: &str, text: &str, wrong: &mut Vec<String>) {
    let mut open: Option<(usize, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if open.is_none()
            && (trimmed.contains("fn ") && !trimmed.starts_with("//"))
            && !trimmed.ends_with(';')
        {
            open = Some((number, indent, trimmed.to_owned()));
        }
        if let Some((start, at, head)) = &open {
            let ends = indent == *at && trimmed.starts_with('}')
                || number == *start && line.trim_end().ends_with('}');
            if ends {
                if number - start + 1 > LONGEST {
                    wrong.push(format!(
                        "{name}:{}: {} lines: `{head}`",
                        start + 1,
                        number - start + 1
                    ));
                }
                open = None;
            }
        }
    }
}

/// Checks that links to files lead somewhere.
fn links(path: &Path, text: &str, wrong: &mut Vec<String>) {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    for piece in text.split("](").skip(1) {
        let Some(target) = piece.split(')').next() else { continue };
        let file = target.split('#').next().unwrap_or_default();
        if !file.is_empty() && !file.contains("://") && !folder.join(file).exists() {
            wrong.push(format!("{}: the link to `{file}` leads nowhere", path.display()));
        }
    }
}

/// Checks that the README's first program equals the example.
fn readme(root: &Path, wrong: &mut Vec<String>) {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let (readme, example) = (read("README.md"), read("examples/src/bin/hello.rs"));
    let between = |text: &str, start: &str, end: &str| {
        let rest = text.split_once(start)?.1;
        Some(rest.split_once(end)?.0.trim().to_owned())
    };
    let shown = between(&readme, "```rust\n", "```");
    let real = between(&example, "// README: start", "// README: end");
    if shown.is_none() || shown != real {
        wrong
            .push("README.md: its first program differs from examples/src/bin/hello.rs".to_owned());
    }
}
