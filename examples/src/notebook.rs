//! A notebook whose interface has grown over seven versions, and the changes of each version.
//!
//! - 1.0: `add(line, draft)`, `find(text)`
//! - 1.1: the method `list(first, count)`: `#[rpc(since = "1.1")]`
//! - 1.2: the argument `colour` of `add`: `#[arg(since = "1.2")]`
//! - 1.3: `find` is called `search`, and the argument `line` of `add` is called `text`:
//!   `before("1.3", name = "…")`
//! - 1.4: `add` no longer has `draft`: `#[arg(until = "1.4")]`
//! - 2.0: `list` has one argument, a `Page`: `before("2.0", rewrite = by_numbers)`
//! - 2.1: the method `count`: `#[rpc(since = "2.1")]`
//!
//! Clients of 2.1 can call servers of all these versions, and servers of 2.1 serve clients of all
//! of them. The folder `contracts` has the contract of each version as of its release.

use std::sync::{Mutex, PoisonError};

use rpc_runtime::{Context, Request, rpc_api};
use serde::{Deserialize, Serialize};

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its number, counted from 0 in the order of addition.
    pub number: u64,
    /// The note's text.
    pub text: String,
    /// The colour of its paper, if the author chose one.
    pub colour: Option<String>,
}

/// Some notes of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The number of the first.
    pub first: u64,
    /// The most notes that it may have.
    pub count: u64,
}

/// Keeps notes.
#[rpc_api(
    topic = "notebook",
    version = "2.1",
    previous(version = "1.4"),
    aliases(spring = "1.2", autumn = "1.4", winter = "2.0")
)]
pub trait Notebook {
    /// Adds a note, and returns its number.
    async fn add(
        &self,
        ctx: Context,
        #[arg(before("1.3", name = "line"))] text: String,
        #[arg(until = "1.4", value = Some(false))] draft: Option<bool>,
        #[arg(since = "1.2")] colour: Option<String>,
    ) -> u64;

    /// Returns the notes that contain a text.
    #[rpc(before("1.3", name = "find"))]
    async fn search(&self, ctx: Context, text: String) -> Vec<Note>;

    /// Returns some notes. Clients before 2.0 send numbers instead of a page.
    #[rpc(since = "1.1", before("2.0", rewrite = by_numbers))]
    async fn list(
        &self,
        ctx: Context,
        #[arg(default)] page: Option<Page>,
        #[arg(until = "2.0", value = None)] first: Option<u64>,
        #[arg(until = "2.0", value = None)] count: Option<u64>,
    ) -> Vec<Note>;

    /// Returns how many notes there are.
    #[rpc(since = "2.1")]
    async fn count(&self, ctx: Context) -> u64;
}

/// Writes the arguments of `list` for servers before 2.0.
fn by_numbers(request: Request, page: &Option<Page>) -> Request {
    let Page { first, count } = page.clone().unwrap_or(Page { first: 0, count: u64::MAX });
    request.arg("first", first).arg("count", count)
}

/// A notebook in memory.
#[derive(Debug, Default)]
pub struct Paper(Mutex<Vec<Note>>);

impl Paper {
    fn notes(&self) -> Vec<Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Notebook for Paper {
    async fn add(&self, _: Context, text: String, _: Option<bool>, colour: Option<String>) -> u64 {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = notes.len() as u64;
        notes.push(Note { number, text, colour });
        number
    }

    async fn search(&self, _: Context, text: String) -> Vec<Note> {
        self.notes().into_iter().filter(|note| note.text.contains(&text)).collect()
    }

    async fn list(
        &self,
        _: Context,
        page: Option<Page>,
        first: Option<u64>,
        count: Option<u64>,
    ) -> Vec<Note> {
        let first = page.as_ref().map(|page| page.first).or(first).unwrap_or(0);
        let count = page.as_ref().map(|page| page.count).or(count).unwrap_or(u64::MAX);
        let notes = self.notes().into_iter().filter(|note| note.number >= first);
        notes.take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
    }

    async fn count(&self, _: Context) -> u64 {
        self.notes().len() as u64
    }
}
