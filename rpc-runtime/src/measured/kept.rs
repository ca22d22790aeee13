//! Tables: of calls that wait, and of requests that are known.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use uuid::Uuid;

use super::{Run, waiting, written};
use crate::{
    DuplicateWindow,
    clock::Instant,
    duplicates::{Duplicates, Seen},
    limits::Limits,
    observe::Observer,
    pending::{Outcome, Pending},
    replies::Replies,
    transport::ReplyMessage,
};

/// How many other calls wait, or requests are known.
const OTHERS: usize = 1000;

fn ended(pending: &Pending) -> Option<Outcome> {
    match pending.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

pub(super) fn reply() -> Run {
    let id = Uuid::from_u128(0x4711);
    let (body, key) = (Arc::new(written::body(id)), "cinder-scheduler".into());
    let reply = written::reply(id);
    let replies = Replies::new(Arc::new(Observer::new()), Limits::default());
    for other in 0..OTHERS {
        let other = Uuid::from_u128(1 << 127 | other as u128);
        replies.insert(other, Arc::new(waiting(&body, &key, true)));
    }
    Box::new(move || {
        let call = Arc::new(waiting(&body, &key, true));
        replies.insert(id, Arc::clone(&call));
        assert!(ended(&call).is_none());
        drop(call.take());
        replies.receive(&reply, None, None);
        let Some(Outcome::Answered(reply)) = ended(&call) else { panic!("it is answered") };
        replies.remove(id);
        reply.result().len()
    })
}

pub(super) fn cast() -> Run {
    let (body, key) = (Arc::new(written::body(Uuid::nil())), "cinder-scheduler".into());
    Box::new(move || {
        let cast = Arc::new(waiting(&body, &key, false));
        assert!(ended(&cast).is_none());
        let message = cast.take().expect("it waits");
        cast.confirm();
        assert!(matches!(ended(&cast), Some(Outcome::Confirmed)));
        message.body.len()
    })
}

/// Returns a full window, when it is filled, the ids that are known, and as many others.
fn window() -> (Duplicates<()>, Instant, Vec<String>) {
    let ids: Vec<_> = (0..2 * OTHERS as u128)
        .map(|id| Uuid::from_u128(id << 64 | id).simple().to_string())
        .collect();
    let mut window = Duplicates::new(DuplicateWindow::new().requests(OTHERS));
    let now = Instant::now();
    ids[..OTHERS].iter().for_each(|id| _ = handled(&mut window, id, now));
    (window, now, ids)
}

/// A request begins and ends. Returns whether it was new.
fn handled(window: &mut Duplicates<()>, id: &str, now: Instant) -> bool {
    let Seen::First(key) = window.begin(id, now) else { return false };
    // Nobody else takes part.
    window.end(key, None, now).is_empty()
}

pub(super) fn new_request() -> Run {
    let (mut window, now, ids) = window();
    let mut next = OTHERS;
    Box::new(move || {
        assert!(handled(&mut window, &ids[next], now));
        next = (next + 1) % ids.len();
        next
    })
}

pub(super) fn copy() -> Run {
    let (mut window, now, ids) = window();
    let (body, queue) = (Arc::new(written::reply(Uuid::nil())), "reply_1".into());
    let answer =
        ReplyMessage { queue, body, compression: None, unique_id: Uuid::nil(), mark: None };
    let id = "00000000000000000000000000abcdef";
    let Seen::First(key) = window.begin(id, now) else { panic!("it is new") };
    window.end(key, Some(answer), now);
    assert!(!ids.iter().any(|known| known == id));
    Box::new(move || match window.begin(id, now) {
        Seen::Ended(Some(reply)) => reply.body.len(),
        _ => panic!("it is known"),
    })
}
