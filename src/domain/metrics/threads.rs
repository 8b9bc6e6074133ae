//! Work that several threads share, since one reader waits for all of it.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// At most; one of them is the one that asks.
const MOST: usize = 4;
/// For fewer deployments than so another thread is not worth its start.
const FEW: usize = 1_000;

/// Both, at once where there are many deployments.
pub(super) fn both<A, B: Send>(
    deployments: usize,
    one: impl FnOnce() -> A,
    other: impl Fn() -> B + Send + Copy,
) -> (A, B) {
    thread::scope(|scope| {
        let thread = (deployments >= FEW).then(|| thread::Builder::new().spawn_scoped(scope, other));
        let one = one();
        let other = match thread {
            Some(Ok(thread)) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Where the system has no thread to give, this one does it all.
            Some(Err(_)) | None => other(),
        };
        (one, other)
    })
}

/// Who has time takes the next: `work` is done once by each thread, and asks for them until there is none.
pub(super) fn share<T: Send>(deployments: usize, items: Vec<T>, work: impl Fn(&dyn Fn() -> Option<T>) + Sync) {
    let threads = if deployments < FEW { 1 } else { items.len().min(MOST) };
    let left = Mutex::new(items.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || work(&next);
    thread::scope(|scope| {
        for _ in 1..threads {
            drop(thread::Builder::new().spawn_scoped(scope, work));
        }
        work();
    });
}
