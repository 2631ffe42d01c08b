//! Work that grows while it is done: folders to list, of which each can bring more.
//!
//! Each worker keeps what it finds and hands over half of it when another has nothing to do, so
//! that they hardly ever wait for one another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What waits, and how many workers may bring more.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// How many workers wait; read without the lock, so only a hint.
    n_idle: AtomicUsize,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    n_busy: usize,
}

/// One that works; when it is dropped, it works no more.
#[derive(Debug)]
pub(super) struct Worker<'a, T> {
    queue: &'a Queue<T>,
    /// What it found and nobody else knows of.
    own: Vec<T>,
    is_busy: bool,
}

impl<T> Queue<T> {
    /// A queue that begins with this.
    pub(super) fn new(first: T) -> Self {
        let state = State { waiting: vec![first], n_busy: 0 };
        Self { state: Mutex::new(state), n_idle: AtomicUsize::new(0), changed: Condvar::new() }
    }

    /// One more worker.
    pub(super) fn worker(&self) -> Worker<'_, T> {
        Worker { queue: self, own: Vec::new(), is_busy: false }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Worker<'_, T> {
    /// Adds work, of which the first comes next.
    pub(super) fn add(&mut self, work: Vec<T>) {
        self.own.extend(work.into_iter().rev());
    }

    /// The next piece of work; waits while another worker may bring one.
    pub(super) fn next(&mut self) -> Option<T> {
        if self.own.len() > 1 && self.queue.n_idle.load(Ordering::Relaxed) > 0 {
            // What was found first lies highest in the tree and brings most.
            let half = self.own.len() / 2;
            self.queue.lock().waiting.extend(self.own.drain(..half));
            self.queue.changed.notify_all();
        }
        self.own.pop().or_else(|| self.wait())
    }

    fn wait(&mut self) -> Option<T> {
        let mut state = self.queue.lock();
        state.n_busy -= usize::from(std::mem::take(&mut self.is_busy));
        loop {
            if let Some(work) = state.waiting.pop() {
                state.n_busy += 1;
                self.is_busy = true;
                return Some(work);
            }
            if state.n_busy == 0 {
                self.queue.changed.notify_all();
                return None;
            }
            self.queue.n_idle.fetch_add(1, Ordering::Relaxed);
            state = self.queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            self.queue.n_idle.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<T> Drop for Worker<'_, T> {
    fn drop(&mut self) {
        // One that panics must not leave the others waiting.
        self.queue.lock().n_busy -= usize::from(self.is_busy);
        self.queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_work_is_taken_once_and_all_threads_end() {
        let queue = Queue::new(10_u32);
        let done = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut worker = queue.worker();
                    while let Some(left) = worker.next() {
                        worker.add((0..2).filter(|_| left > 0).map(|_| left - 1).collect());
                        *done.lock().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(done.into_inner().unwrap(), 2_047);
    }

    #[test]
    fn a_worker_that_panics_does_not_stop_the_others() {
        let queue = Queue::new(3_u32);
        let done = Mutex::new(0);
        std::thread::scope(|scope| {
            let failing = scope.spawn(|| {
                let mut worker = queue.worker();
                let left = worker.next().unwrap();
                worker.add(vec![left - 1; 2]);
                // Nobody else can have taken the first piece, and half of the rest is given away.
                while queue.n_idle.load(Ordering::Relaxed) == 0 {
                    std::thread::yield_now();
                }
                worker.next();
                panic!("this worker fails");
            });
            while queue.lock().n_busy == 0 {
                std::thread::yield_now();
            }
            let mut worker = queue.worker();
            while worker.next().is_some() {
                *done.lock().unwrap() += 1;
            }
            assert!(failing.join().is_err());
        });
        assert_eq!(done.into_inner().unwrap(), 1);
    }
}
