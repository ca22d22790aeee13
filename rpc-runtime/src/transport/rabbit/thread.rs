//! The thread of a connection. It is lapin's own, and runs what else belongs to that connection.
//!
//! lapin's thread reads, writes, and waits in between for somebody to say that it should go on. For its socket, somebody on another
//! thread waits, and wakes it; what it has read, it hands to tasks on another thread. One message goes that way several times, and each
//! time costs more than what is done with it. So where lapin asks our stream for bytes and there are none, its thread does not go back
//! to wait. It stays, looks after the socket and the tasks of its connection, and goes back when bytes have come, or when lapin may
//! have something to write.
//!
//! Whatever makes lapin do something has to say so, by [`Thread::nudge`]: `amqp` does it for what is asked of lapin, and here it
//! is done for lapin's own tasks. Once lapin's thread has ended, what is left of the tasks is run to its end on another.

use std::{
    fmt,
    future::{Future, pending, poll_fn},
    io,
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::watch,
    task::AbortHandle,
    time::timeout,
};

use super::{
    runtime::{self, spawn},
    told,
};
use crate::transport::{Tracked, Tracker};

/// How long lapin's own tasks may take to tell everybody that a connection is gone.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Thread(Arc<Inner>);

struct Inner {
    /// Taken while somebody drives it. `None` once it is over.
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    /// Whether lapin may have something to do.
    is_due: AtomicBool,
    /// Wakes the thread where it waits for the socket.
    waiting: AtomicWaker,
    /// What is run for us.
    tasks: Tracker,
    /// What is run for lapin.
    lapins: Tracker,
    /// Whether lapin has left, and what it still sleeps for is over.
    is_left: watch::Sender<bool>,
    /// Whether nobody runs anything here any more.
    is_over: Mutex<bool>,
}

/// What came of waiting for bytes.
pub(super) enum Waited<T> {
    /// They came, `at_once` if no task could run before.
    Came { what: T, at_once: bool },
    /// lapin may have something to write.
    Nudged,
}

impl Thread {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Self(Arc::new(Inner {
            runtime: Mutex::new(Some(runtime)),
            handle,
            is_due: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
            tasks: Tracker::default(),
            lapins: Tracker::default(),
            is_left: watch::Sender::new(false),
            is_over: Mutex::new(false),
        })))
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// Runs a future, and the tasks beside it, on the thread that calls. `None` if it is over.
    pub(super) fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        let runtime = self.0.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.as_ref().map(|runtime| runtime.block_on(future))
    }

    /// Says that lapin may have something to do.
    pub(super) fn nudge(&self) {
        if !self.0.is_due.swap(true, Ordering::AcqRel) {
            self.0.waiting.wake();
        }
    }

    /// Runs tasks until `poll` has something or lapin something to do. `tasks_first`: those that are ready, before `poll` is asked.
    pub(super) fn wait<T>(
        &self,
        tasks_first: bool,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<Waited<T>> {
        let (mut yields, mut at_once) = (tasks_first, !tasks_first);
        self.block_on(poll_fn(|cx| {
            if std::mem::take(&mut yields) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.0.waiting.register(cx.waker());
            if self.0.is_due.swap(false, Ordering::AcqRel) {
                return Poll::Ready(Waited::Nudged);
            }
            let at_once = std::mem::take(&mut at_once);
            poll(cx).map(|what| Waited::Came { what, at_once })
        }))
    }

    /// Makes a future say that lapin may have something to do, each time it has been polled.
    ///
    /// It is borrowed, since what is given to an `async fn` lies in its future twice.
    pub(super) fn nudging<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = F::Output> {
        poll_fn(move |cx| {
            let polled = future.as_mut().poll(cx);
            self.nudge();
            polled
        })
    }

    /// Makes a waker that nudges, beside another.
    pub(super) fn waker(&self, other: Waker) -> Waker {
        Waker::from(Arc::new(Nudger { other, thread: self.clone() }))
    }

    /// Runs a task here, while there is a here. What goes wrong with it goes wrong with who calls.
    ///
    /// # Cancel safety
    /// Dropping the future drops the task.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let Some(running) = self.enter() else { return task.await };
        let task = spawn(self.handle(), async move {
            let output = task.await;
            drop(running);
            output
        });
        let _aborting = Aborting(task.abort_handle());
        match task.await {
            Ok(output) => output,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // Only who has dropped this future can have cancelled it.
            Err(_) => pending().await,
        }
    }

    /// Lets a task go on by itself, unless it is over.
    pub(super) fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = self.enter() {
            spawn(self.handle(), async move {
                task.await;
                drop(running);
            });
        }
    }

    /// Makes a task of lapin's one that may be run here.
    pub(super) fn for_lapin<F: Future>(&self, task: F) -> impl Future<Output = F::Output> + use<F> {
        let (thread, running) = (self.clone(), self.0.lapins.track());
        async move {
            let output = thread.nudging(pin!(task)).await;
            drop(running);
            output
        }
    }

    /// Sleeps for lapin, and no longer than that is here: its heartbeats would go on for nobody.
    pub(super) fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        let mut is_left = self.0.is_left.subscribe();
        async move {
            // Either way it is over.
            let _ = timeout(time, told(&mut is_left)).await;
        }
    }

    fn enter(&self) -> Option<Tracked> {
        let is_over = self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        (!*is_over).then(|| self.0.tasks.track())
    }

    /// Runs what is left, and ends it all.
    fn wind_up(&self) {
        self.0.is_left.send_replace(true);
        self.block_on(async {
            loop {
                self.0.tasks.idle().await;
                // What is not said by then concerns nobody who is still here.
                let _ = timeout(LAST_WORDS, self.0.lapins.idle()).await;
                let mut is_over = self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner);
                if self.0.tasks.running() == 0 {
                    *is_over = true;
                    return;
                }
            }
        });
        self.0.end();
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("tasks", &self.0.tasks.running()).finish_non_exhaustive()
    }
}

