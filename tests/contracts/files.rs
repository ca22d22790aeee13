//! The contract test that a user writes, and its file.

use std::{fs, path::PathBuf};

use rpc_runtime::{
    Interface, Kind, Method, Parameter,
    contract::{ContractError, Rewrite, check},
};

const TEXT: &[Parameter<'_>] = &[Parameter::new("text", "String")];
const MORE: &[Parameter<'_>] = &[
    Parameter::new("text", "String"),
    Parameter::new("by", "Option<u32>").since((1, 1)).optional(),
];
const HASTY: &[Parameter<'_>] = &[Parameter::new("text", "String"), Parameter::new("by", "u32")];

const FIRST: &[Method<'_>] = &[Method::new("add", (1, 0), Kind::Cast).args(TEXT)];
const SECOND: &[Method<'_>] = &[Method::new("add", (1, 0), Kind::Cast).args(MORE)];
const BROKEN: &[Method<'_>] = &[Method::new("add", (1, 0), Kind::Cast).args(HASTY)];

fn notes(minor: u64, methods: &'static [Method<'static>]) -> Interface<'static> {
    Interface::new("Notes", (1, minor)).topic("notes").methods(methods)
}

/// Returns the path of a file that no other test uses, in a folder that does not exist yet.
fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(tests::unique("contracts"));
    folder.join(name)
}

#[test]
fn a_contract_is_written_on_request_and_kept_from_then_on() {
    let path = file("notes.txt");
    let error = check(&notes(0, FIRST), &path, Rewrite::Never).expect_err("there is none yet");
    assert!(matches!(&error, ContractError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("RPC_CONTRACT=accept"), "{error}");
    check(&notes(0, FIRST), &path, Rewrite::Safe).expect("written");
    let written = fs::read_to_string(&path).expect("a file");
    assert!(written.contains("\n1.0 cast add(text: String)\n"), "{written}");
    check(&notes(0, FIRST), &path, Rewrite::Never).expect("the same");
}

#[test]
fn a_safe_difference_fails_until_it_is_accepted() {
    let path = file("notes.txt");
    check(&notes(0, FIRST), &path, Rewrite::Safe).expect("written");
    let error = check(&notes(1, SECOND), &path, Rewrite::Never)
        .expect_err("the interface has grown")
        .to_string();
    for part in [
        "version-raised (safe): 1.0 to 1.1",
        "argument-added-later (safe): `by` of `add`",
        "RPC_CONTRACT=accept",
    ] {
        assert!(error.contains(part), "{error}");
    }
    check(&notes(1, SECOND), &path, Rewrite::Safe).expect("accepted");
    check(&notes(1, SECOND), &path, Rewrite::Never).expect("the same");
}

#[test]
fn what_breaks_a_deployed_peer_is_not_accepted() {
    let path = file("notes.txt");
    check(&notes(0, FIRST), &path, Rewrite::Safe).expect("written");
    let before = fs::read_to_string(&path).expect("a file");
    for rewrite in [Rewrite::Never, Rewrite::Safe] {
        let error =
            check(&notes(0, BROKEN), &path, rewrite).expect_err("an argument in an old version");
        let ContractError::Changed { changes, .. } = &error else { panic!("{error}") };
        assert_eq!(
            changes.iter().map(|change| change.rule.id()).collect::<Vec<_>>(),
            ["argument-added"]
        );
        assert!(error.to_string().contains("legal with 1.1"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), before);
    }
    check(&notes(0, BROKEN), &path, Rewrite::Always).expect("it was never deployed");
    check(&notes(0, BROKEN), &path, Rewrite::Never).expect("the same");
}

#[test]
fn a_file_that_is_no_contract_is_not_written_over() {
    let path = file("notes.txt");
    check(&notes(0, FIRST), &path, Rewrite::Safe).expect("written");
    fs::write(&path, "<<<<<<< mine\ninterface Notes\n").expect("a file");
    for rewrite in [Rewrite::Never, Rewrite::Safe] {
        let error = check(&notes(0, FIRST), &path, rewrite).expect_err("spoilt by a merge");
        assert!(
            matches!(error, ContractError::Malformed { .. })
                && error.to_string().contains("line 1"),
            "{error}"
        );
    }
}
