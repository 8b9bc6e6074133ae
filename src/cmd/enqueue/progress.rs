use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::events::Source;
use crate::cmd::Output;

/// A progress bar before that would only flicker.
const LONG: Duration = Duration::from_millis(500);

/// A bar on stderr, when somebody watches and it takes long.
pub(super) struct Progress {
    bar: ProgressBar,
    output: Output,
    started: Instant,
    wanted: bool,
}

impl Progress {
    pub(super) fn new(output: Output, sources: &[Source]) -> Self {
        let all = sources.iter().map(Source::size).sum();
        let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::hidden());
        let known = ProgressStyle::with_template("{bar:30} {binary_bytes} of {binary_total_bytes}, {eta} left");
        if let (true, Ok(style)) = (all > 0, known) {
            bar.set_style(style);
        }
        Self { bar, output, started: Instant::now(), wanted: output.person_is_watching() }
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.bar.inc(u64::try_from(bytes).unwrap_or_default());
        if self.wanted && self.started.elapsed() > LONG {
            self.wanted = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| self.output.say(text));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
