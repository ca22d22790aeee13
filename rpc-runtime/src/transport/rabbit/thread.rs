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
//!
//! A runtime of Tokio's that drives one future is woken by a system call, also by its own thread, and needs a second one to
//! notice. So our tasks are not Tokio's: they are polled beside that future, and a [`Bell`] tells who looks at them that one is
//! ready. Only where the thread sleeps does it cost a system call to ring it.

use std::{
    fmt,
    future::{Future, pending, poll_fn},
    io,
    panic::{AssertUnwindSafe, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::{
    FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered, task::AtomicWaker,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{oneshot, watch},
    task::unconstrained,
    time::timeout,
};

use super::{hush::silenced, runtime::aside, told};
use crate::{
    logging::Logged,
    sync::lock,
    transport::{Tracked, Tracker},
};

/// How long lapin's own tasks may take to tell everybody that a connection is gone.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often tasks are looked at that make each other ready, before Tokio's have their turn.
const ROUNDS: usize = 64;

/// How often in a row Tokio's may be left out, since what is waited for was there at once.
const LEFT_OUT: u32 = 16;

/// A task of ours.
type Task = BoxFuture<'static, ()>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Thread(Arc<Inner>);

struct Inner {
    /// Taken while somebody drives it. `None` once it is over.
    runtime: Mutex<Option<Tokios>>,
    handle: Handle,
    /// Whether lapin may have something to do.
    is_due: AtomicBool,
    bell: Arc<Bell>,
    /// Our tasks. Only who drives them takes this.
    crew: Mutex<FuturesUnordered<Task>>,
    /// Those that are not among them yet.
    joining: Mutex<Vec<Task>>,
    /// What is run for us.
    tasks: Tracker,
    /// What is run for lapin.
    lapins: Tracker,
    /// Whether lapin has left, and what it still sleeps for is over.
    is_left: watch::Sender<bool>,
    /// Whether nobody runs anything here any more.
    is_over: Mutex<bool>,
}

/// What Tokio does here: sockets, timers, and lapin's own tasks.
struct Tokios {
    runtime: Runtime,
    /// How often in a row it had no turn.
    left_out: u32,
}

/// Tells who drives tasks to look at them.
#[derive(Default)]
struct Bell {
    /// Whether it was rung since they were looked at.
    is_rung: AtomicBool,
    /// Whether who drives them sleeps, or is about to.
    is_asleep: AtomicBool,
    sleeper: AtomicWaker,
}

impl Bell {
    fn ring(&self) {
        // Who rings first wakes. The order of both makes sure that one of the two sees the other.
        if !self.is_rung.swap(true, Ordering::SeqCst) && self.is_asleep.load(Ordering::SeqCst) {
            self.sleeper.wake();
        }
    }

    /// Notes who is to be woken.
    fn attend(&self, sleeper: &Waker) {
        self.is_asleep.store(false, Ordering::SeqCst);
        self.sleeper.register(sleeper);
    }

    /// Begins a look at everything.
    fn look(&self) {
        self.is_rung.swap(false, Ordering::SeqCst);
    }

    /// Ends a look. Returns whether who looked may sleep.
    fn rest(&self) -> bool {
        self.is_asleep.store(true, Ordering::SeqCst);
        let may_rest = !self.is_rung.load(Ordering::SeqCst);
        if !may_rest {
            self.is_asleep.store(false, Ordering::SeqCst);
        }
        may_rest
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
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
            runtime: Mutex::new(Some(Tokios { runtime, left_out: 0 })),
            handle,
            is_due: AtomicBool::new(false),
            bell: Arc::default(),
            crew: Mutex::default(),
            joining: Mutex::default(),
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
        let mut future = pin!(future);
        self.drive(false, |cx| future.as_mut().poll(cx))
    }

    /// Runs tasks until `poll` has something. `None` if it is over.
    fn drive<T>(
        &self,
        mut tasks_first: bool,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let Inner { runtime, bell, .. } = &*self.0;
        let ringing = Waker::from(Arc::clone(bell));
        let mut runtime = lock(runtime);
        let Tokios { runtime, left_out } = runtime.as_mut()?;
        let mut turns = 0;
        let driving = poll_fn(|cx| {
            bell.attend(cx.waker());
            turns += 1;
            if turns == 1 && *left_out >= LEFT_OUT {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut near = Context::from_waker(&ringing);
            for _ in 0..ROUNDS {
                bell.look();
                if std::mem::take(&mut tasks_first) {
                    self.0.run_tasks(&mut near);
                }
                if let Poll::Ready(what) = poll(&mut near) {
                    return Poll::Ready(what);
                }
                self.0.run_tasks(&mut near);
                if bell.rest() {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        let what = runtime.block_on(driving);
        *left_out = if turns == 1 { *left_out + 1 } else { 0 };
        Some(what)
    }

    /// Says that lapin may have something to do.
    pub(super) fn nudge(&self) {
        if !self.0.is_due.swap(true, Ordering::AcqRel) {
            self.0.bell.ring();
        }
    }

    /// Runs tasks until `poll` has something or lapin something to do. `tasks_first`: those that are ready, before `poll` is asked.
    pub(super) fn wait<T>(
        &self,
        tasks_first: bool,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<Waited<T>> {
        let mut at_once = !tasks_first;
        self.drive(tasks_first, |cx| {
            if self.0.is_due.swap(false, Ordering::AcqRel) {
                return Poll::Ready(Waited::Nudged);
            }
            let at_once = std::mem::take(&mut at_once);
            poll(cx).map(|what| Waited::Came { what, at_once })
        })
    }

    /// Polls a future of lapin's, silenced, and nudges each time: lapin may have something to do
    /// then.
    ///
    /// It is borrowed, since what is given to an `async fn` lies in its future twice.
    pub(super) fn nudging<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = F::Output> {
        poll_fn(move |cx| {
            let polled = silenced(|| future.as_mut().poll(cx));
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
        let (mut tell, told) = oneshot::channel();
        self.add(async move {
            let ended = tokio::select! {
                biased;
                () = tell.closed() => return,
                ended = AssertUnwindSafe(task).catch_unwind() => ended,
            };
            drop(running);
            // Who does not wait any more has no use for it.
            let _ = tell.send(ended);
        });
        match told.await {
            Ok(Ok(output)) => output,
            Ok(Err(panic)) => resume_unwind(panic),
            // It went with the process's last threads.
            Err(_) => pending().await,
        }
    }

    /// Lets a task go on by itself, unless it is over.
    pub(super) fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = self.enter() {
            self.add(async move {
                task.await;
                drop(running);
            });
        }
    }

    /// Adds a task to those that are run. What it logs goes where its caller's lines go, and if it panics, no other does.
    fn add(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = AssertUnwindSafe(Logged::new(task)).catch_unwind();
        lock(&self.0.joining).push(unconstrained(task.map(drop)).boxed());
        self.0.bell.ring();
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
        let is_over = lock(&self.0.is_over);
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
                let mut is_over = lock(&self.0.is_over);
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
    /// Lets tasks go on that are ready.
    fn run_tasks(&self, cx: &mut Context<'_>) {
        let mut crew = lock(&self.crew);
        crew.extend(std::mem::take(&mut *lock(&self.joining)));
        while let Poll::Ready(Some(())) = crew.poll_next_unpin(cx) {}
    }

    fn end(&self) {
        // They may have the last of what this belongs to.
        let crew = std::mem::take(&mut *lock(&self.crew));
        let joining = std::mem::take(&mut *lock(&self.joining));
        drop((crew, joining));
        let tokios = lock(&self.runtime).take();
        if let Some(Tokios { runtime, .. }) = tokios {
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
        aside("rpc-wind-up", move || thread.wind_up());
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
            thread.detach(async move { notes.store(true, Ordering::Relaxed) });
            let waited = thread.wait(tasks_first, |_| Poll::Ready(ran.load(Ordering::Relaxed)));
            let Some(Waited::Came { what: has_run, at_once }) = waited else { panic!("they came") };
            assert_eq!((has_run, at_once), (tasks_first, !tasks_first));
        }
    }

    #[test]
    fn tokios_tasks_have_their_turn_also_while_bytes_come_faster_than_they_are_read() {
        let thread = new();
        let ran = thread.handle().spawn(async {});
        let mut waits = 0;
        while !ran.is_finished() {
            assert!(matches!(thread.wait(true, |_| Poll::Ready(())), Some(Waited::Came { .. })));
            waits += 1;
            assert!(waits <= 2 * LEFT_OUT, "it has its turn");
        }
    }

    #[tokio::test]
    async fn a_task_that_nobody_waits_for_ends_and_one_that_panics_takes_no_other_along() {
        let (thread, (come, bytes)) = (new(), oneshot::channel());
        let driven = drive(&thread, bytes);
        thread.detach(async { panic!("a bug") });
        let (kept, mut gone) = oneshot::channel::<()>();
        let waiting = thread.run(async move {
            let _kept = kept;
            pending::<()>().await
        });
        assert!(waiting.now_or_never().is_none());
        timeout(SOON, &mut gone).await.expect("it is dropped").expect_err("it has not ended");
        assert_eq!(timeout(SOON, thread.run(async { 7 })).await.expect("it runs"), 7);
        come.send(0).expect("it waits");
        driven.join().expect("no panic");
    }

    #[test]
    fn no_ring_is_missed_by_who_goes_to_sleep() {
        struct Count(std::sync::atomic::AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (bell, count) = (Bell::default(), Arc::new(Count(0.into())));
        let woken = || count.0.load(Ordering::SeqCst);
        bell.attend(&Waker::from(Arc::clone(&count)));
        bell.look();
        bell.ring();
        assert!(!bell.rest(), "it was rung since");
        bell.look();
        assert!(bell.rest() && woken() == 0);
        bell.ring();
        bell.ring();
        assert_eq!(woken(), 1, "who sleeps is woken once");
    }

    #[test]
    fn no_task_is_forgotten_by_a_thread_that_is_about_to_sleep() {
        let (thread, (come, bytes)) = (new(), oneshot::channel());
        let driven = drive(&thread, bytes);
        let callers = [(); 3].map(|()| {
            let thread = thread.clone();
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_time().build();
                runtime.expect("a runtime").block_on(async {
                    for number in 0..3000 {
                        let echoed = timeout(SOON, thread.run(async move { number })).await;
                        assert_eq!(echoed.expect("it runs"), number);
                    }
                });
            })
        });
        callers.into_iter().for_each(|caller| caller.join().expect("no task was forgotten"));
        come.send(0).expect("it waits");
        driven.join().expect("no panic");
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
