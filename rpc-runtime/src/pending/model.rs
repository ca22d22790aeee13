//! A call, whatever races: its caller, the publisher, the reply, the loss of the connection.

use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use shuttle::{future::block_on, thread};
use tokio::sync::Notify;

use super::*;
use crate::{
    envelope::ReplyWriter,
    limits::Limits,
    observe::Observer,
    replies::Replies,
    sync::model::{every_order, many_orders, point},
};

const ID: Uuid = Uuid::from_u128(7);

/// What a publisher does with a message that it has taken.
#[derive(Clone, Copy)]
enum Fate {
    Confirmed,
    /// The connection goes, and the request is not one to repeat.
    Lost,
    /// It goes before the message was written.
    PutBack,
    Returned,
}

/// What a caller was told.
#[derive(Debug)]
enum Told {
    End(Outcome),
    /// Its deadline passed. Whether the request may have been sent.
    GaveUp(bool),
}

/// What the tasks of a scenario share.
struct Scene {
    replies: Replies,
    pending: Arc<Pending>,
    deadline: Notify,
    /// How often the message left.
    sent: AtomicUsize,
    /// Whether the caller has gone.
    is_gone: AtomicBool,
}

impl Scene {
    fn new(is_call: bool) -> Arc<Self> {
        let pending = Arc::new(Pending::of_nothing(is_call));
        let replies = Replies::new(Arc::new(Observer::new()), Limits::default());
        if is_call {
            replies.insert(ID, Arc::clone(&pending));
        }
        let (sent, is_gone) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { replies, pending, deadline: Notify::new(), sent, is_gone })
    }

    /// Waits as `Call` and `Cast` do.
    async fn call(&self) -> Told {
        let mut deadline = pin!(self.deadline.notified());
        let told = poll_fn(|cx| match self.pending.poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Told::End(outcome)),
            Poll::Pending => {
                std::task::ready!(deadline.as_mut().poll(cx));
                Poll::Ready(Told::GaveUp(self.pending.abandon()))
            }
        });
        let told = told.await;
        self.pending.abandon();
        self.is_gone.store(true, Ordering::SeqCst);
        self.replies.remove(ID);
        told
    }

    /// Takes the message, and says what becomes of it.
    fn publish(&self, fate: Fate) {
        let is_gone = self.is_gone.load(Ordering::SeqCst);
        let Some(message) = self.pending.take() else { return };
        assert!(!is_gone, "it would be sent for nobody");
        if let Fate::PutBack = fate {
            self.pending.put_back(message, false);
            return self.publish(Fate::Confirmed);
        }
        self.sent.fetch_add(1, Ordering::SeqCst);
        match fate {
            Fate::Confirmed | Fate::PutBack => self.pending.confirm(),
            Fate::Lost => drop(self.pending.end(Outcome::Interrupted)),
            Fate::Returned => drop(self.pending.end(Outcome::Unroutable(Route::of_nothing()))),
        }
    }

    fn answer(&self) {
        let msg_id = format!("\"{}\"", ID.simple());
        let body = ReplyWriter::result(&5).expect("JSON").finish(&msg_id, Uuid::nil());
        self.replies.receive(&body, None, None);
    }

    fn pass_deadline(&self) {
        point();
        self.deadline.notify_one();
    }

    /// Checks what holds when all tasks have ended.
    fn check(&self, told: &Told) {
        assert_eq!(self.replies.len(), 0, "an entry is left");
        let sent = self.sent.load(Ordering::SeqCst);
        assert!(sent <= 1);
        match told {
            Told::GaveUp(true) => {}
            Told::GaveUp(false) => assert_eq!(sent, 0, "its caller was told that it has not left"),
            Told::End(outcome) => assert!(sent == 1 || matches!(outcome, Outcome::Answered(_))),
        }
        assert!(self.pending.take().is_none(), "nobody waits, and it would be sent");
        assert!(!self.pending.is_queued());
    }
}

/// What a task does.
type Part = fn(&Scene);

/// Runs a caller beside others to the end of all.
fn run(is_call: bool, parts: &[Part]) {
    let scene = Scene::new(is_call);
    let others: Vec<_> = parts
        .iter()
        .map(|part| {
            let (part, scene) = (*part, Arc::clone(&scene));
            thread::spawn(move || part(&scene))
        })
        .collect();
    let told = block_on(scene.call());
    others.into_iter().for_each(|other| other.join().expect("it ends"));
    scene.check(&told);
}

#[test]
fn a_reply_and_a_deadline_end_a_call_once() {
    every_order(|| run(true, &[Scene::answer, Scene::pass_deadline]));
}

#[test]
fn a_call_whose_caller_was_told_that_it_has_not_left_never_leaves() {
    every_order(|| run(true, &[|scene| scene.publish(Fate::Confirmed), Scene::pass_deadline]));
}

#[test]
fn a_message_that_is_put_back_is_not_sent_for_nobody() {
    many_orders(|| run(true, &[|scene| scene.publish(Fate::PutBack), Scene::pass_deadline]));
}

#[test]
fn a_confirm_a_return_or_a_loss_wakes_the_caller_of_a_cast() {
    for part in [
        (|scene| scene.publish(Fate::Confirmed)) as Part,
        |scene| scene.publish(Fate::Returned),
        |scene| scene.publish(Fate::Lost),
        |scene| scene.publish(Fate::PutBack),
    ] {
        every_order(move || run(false, &[part]));
    }
}

#[test]
fn a_call_ends_once_whatever_races() {
    for publish in [
        (|scene| scene.publish(Fate::Confirmed)) as Part,
        |scene| scene.publish(Fate::Returned),
        |scene| scene.publish(Fate::Lost),
        |scene| scene.publish(Fate::PutBack),
    ] {
        many_orders(move || {
            run(true, &[publish, Scene::answer, Scene::answer, Scene::pass_deadline])
        });
    }
}
