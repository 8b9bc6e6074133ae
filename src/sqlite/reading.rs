//! A question to the file that ends when nobody waits for its answer any more: its thread would work on in vain, beside
//! those that take its place.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::InterruptHandle;

#[derive(Clone, Default)]
pub(super) struct Reading(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_left: bool,
    /// Only while the connection is asked: later it is asked by others.
    under_way: Option<InterruptHandle>,
}

impl Reading {
    /// Whether somebody waits.
    pub(super) fn begin(&self, handle: InterruptHandle) -> bool {
        self.with(|state| {
            state.under_way = Some(handle);
            !state.is_left
        })
    }

    pub(super) fn end(&self) {
        self.with(|state| state.under_way = None);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Held by who waits.
pub(super) struct Waiting(pub(super) Reading);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.is_left = true;
            if let Some(handle) = state.under_way.as_ref() {
                handle.interrupt();
            }
        });
    }
}
