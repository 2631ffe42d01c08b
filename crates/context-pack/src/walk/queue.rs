//! Work that grows while it is done: folders to list, of which each can bring more.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What waits, and for how many the end is not known.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    n_taken: usize,
}

/// A piece of work that was taken; when it is dropped, it is done.
#[derive(Debug)]
pub(super) struct Taken<'a, T> {
    queue: &'a Queue<T>,
    /// The work.
    pub(super) work: T,
    /// What it brings.
    pub(super) more: Vec<T>,
}

impl<T> Queue<T> {
    /// A queue that begins with this.
    pub(super) fn new(first: T) -> Self {
        let state = State { waiting: vec![first], n_taken: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The next piece of work; waits while another thread may bring one.
    pub(super) fn next(&self) -> Option<Taken<'_, T>> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.waiting.pop() {
                state.n_taken += 1;
                return Some(Taken { queue: self, work, more: Vec::new() });
            }
            if state.n_taken == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.n_taken -= 1;
        state.waiting.append(&mut self.more);
        if state.n_taken == 0 || !state.waiting.is_empty() {
            self.queue.changed.notify_all();
        }
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
                    while let Some(mut taken) = queue.next() {
                        let left = taken.work;
                        taken.more.extend((0..2).filter(|_| left > 0).map(|_| left - 1));
                        *done.lock().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(done.into_inner().unwrap(), 2_047);
    }
}
