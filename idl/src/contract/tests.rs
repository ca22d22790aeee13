//! A case for each rule, in both directions.

use super::*;

const NOTES: &str = "\
interface Notes
version 2.3
topic \"notes\"
namespace \"desk\"
legacy namespace none
alias \"spring\" 2.1

2.0 cast add(text: String, colour?: Option<String> since 2.2)
2.0 call count(most?: u32, kind: Kind until 2.2 was sort before 2.1) -> u32; for one host; alias tally
2.1 fanout clear()
2.2 call list(all?: bool always \"true\") -> Vec<Note>; was notes sent as 2.0 before 2.3; ignores extra
";

fn notes() -> Contract {
    NOTES.parse().expect("a contract")
}

/// The contract, with one text replaced.
fn with(from: &str, to: &str) -> Contract {
    assert!(NOTES.contains(from), "{from}");
    NOTES.replace(from, to).parse().unwrap_or_else(|error| panic!("{to}: {error}"))
}

/// The rules of all changes, with `!` before those that break a deployed peer.
fn rules(old: &Contract, new: &Contract) -> Vec<String> {
    let changes = compare(old, new).into_iter();
    let mark = |change: &Change| if change.breaks() { "!" } else { "" };
    changes.map(|change| format!("{}{}", mark(&change), change.rule)).collect()
}

/// A text of the contract, its replacement, and the rules that report the change and its reversal.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn assert_told(rows: &[Row]) {
    for (from, to, there, back) in rows {
        let (old, new) = (notes(), with(from, to));
        assert_eq!(rules(&old, &new).join(" "), *there, "{from} to {to}");
        assert_eq!(rules(&new, &old).join(" "), *back, "{to} to {from}");
    }
}

#[test]
fn each_change_of_an_interface_is_told_by_its_rule() {
    assert_told(&[
        // The interface.
        ("interface Notes", "interface Memos", "interface-renamed", "interface-renamed"),
        ("version 2.3", "version 2.4", "version-raised", "!version-lowered"),
        ("topic \"notes\"", "topic \"memos\"", "!topic-changed", "!topic-changed"),
        ("topic \"notes\"", "topic runtime", "!topic-changed", "!topic-changed"),
        (
            "topic \"notes\"",
            "topic \"notes\"\nexchange \"x\"",
            "!exchange-changed",
            "!exchange-changed",
        ),
        (
            "namespace \"desk\"\n",
            "namespace \"table\"\n",
            "!namespace-changed",
            "!namespace-changed",
        ),
        ("legacy namespace none\n", "", "!legacy-namespace-removed", "legacy-namespace-added"),
        ("topic", "previous 1.9\nsince 2.0\ntopic", "previous-added", "!previous-dropped"),
        ("topic", "since 2.1\ntopic", "support-changed", "support-changed"),
        ("topic", "sent as 2.2\ntopic", "!send-changed", "send-changed"),
        ("topic", "sent as 2.0\ntopic", "send-changed", "send-changed"),
        ("alias \"spring\" 2.1\n", "", "!pin-changed", "pin-added"),
        ("\"spring\" 2.1", "\"spring\" 2.2", "!pin-changed", "!pin-changed"),
        ("topic", "addressed by key\ntopic", "!address-changed", "!address-changed"),
    ]);
}

#[test]
fn each_change_of_a_method_is_told_by_its_rule() {
    assert_told(&[
        ("2.1 fanout clear()\n", "", "!method-removed", "!method-added-late"),
        ("2.1 fanout", "2.2 fanout", "!method-since-changed", "!method-since-changed"),
        (
            " clear()",
            " wipe()",
            "!method-removed !method-added-late",
            "!method-removed !method-added-late",
        ),
        (" clear()", " wipe(); alias clear", "!method-renamed", "!method-renamed"),
        ("2.1 fanout", "2.1 cast", "!fanout-changed", "!fanout-changed"),
        ("-> u32;", "-> u32; or cast;", "either-changed", "either-changed"),
        ("-> u32", "-> u64", "!reply-changed", "!reply-changed"),
        ("; alias tally", "", "!alias-removed", "alias-added"),
        ("; for one host", "", "target-changed", "target-changed"),
        ("clear()", "clear(); topic \"alt\" since 2.3", "!target-changed", "!target-changed"),
        ("clear()", "clear(); sent as 2.3", "!send-changed", "send-changed"),
        ("; ignores extra", "", "!extra-refused", "extra-ignored"),
        ("was notes sent as 2.0", "was notes sent as 2.1", "!history-changed", "!history-changed"),
    ]);
}

