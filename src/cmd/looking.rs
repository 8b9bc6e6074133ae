use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Context;
use crate::catalog::LookedTo;

/// A line before that would only flicker.
const LONG: Duration = Duration::from_millis(500);

/// How far a search through many runs has come: a line on stderr, when somebody watches and it takes long.
pub(super) struct Looking {
    bar: ProgressBar,
    started: Instant,
    wanted: bool,
}

impl Looking {
    pub(super) fn new(context: &Context) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), wanted: context.output.person_is_watching() }
    }

    pub(super) fn reached(&mut self, to: LookedTo) {
        if self.wanted && self.started.elapsed() > LONG {
            self.wanted = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let run = to.run_id.map(|run| format!(" to run {run}")).unwrap_or_default();
        let at = to.at.map(|at| format!(" of {at}")).unwrap_or_default();
        self.bar.set_message(format!("looked{run}{at}"));
        self.bar.tick();
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
