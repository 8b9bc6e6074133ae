use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Output;

/// A bar before that would only flicker.
const LONG: Duration = Duration::from_millis(500);

/// A bar on stderr where somebody watches.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// For what has no known end.
    pub(super) fn counting(output: Output, noun: &str) -> Self {
        Self::of(output, None, &format!("{{pos}} {noun}, {{per_sec}}"))
    }

    /// For so many bytes; 0 where nobody knows.
    pub(super) fn of_bytes(output: Output, bytes: u64) -> Self {
        match bytes {
            0 => Self::of(output, None, "{binary_bytes}"),
            bytes => Self::of(output, Some(bytes), "{bar:30} {binary_bytes} of {binary_total_bytes}, {eta} left"),
        }
    }

    fn of(output: Output, end: Option<u64>, template: &str) -> Self {
        let watched = output.person_is_watching();
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(end, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(LONG);
        Self(bar)
    }

    pub(super) fn reach(&self, position: u64) {
        self.0.set_position(position);
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
