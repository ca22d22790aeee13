//! That what is measured is what it says, and what dispatch promises of memory.

use allocation_counter::measure;

use super::{PARTS, Run, dispatched::caller, written::item};

fn prepared(name: &str) -> Run {
    let part = PARTS.iter().find(|part| part.name == name).expect("there is such a part");
    (part.prepare)()
}

/// Returns how many allocations something makes.
fn allocations<T>(work: impl FnOnce() -> T) -> u64 {
    measure(|| drop(work())).count_total
}

#[test]
fn what_is_measured_does_the_same_each_time() {
    for part in PARTS {
        let mut run = (part.prepare)();
        let (first, second) = (run(), run());
        // Only what counts or draws has another answer.
        let is_same = !matches!(part.name, "id" | "duplicates-new");
        assert!(!is_same || first == second && first > 0, "{}: {first}, {second}", part.name);
    }
}

#[test]
fn typed_dispatch_makes_at_most_two_allocations_beyond_the_users_own_types() {
    let mut dispatch = prepared("dispatch-own");
    dispatch();
    let all = allocations(&mut dispatch);
    // What it decodes: the argument, which is the result, too, and the context.
    let own = allocations(item) + allocations(caller);
    assert!(own > 0 && all <= own + 2, "{all} allocations, of which {own} are the user's");
}

#[test]
fn our_context_is_one_allocation_however_much_is_in_it() {
    let (mut ours, mut own) = (prepared("dispatch"), prepared("dispatch-own"));
    ours();
    own();
    let (ours, own) = (allocations(&mut ours), allocations(&mut own));
    assert_eq!(ours, own - allocations(caller) + 1);
}
