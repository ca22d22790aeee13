//! Mistakes that the compiler finds, and what it says of them: one file per mistake, named after it.
//!
//! The messages belong to one compiler release; `cargo xtask bless` rewrites them, to be reviewed.

#[test]
fn each_mistake_is_one_message_under_the_wrong_token() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