#[test]
fn each_change_of_an_argument_is_told_by_its_rule() {
    assert_told(&[
        ("text: String, ", "", "!argument-removed", "!argument-added"),
        ("most?: u32, ", "", "!argument-removed", "!argument-added"),
        (", colour?: Option<String> since 2.2", "", "!argument-removed", "!argument-added"),
        (
            "text:",
            "line:",
            "!argument-removed !argument-added",
            "!argument-removed !argument-added",
        ),
        ("text:", "text?:", "argument-optional", "!argument-required"),
        ("text: String", "text: Line", "!argument-type-changed", "!argument-type-changed"),
        (
            "text: String",
            "text: String by \"hex\"",
            "!argument-type-changed",
            "!argument-type-changed",
        ),
        ("since 2.2", "since 2.3", "!argument-since-changed", "!argument-since-changed"),
        ("until 2.2", "until 2.1", "!argument-until-changed", "!argument-until-changed"),
        ("was sort before 2.1", "was order before 2.1", "!history-changed", "!history-changed"),
        (" always \"true\"", "", "constant-changed", "constant-changed"),
        ("all?: bool always \"true\"", "", "argument-removed", "!argument-added"),
        (
            "most?: u32, kind: Kind until 2.2 was sort before 2.1",
            "kind: Kind until 2.2 was sort before 2.1, most?: u32",
            "line-changed",
            "line-changed",
        ),
    ]);
}

#[test]
fn what_is_the_same_has_not_changed() {
    assert_eq!(rules(&notes(), &notes()), [""; 0]);
}

#[test]
fn a_call_and_a_cast_are_not_the_same() {
    let cast = "2.0 cast add(text: String, colour?: Option<String> since 2.2)";
    for (call, there, back) in [
        (cast.replace("cast", "call") + " -> ()", "cast-became-call", "!call-became-cast"),
        (cast.replace("cast", "call") + " -> u32", "!cast-became-call", "!call-became-cast"),
    ] {
        assert_eq!(rules(&notes(), &with(cast, &call)), [there]);
        assert_eq!(rules(&with(cast, &call), &notes()), [back]);
    }
    // Callers that still wait get the return value.
    let answering = cast.to_owned() + " -> Result<(), E>";
    let waiting = answering.replace("cast", "call");
    assert_eq!(rules(&with(cast, &waiting), &with(cast, &answering)), ["call-became-cast"]);
}

#[test]
fn what_is_said_of_a_new_version_is_legal() {
    let next = |from: &str, to: &str| {
        let text = NOTES.replace("version 2.3", "version 2.4").replace(from, to);
        text.parse::<Contract>().expect("a contract")
    };
    for (from, to, wanted) in [
        (
            "2.1 fanout clear()",
            "2.1 fanout clear()\n2.4 cast fill()",
            "version-raised method-added",
        ),
        ("text: String", "text: String, at?: u8 since 2.4", "version-raised argument-added-later"),
        ("text: String", "line: String was text before 2.4", "version-raised argument-renamed"),
        (
            "text: String",
            "text?: String until 2.4",
            "version-raised argument-optional argument-until-changed",
        ),
        ("clear()", "wipe(); was clear before 2.4", "version-raised method-renamed"),
        (
            "clear()",
            "clear(); sent as 2.4; was clear sent as 2.1 before 2.4",
            "version-raised send-changed",
        ),
        ("clear()", "clear(); topic \"alt\" since 2.4", "version-raised target-changed"),
        ("text: String", "...more: Map, text: String", "version-raised argument-added-later"),
    ] {
        assert_eq!(rules(&notes(), &next(from, to)).join(" "), wanted, "{to}");
    }
    // If a function writes the arguments for deployed servers, new servers may read another form,
    // since it is not sent to old ones.
    let rewritten = next("kind: Kind", "kind: Option<Kind>").to_string();
    let rewritten = rewritten.replace("-> u32; for", "-> u32; was count converted before 2.4; for");
    let told = rules(&notes(), &rewritten.parse().expect("a contract"));
    assert_eq!(told, ["version-raised", "history-changed", "argument-type-changed"]);
    assert_eq!(
        rules(&notes(), &next("kind: Kind", "kind: Option<Kind>"))[0],
        "!argument-type-changed"
    );
    let major = NOTES.replace("version 2.3", "version 3.0").replace("2.1 fanout clear()\n", "");
    let gone = |text: &str| rules(&notes(), &text.parse().expect("a contract"));
    assert_eq!(gone(&major), ["version-raised"]);
    // A major that still speaks the previous one must keep all of it.
    let both = major.replace("topic", "previous 2.3\ntopic");
    assert_eq!(gone(&both), ["!method-removed", "version-raised"]);
    let less = major.replace("topic", "previous 2.2\ntopic");
    assert_eq!(gone(&less), ["!previous-dropped", "!method-removed", "version-raised"]);
}

