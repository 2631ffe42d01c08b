//! Work on as many threads as there are processors; the results have the order of what they are of.

use std::cmp::Ordering;
use std::sync::atomic::{self, AtomicUsize};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Applies `work` to all of these, on as many threads as there are; the results have their order.
pub(crate) fn on_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let take = || {
        let mut own = Vec::new();
        loop {
            let index = next.fetch_add(1, atomic::Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            own.push((index, work(item)));
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
    };
    std::thread::scope(|scope| {
        // This thread is one of them, so that a few items start no other.
        for _ in 1..n_threads().min(items.len()) {
            scope.spawn(take);
        }
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// As many as there are processors; asking costs a look into several files of the system.
pub(crate) fn n_threads() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8)
    })
}

/// Fewer items than this are not worth a thread when the work on each is small.
const FEW: usize = 1000;

/// Applies a little `work` to each of many items and their indices.
pub(crate) fn map_all<T: Copy + Sync, R: Send>(
    items: &[T],
    work: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let chunks: Vec<(usize, &[T])> = items.chunks(FEW).enumerate().collect();
    let done = on_threads(&chunks, |(at, chunk)| {
        let indices = at * FEW..;
        indices.zip(chunk.iter()).map(|(index, item)| work(index, *item)).collect::<Vec<R>>()
    });
    done.into_iter().flatten().collect()
}

/// Sorts items; those that are equal keep their order.
pub(crate) fn sort<T: Send>(items: &mut [T], by: impl Fn(&T, &T) -> Ordering + Sync) {
    if items.len() > FEW && n_threads() > 1 {
        let (left, right) = items.split_at_mut(items.len() / 2);
        std::thread::scope(|scope| {
            scope.spawn(|| right.sort_by(&by));
            left.sort_by(&by);
        });
    }
    // Two sorted halves take one pass.
    items.sort_by(by);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_one_thread() {
        let items: Vec<usize> = (0..5000).map(|index| index * 7919 % 501).collect();
        let expect: Vec<usize> = items.iter().enumerate().map(|(at, item)| at + item).collect();
        assert_eq!(map_all(&items, |index, item| index + item), expect);
        assert_eq!(on_threads(&items, |item| item * 2)[4999], items[4999] * 2);
        let mut sorted: Vec<(usize, usize)> = items.iter().copied().enumerate().collect();
        let mut expect = sorted.clone();
        sort(&mut sorted, |left, right| left.1.cmp(&right.1));
        expect.sort_by_key(|(_, item)| *item);
        assert_eq!(sorted, expect);
    }
}
