//! Generations that follow each other, whatever races: who uses one, who gives it up, who makes the next.

use shuttle::{future::block_on, thread};

use super::*;
use crate::sync::model::{many_orders, point};

/// A generation without a connection.
struct Fake {
    number: u8,
    is_stuck: watch::Sender<bool>,
}

const LAST: u8 = 2;

/// Makes one generation after the other, each once the one before was given up.
async fn supervise(generations: watch::Sender<Option<Arc<Fake>>>, first_dies: bool) {
    for number in 0..=LAST {
        let generation = Arc::new(Fake { number, is_stuck: watch::Sender::new(false) });
        generations.send_replace(Some(Arc::clone(&generation)));
        point();
        if number == LAST {
            return;
        }
        // It also dies by itself.
        if !(first_dies && number == 0) {
            let _ = generation.is_stuck.subscribe().wait_for(|stuck| *stuck).await;
        }
        generations.send_replace(None);
        point();
    }
}

/// Uses generations as the tasks do: gives up each that does not work, and waits for another.
async fn use_one(mut generations: watch::Receiver<Option<Arc<Fake>>>) {
    let mut newest = None;
    while let Some(generation) = connected(&mut generations).await {
        point();
        assert!(newest <= Some(generation.number), "an old one came back");
        newest = Some(generation.number);
        if generation.number == LAST {
            return;
        }
        generation.is_stuck.send_replace(true);
        point();
        replaced(&mut generations, &generation).await;
    }
    panic!("the supervisor went, and the last generation is still there");
}

#[test]
fn everybody_comes_to_the_last_generation_however_often_one_is_given_up() {
    for first_dies in [false, true] {
        many_orders(move || {
            let (sender, generations) = watch::channel(None);
            let users = [(); 2].map(|()| {
                let generations = generations.clone();
                thread::spawn(move || block_on(use_one(generations)))
            });
            block_on(supervise(sender, first_dies));
            users.into_iter().for_each(|user| user.join().expect("it ends"));
        });
    }
}