impl Inner {
    fn end(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            // It may be dropped where nobody may wait.
            runtime.shutdown_background();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}

/// lapin's part in a thread. When it is dropped, lapin will not drive that any more, and somebody else does.
pub(super) struct Driving(pub(super) Thread);

impl Drop for Driving {
    fn drop(&mut self) {
        let thread = self.0.clone();
        match runtime::handle() {
            Ok(others) => _ = others.spawn_blocking(move || thread.wind_up()),
            // There is no thread to be had, so there was no connection either.
            Err(_) => thread.0.end(),
        }
    }
}

/// Ends a task when it is dropped.
struct Aborting(AbortHandle);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Wakes somebody, and nudges a thread.
struct Nudger {
    other: Waker,
    thread: Thread,
}

impl Wake for Nudger {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.other.wake_by_ref();
        self.thread.nudge();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::oneshot;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    fn new() -> Thread {
        Thread::new().expect("a runtime")
    }

    /// Drives a thread as lapin does, until bytes come.
    fn drive(thread: &Thread, mut bytes: oneshot::Receiver<u8>) -> thread::JoinHandle<u8> {
        let driving = Driving(thread.clone());
        thread::spawn(move || {
            loop {
                let came = driving.0.wait(true, |cx| Pin::new(&mut bytes).poll(cx));
                if let Some(Waited::Came { what, .. }) = came {
                    return what.expect("a byte");
                }
            }
        })
    }

    #[tokio::test]
    async fn tasks_run_while_bytes_are_waited_for() {
        let (thread, (come, bytes)) = (new(), oneshot::channel());
        let driven = drive(&thread, bytes);
        let name = thread.run(async { thread::current().id() });
        let id = timeout(SOON, name).await.expect("it runs");
        assert_eq!(id, driven.thread().id());
        come.send(7).expect("it waits");
        assert_eq!(driven.join().expect("no panic"), 7);
    }

    #[test]
    fn a_nudge_ends_a_wait_also_if_it_came_before() {
        let thread = new();
        for before in [true, false] {
            let nudging = thread.clone();
            if before {
                nudging.nudge();
            }
            let mut polled = 0;
            let waited = thread.wait(false, |_| {
                polled += 1;
                // From here on it is waited for.
                let nudging = nudging.clone();
                thread::spawn(move || nudging.nudge());
                Poll::<()>::Pending
            });
            assert!(matches!(waited, Some(Waited::Nudged)));
            assert_eq!(polled, u32::from(!before));
        }
    }

    #[test]
    fn tasks_have_their_turn_before_more_bytes_if_that_is_asked_for() {
        let thread = new();
        for tasks_first in [true, false] {
            let ran = Arc::new(AtomicBool::new(false));
            let notes = Arc::clone(&ran);
            thread.handle().spawn(async move { notes.store(true, Ordering::Relaxed) });
            let waited = thread.wait(tasks_first, |_| Poll::Ready(ran.load(Ordering::Relaxed)));
            let Some(Waited::Came { what: has_run, at_once }) = waited else { panic!("they came") };
            assert_eq!((has_run, at_once), (tasks_first, !tasks_first));
        }
    }

    #[tokio::test]
    async fn what_is_left_is_run_to_its_end_and_what_comes_later_where_it_is() {
        let (thread, (come, bytes)) = (new(), oneshot::channel());
        let driven = drive(&thread, bytes);
        let (go, gone) = oneshot::channel();
        let left = tokio::spawn({
            let thread = thread.clone();
            async move { thread.run(async { gone.await.expect("it goes") }).await }
        });
        while thread.0.tasks.running() == 0 {
            tokio::task::yield_now().await;
        }
        come.send(0).expect("it waits");
        driven.join().expect("no panic");
        go.send(5).expect("it is waited for");
        assert_eq!(timeout(SOON, left).await.expect("it ends").expect("no panic"), 5);
        while !*thread.0.is_over.lock().expect("no panic") {
            tokio::task::yield_now().await;
        }
        let here = thread.run(async { thread::current().id() });
        assert_eq!(timeout(SOON, here).await.expect("it runs"), thread::current().id());
    }

    #[tokio::test]
    async fn what_lapin_sleeps_for_ends_with_its_thread() {
        let (thread, (come, bytes)) = (new(), oneshot::channel());
        let driven = drive(&thread, bytes);
        let sleeping = thread.for_lapin(thread.sleep(Duration::from_secs(3600)));
        let asleep = thread.handle().spawn(sleeping);
        come.send(0).expect("it waits");
        driven.join().expect("no panic");
        timeout(SOON, asleep).await.expect("it is woken").expect("it was not dropped");
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_task_that_panics_does_so_where_it_is_waited_for() {
        let (thread, (_come, bytes)) = (new(), oneshot::channel());
        let _driven = drive(&thread, bytes);
        thread.run(async { panic!("a bug") }).await
    }
}
