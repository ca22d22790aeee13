//! The pure parts, one at a time: so often for who counts instructions, or with a count of what is allocated.
//!
//! `cargo xtask bench pure` starts it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    error::Error,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

use rpc_runtime::measured::{PARTS, Run};

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// How often a part is done before its allocations are counted, so that what is kept has its size, and then.
const BEFORE: usize = 4096;
const COUNTED: u64 = 4096;

/// The system's allocator, counted. What grows counts as an allocation of its new size.
struct Counting;

fn count(size: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(size as u64, Ordering::Relaxed);
}

// SAFETY: each call is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["parts"] => PARTS.iter().for_each(|part| println!("{}\t{}", part.name, part.what)),
        ["run", name, times] => {
            let mut run = prepared(name)?;
            for _ in 0..times.parse()? {
                black_box(run());
            }
        }
        ["allocations", name] => {
            let mut run = prepared(name)?;
            (0..BEFORE).for_each(|_| _ = black_box(run()));
            let before = counted();
            (0..COUNTED).for_each(|_| _ = black_box(run()));
            let after = counted();
            let each = |before: u64, after: u64| (after - before) as f64 / COUNTED as f64;
            println!("{:.2} {:.0}", each(before.0, after.0), each(before.1, after.1));
        }
        _ => return Err("usage: parts | run PART TIMES | allocations PART".into()),
    }
    Ok(())
}

fn prepared(name: &str) -> Result<Run, String> {
    let part = PARTS.iter().find(|part| part.name == name);
    let part = part.ok_or_else(|| format!("no part is called `{name}`"))?;
    Ok((part.prepare)())
}

fn counted() -> (u64, u64) {
    (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed))
}
