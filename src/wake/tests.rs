use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

pub(super) const SOON: Duration = Duration::from_secs(10);

/// Runs `work` on a thread of its own, so that a deadlock fails instead of hanging.
pub(super) fn finishes(work: impl FnOnce() + Send + 'static) {
    let (done, finished) = channel();
    let worker = thread::spawn(move || {
        work();
        done.send(()).ok();
    });
    finished.recv_timeout(SOON).expect("the work ends, and without a panic");
    worker.join().expect("the work does not panic");
}

fn counting(count: &Arc<AtomicUsize>) -> Listener {
    let count = Arc::clone(count);
    Arc::new(move || {
        count.fetch_add(1, SeqCst);
    })
}

#[test]
fn a_ring_reaches_exactly_those_who_listen() {
    let bell = Doorbell::new();
    let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let heard = || [&counts[0], &counts[1]].map(|count| count.swap(0, SeqCst));
    let first = bell.listen(counting(&counts[0]));
    let second = bell.clone().listen(counting(&counts[1]));
    bell.clone().ring();
    assert_eq!(heard(), [1, 1]);
    drop(first);
    bell.ring();
    assert_eq!(heard(), [0, 1]);
    drop(second);
    bell.ring();
    assert_eq!(heard(), [0, 0]);
}

#[test]
fn a_slow_listener_holds_up_nobody_else() {
    let bell = Doorbell::new();
    let (entered, inside) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let slow = bell.listen(Arc::new(move || {
        entered.send(()).ok();
        released.lock().unwrap().recv().ok();
    }));
    let ringing = thread::spawn({
        let bell = bell.clone();
        move || bell.ring()
    });
    inside.recv_timeout(SOON).expect("the slow listener is called");
    finishes(move || {
        drop(slow);
        let count = Arc::new(AtomicUsize::new(0));
        let _listening = bell.listen(counting(&count));
        bell.ring();
        assert_eq!(count.load(SeqCst), 1);
    });
    drop(release);
    ringing.join().unwrap();
}

#[test]
fn a_listener_may_own_another_of_the_same_bell() {
    finishes(|| {
        let (bell, count) = (Doorbell::new(), Arc::new(AtomicUsize::new(0)));
        let inner = bell.listen(counting(&count));
        drop(bell.listen(Arc::new(move || drop(format!("{inner:?}")))));
        bell.ring();
        assert_eq!(count.load(SeqCst), 0);
    });
}

#[test]
fn listeners_come_and_go_while_the_bell_rings() {
    finishes(|| {
        let (bell, count) = (Doorbell::new(), Arc::new(AtomicUsize::new(0)));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..500).for_each(|_| bell.ring()));
                scope.spawn(|| (0..500).for_each(|_| drop(bell.listen(counting(&count)))));
            }
        });
        assert!(bell.lock().by_key.is_empty());
    });
}
