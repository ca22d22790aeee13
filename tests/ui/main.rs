//! Mistakes that the compiler reports: one file for each, named after the mistake, and its message.
//!
//! The messages are those of one compiler release. `cargo xtask bless` rewrites them for review.

#[test]
fn each_mistake_is_one_message_under_the_wrong_token() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
