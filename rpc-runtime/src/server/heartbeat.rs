//! The heartbeats of a monitored call: they tell its caller that the server still works on it (wire: section 3.5).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::AbortHandle;

use super::request::Parts;
use crate::{
    Transport,
    clock::Instant,
    envelope::{heartbeat, is_reply_queue},
    ids::new_id,
    transport::Answer,
};

/// Sends heartbeats until it is dropped. None leaves afterwards, so none comes behind the reply.
///
/// They have a task of their own: a method that keeps its thread busy is one that its caller should wait for.
pub(super) struct Heartbeat {
    ended: Arc<Mutex<bool>>,
    task: AbortHandle,
}

impl Heartbeat {
    /// The shortest pause between two heartbeats, whatever a caller asks for.
    const SHORTEST: Duration = Duration::from_millis(100);

    /// Begins to send, if the request's caller asks for it.
    pub(super) async fn of(parts: &Parts<'_>, transport: &Transport) -> Option<Self> {
        let pause = pause(parts.request.monitor()?)?;
        let (msg_id, queue) = parts.caller.as_ref()?;
        if !is_reply_queue(queue) {
            return None;
        }
        let ended = Arc::new(Mutex::new(false));
        let (flag, transport) = (Arc::clone(&ended), transport.clone());
        let (msg_id, queue): (String, Arc<str>) = ((*msg_id).to_owned(), Arc::from(&**queue));
        let beat = async move {
            loop {
                tokio::time::sleep(pause).await;
                let unique_id = new_id();
                let body = heartbeat(&msg_id, unique_id);
                let Ok(reply) = transport.reply(Arc::clone(&queue), body, unique_id) else {
                    return;
                };
                let mut answer = Answer::new(reply, Instant::now() + pause);
                answer.once = true;
                let ended = flag.lock().unwrap_or_else(PoisonError::into_inner);
                if *ended {
                    return;
                }
                transport.answer(answer);
            }
        };
        let heartbeat = Self { ended, task: tokio::spawn(beat).abort_handle() };
        // What was spawned last is polled by this thread and no other, which the method may soon keep busy.
        tokio::task::yield_now().await;
        Some(heartbeat)
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.task.abort();
    }
}

/// Returns the pause between heartbeats for a caller that misses them after `timeout` seconds: half of it, whole
/// seconds counting, as in the original. That sends none at all below two; there it is a quarter, since callers of some
/// releases look only every half second.
fn pause(timeout: f64) -> Option<Duration> {
    if timeout.is_nan() || timeout <= 0.0 {
        return None;
    }
    let seconds = if timeout >= 2.0 { timeout.trunc() / 2.0 } else { timeout / 4.0 };
    Duration::try_from_secs_f64(seconds).ok().map(|pause| pause.max(Heartbeat::SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_come_well_within_the_callers_patience() {
        for (timeout, millis) in [
            (2.0, Some(1000)),
            (2.9, Some(1000)),
            (3.0, Some(1500)),
            (60.0, Some(30_000)),
            (1.0, Some(250)),
            (0.01, Some(100)),
            (0.0, None),
            (-5.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(pause(timeout), millis.map(Duration::from_millis), "{timeout}");
        }
    }
}
