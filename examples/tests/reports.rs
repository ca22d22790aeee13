//! The output of examples that fail.

use std::process::Command;

#[test]
fn a_program_that_fails_prints_its_error_in_words_and_no_password() {
    // Nothing listens on this port of the loopback interface.
    let url = "rabbit://user:canary-password@127.0.0.1:1/";
    for program in [env!("CARGO_BIN_EXE_create_volume"), env!("CARGO_BIN_EXE_volume_audit")] {
        let output = Command::new(program).args(["--url", url]).output().expect("it runs");
        assert!(!output.status.success(), "{program}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = "Error: cannot connect to 127.0.0.1:1: Connection refused (os error 111)";
        assert_eq!(said.trim(), expected, "{program}");
    }
}
