//! That what is measured is what it says.

use super::PARTS;

#[test]
fn what_is_measured_does_the_same_each_time() {
    for part in PARTS {
        let mut run = (part.prepare)();
        // Only what counts or draws has another answer.
        let is_same = !matches!(part.name, "id" | "duplicates-new");
        let (first, second) = (run(), run());
        assert!(!is_same || first == second && first > 0, "{}: {first}, {second}", part.name);
    }
}
