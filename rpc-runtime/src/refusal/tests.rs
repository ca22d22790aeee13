//! Recorded failures of servers of the original, and marks.

use serde::Deserialize;

use super::*;

/// A failure that a server of the original sent.
#[derive(Deserialize)]
struct Recorded {
    #[serde(rename = "oslo.messaging")]
    release: String,
    python: String,
    case: String,
    method: String,
    version: String,
    proof: Option<String>,
    failure: Failure,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("tracebacks.json")).expect("recorded failures")
}

fn name(refusal: Refusal) -> String {
    Mark::Refused(refusal).text()
}

#[test]
fn what_pythons_dispatcher_refuses_is_proof_and_what_a_method_raises_is_not() {
    let mut proofs = 0;
    for Recorded { release, python, case, method, version, proof, failure } in recorded() {
        let version = version.parse().expect("a version");
        let found = proven(None, &failure, &method, version).map(name);
        assert_eq!(found, proof, "{case}: {release} on {python}");
        proofs += usize::from(proof.is_some());
    }
    assert_eq!(proofs, 4 * 7, "seven refusals by each");
}

#[test]
fn a_refusal_of_another_request_is_no_proof() {
    for Recorded { case, method, version, proof, failure, .. } in recorded() {
        let Some(proof) = proof else { continue };
        let own: Version = version.parse().expect("a version");
        let other = Version::new(own.major(), own.minor() + 1);
        assert_eq!(proven(None, &failure, "another", own), None, "{case}");
        let of_version = proven(None, &failure, &method, other);
        assert_eq!(of_version.is_none(), proof == "version", "{case}");
    }
}

/// A server of this library may pass on a failure that a server of the original sent, and says so.
#[test]
fn a_traceback_that_another_server_passes_on_is_no_proof() {
    for Recorded { case, method, version, failure, .. } in recorded() {
        let version = version.parse().expect("a version");
        let mark = Some(Mark::MayHaveBegun);
        assert_eq!(proven(mark, &failure, &method, version), None, "{case}");
    }
}

#[test]
fn a_traceback_of_any_other_form_is_no_proof() {
    let all = recorded();
    let real = all.iter().find(|one| one.case == "missing argument").expect("it is recorded");
    let lines = real.failure.traceback();
    let (call, end) = (lines.len() - 2, lines.len() - 1);
    let source = "    result = func(ctxt, **new_args)\n";
    let cases: [(&str, Vec<String>); 8] = [
        ("as it came, as one text", vec![lines.concat()]),
        ("no frame", vec![lines[0].clone(), lines[end].clone()]),
        ("no end", lines[..end].to_vec()),
        ("another end", [&lines[..end], &["TypeError: something else\n".to_owned()]].concat()),
        ("more behind the end", [lines, &["note\n".to_owned()]].concat()),
        ("another file", change(lines, call, "oslo_messaging", "our_messaging")),
        ("another line", change(lines, call, "func(ctxt, **new_args)", "func(ctxt)")),
        ("more source", change(lines, call, source, &format!("{source}    more\n"))),
    ];
    for (case, lines) in cases {
        let of = serde_json::json!({
            "class": "TypeError", "module": "builtins", "message": real.failure.message(), "tb": lines,
        });
        let failure = Failure::decode(&of.to_string()).expect("a failure");
        assert_eq!(proven(None, &failure, &real.method, Version::new(1, 5)), None, "{case}");
    }
}

fn change(lines: &[String], at: usize, from: &str, to: &str) -> Vec<String> {
    let mut lines = lines.to_vec();
    let changed = lines[at].replace(from, to);
    assert_ne!(changed, lines[at], "{from}");
    lines[at] = changed;
    lines
}

#[test]
fn a_mark_reads_back_and_an_unknown_one_proves_nothing() {
    for refusal in [
        Some(Refusal::Method),
        Some(Refusal::Arguments),
        Some(Refusal::Version(None)),
        Some(Refusal::Version(Some(Version::new(3, 12)))),
        None,
    ] {
        let mark = Mark::of(refusal);
        assert_eq!(Mark::parse(&mark.text()), mark);
    }
    for text in ["", "yes", "Method", "version x", "version 1.5 ", "method\n"] {
        let expected = match text {
            "version 1.5 " => Mark::Refused(Refusal::Version(Some(Version::new(1, 5)))),
            _ => Mark::MayHaveBegun,
        };
        assert_eq!(Mark::parse(text), expected, "{text:?}");
    }
}
