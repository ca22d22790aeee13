//! Expansions in a library, where clippy and the lints for public items apply. The compile cases
//! run them.

#[path = "../ui/pass/lints.rs"]
pub mod lints;
#[path = "../ui/pass/whole_language.rs"]
pub mod whole_language;