#[test]
fn a_message_says_what_would_make_a_change_legal() {
    let told = |from: &str, to: &str| compare(&notes(), &with(from, to))[0].to_string();
    for (from, to, wanted) in [
        (
            "text: String",
            "text: String, at: u8",
            "argument-added (breaks deployed peers): `at` of `add`: servers of 2.3 refuse it; legal with 2.4: `#[arg(since = \"2.4\")]`",
        ),
        ("2.1 fanout clear()\n", "", "legal only with a new major version, 3.0"),
        (
            "clear()",
            "wipe(); alias clear",
            "legal with 2.4: `#[rpc(before(\"2.4\", name = \"clear\"))]`",
        ),
    ] {
        let told = told(from, to);
        assert!(told.contains(wanted), "{told}");
    }
}

#[test]
fn a_contract_is_read_back_as_it_was_written() {
    let awkward = "\
interface Awkward
version 6.5
topic runtime
exchange \"no\\\"va\"
previous 5.13
since 5.2
sent as 6.0
sent as 5.0
alias \"2023.1\" 6.2
addressed by key

5.0 call a(x: Result<Vec<(u8, Option<[u8; 4]>)>, E>, y?: fn(u8) -> u8 since 5.3 until 6.0 was z converted before 5.9 was q before 6.0 always \"Some(\\\"a, b); c\\\")\" by \"hex\", ...rest: Map<String, u8>) -> (u8, Vec<u8>); or cast; for one host; host \"a.b\"; topic \"alt\" since 6.5; sent as 6.1; was b sent as 5.0 converted before 6.0; alias c; alias d; ignores extra
6.0 cast e()
";
    for text in [NOTES, awkward] {
        let contract: Contract = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let written = contract.to_string();
        assert_eq!(written.parse(), Ok(contract), "{written}");
        for line in text.lines() {
            assert!(written.contains(line), "{line}\n{written}");
        }
    }
}

#[test]
fn a_text_that_is_no_contract_is_told_line_by_line() {
    for (text, wanted) in [
        ("", "line 1"),
        ("interface A\nversion one", "line 2"),
        ("interface A\nversion 1.0\ncolour red", "line 3: of the contract: `colour`"),
        ("interface A\nversion 1.0\n1.0 shout a()", "`shout`"),
        ("interface A\nversion 1.0\n1.0 call a(", "parenthesis"),
        ("interface A\nversion 1.0\n1.0 call a(b)", "name and type"),
        ("interface A\nversion 1.0\n1.0 call a(); grows", "`grows`"),
        ("interface A\nversion 1.0 or so", "too much"),
        ("interface A\nversion 1.0\ntopic \"a", "no end"),
    ] {
        let error = text.parse::<Contract>().expect_err(text).to_string();
        let wanted = wanted.replace("line 3: of", "line 3 of");
        assert!(error.contains(&wanted), "{error}");
    }
}

#[test]
fn every_rule_has_a_case_and_a_name_of_its_own() {
    let cases = include_str!("tests.rs");
    let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    for name in &names {
        assert!(cases.contains(name), "no case of {name}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Rule::ALL.len());
}
