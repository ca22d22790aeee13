//! Ids of requests and messages: random, as UUIDs of version 4 are, and drawn many at a time.
//!
//! A call needs three, and the system is slower to give sixteen bytes than everything else is that makes a message.

use std::cell::RefCell;

use uuid::{Builder, Uuid};

/// How many ids are drawn at once.
const DRAWN: usize = 64;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [[0; 16]; DRAWN], left: 0, process: 0 }) };
}

struct Pool {
    bytes: [[u8; 16]; DRAWN],
    left: usize,
    /// Who has drawn them: a process that was forked has them, too.
    process: u32,
}

/// Returns an id that nobody else has.
pub(crate) fn new_id() -> Uuid {
    let [id] = new_ids();
    id
}

/// Returns ids that nobody else has. Asking which process this is takes longer than drawing one, so that is done once.
pub(crate) fn new_ids<const COUNT: usize>() -> [Uuid; COUNT] {
    let process = std::process::id();
    POOL.with_borrow_mut(|pool| [(); COUNT].map(|()| pool.next(process)))
}

impl Pool {
    fn next(&mut self, process: u32) -> Uuid {
        if self.left == 0 || self.process != process {
            if getrandom::fill(self.bytes.as_flattened_mut()).is_err() {
                return Uuid::new_v4();
            }
            (self.left, self.process) = (DRAWN, process);
        }
        self.left -= 1;
        Builder::from_random_bytes(self.bytes[self.left]).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_id_comes_twice_not_even_in_a_process_that_was_forked() {
        let threads = [(); 3]
            .map(|()| std::thread::spawn(|| (0..10 * DRAWN).map(|_| new_id()).collect::<Vec<_>>()));
        let mut ids: Vec<_> =
            threads.into_iter().flat_map(|thread| thread.join().expect("ids")).collect();
        let mut parent = Pool { bytes: [[0; 16]; DRAWN], left: 0, process: 0 };
        ids.push(parent.next(1));
        let mut child = Pool { ..parent };
        ids.extend((0..5).map(|_| parent.next(1)));
        ids.extend((0..5).map(|_| child.next(2)));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }
}
