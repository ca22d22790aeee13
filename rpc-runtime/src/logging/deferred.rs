//! The thread that writes the log lines of AMQP threads.

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::Pin,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{sync::oneshot, time::timeout};
use tracing::{Dispatch, dispatcher};

use super::guarded;

/// The number of lines that may wait for a slow subscriber. Further lines are dropped, and counted.
const WAITING: usize = 1024;

/// The thread that writes deferred lines. It lives as long as the process.
static WRITER: OnceLock<SyncSender<Line>> = OnceLock::new();
/// The number of lines that found no room since the last one that was written.
static DROPPED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The subscriber of the task that runs now. `None`: the thread's own.
    static SUBSCRIBER: RefCell<Option<Dispatch>> = const { RefCell::new(None) };
}

/// A line, and the subscriber that it is for.
struct Line {
    subscriber: Dispatch,
    write: Box<dyn FnOnce() + Send>,
}

/// Writes a line on the writer's thread, or on this one where no AMQP connection was ever made.
pub(crate) fn defer(line: impl FnOnce() + Send + 'static) {
    let Some(writer) = WRITER.get() else { return guarded(line) };
    let line = Line { subscriber: subscriber(), write: Box::new(line) };
    if writer.try_send(line).is_err() {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns the subscriber of the task that runs now.
pub(crate) fn subscriber() -> Dispatch {
    let own = SUBSCRIBER.with_borrow(Clone::clone);
    own.unwrap_or_else(|| dispatcher::get_default(Dispatch::clone))
}

/// Sends the lines that `run` defers to `subscriber`.
pub(crate) fn for_subscriber<T>(subscriber: &Dispatch, run: impl FnOnce() -> T) -> T {
    let mut own = None;
    let _restored = Restored(SUBSCRIBER.replace(Some(subscriber.clone())), &mut own);
    run()
}

/// Starts the writer's thread, unless it runs.
///
/// # Errors
/// If the system has no thread to give.
pub(crate) fn start_writer() -> io::Result<()> {
    if WRITER.get().is_none() {
        let (writer, lines) = sync_channel(WAITING);
        thread::Builder::new().name("rpc-log".to_owned()).spawn(move || write_all(&lines))?;
        // Of two that start at once the second ends with its sender.
        let _ = WRITER.set(writer);
    }
    Ok(())
}

fn write_all(lines: &Receiver<Line>) {
    for Line { subscriber, write } in lines {
        guarded(|| dispatcher::with_default(&subscriber, write));
        let dropped = DROPPED.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let what = "the log subscriber is slow: log lines were dropped";
            let write = || tracing::warn!(dropped, "{what}");
            guarded(|| dispatcher::with_default(&subscriber, write));
        }
        // A subscriber that is dropped here for the last time is the user's code as well.
        guarded(|| drop(subscriber));
    }
}

/// Waits until the lines that were deferred so far are written, for at most `limit`.
pub(crate) async fn flush(limit: Duration) {
    let (written, is_written) = oneshot::channel();
    defer(move || _ = written.send(()));
    // A subscriber that takes longer has its lines, only later.
    let _ = timeout(limit, is_written).await;
}

pin_project! {
    /// A task whose deferred lines go to its maker's subscriber.
    pub(crate) struct Logged<F> {
        #[pin]
        task: F,
        subscriber: Option<Dispatch>,
    }
}

impl<F> Logged<F> {
    /// Sends the lines of `task` where this thread's lines go now.
    pub(crate) fn new(task: F) -> Self {
        Self { task, subscriber: Some(subscriber()) }
    }
}

impl<F: Future> Future for Logged<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _restored = Restored(SUBSCRIBER.replace(this.subscriber.take()), this.subscriber);
        this.task.poll(cx)
    }
}

/// Gives a task its subscriber back, and the thread the one that it had before.
struct Restored<'a>(Option<Dispatch>, &'a mut Option<Dispatch>);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        *self.1 = SUBSCRIBER.replace(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{super::sink::Sink, *};
    use crate::sync::lock;

    type Threads = Arc<Mutex<Vec<thread::ThreadId>>>;

    /// Notes the thread of each line, and may panic then.
    fn noting(panics: bool) -> (Sink, Threads) {
        let threads = Threads::default();
        let noted = Arc::clone(&threads);
        let sink = Sink::new(move || {
            lock(&noted).push(thread::current().id());
            assert!(!panics, "a subscriber's bug");
        });
        (sink, threads)
    }

    /// Returns the sources below a folder, without their tests.
    fn sources(folder: &std::path::Path) -> Vec<(String, String)> {
        let mut sources = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources.extend(self::sources(&path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                sources.push((path.display().to_string(), code));
            }
        }
        sources
    }

    #[test]
    fn the_threads_of_connections_defer_all_their_lines() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transport/rabbit");
        let mut lines = 0;
        for (file, code) in sources(&folder) {
            assert!(!code.contains(".say("), "{file} writes a line at once");
            for (at, _) in code.match_indices("tracing::") {
                let is_line = ["error!", "warn!", "info!", "debug!", "trace!"]
                    .iter()
                    .any(|level| code[at + "tracing::".len()..].starts_with(level));
                let deferred = code[..at].rfind("defer(");
                assert!(
                    !is_line || deferred.is_some_and(|deferred| at - deferred < 500),
                    "{file} writes a line at once: {}",
                    code[at..].lines().next().unwrap_or_default()
                );
                lines += usize::from(is_line);
            }
        }
        assert!(lines > 20, "{lines} were found");
    }

    #[test]
    fn a_subscriber_that_panics_stops_nobody() {
        let (sink, threads) = noting(true);
        let _guard = tracing::subscriber::set_default(sink);
        for _ in 0..3 {
            guarded(|| tracing::warn!("a line"));
        }
        assert_eq!(lock(&threads).len(), 3);
    }

    #[tokio::test]
    async fn deferred_lines_go_to_their_tasks_subscriber_on_another_thread() {
        start_writer().expect("a thread");
        let mut nobodies = Vec::new();
        for panics in [true, false] {
            let (sink, threads) = noting(panics);
            let guard = tracing::subscriber::set_default(sink);
            let task = Logged::new(async {
                for _ in 0..2 {
                    defer(|| tracing::warn!("a line"));
                    tokio::task::yield_now().await;
                }
            });
            drop(guard);
            task.await;
            flush(Duration::from_secs(30)).await;
            let threads = lock(&threads).clone();
            assert_eq!(threads.len(), 2, "{panics}");
            assert!(threads.iter().all(|thread| *thread != thread::current().id()));
            nobodies.push(SUBSCRIBER.with_borrow(Option::is_none));
        }
        assert_eq!(nobodies, [true, true], "the thread's own is back");
    }
}
