//! Logs on stderr, as text for people or JSON lines for machines, never a payload's body; and what is counted.
//!
//! Of other crates only warnings and errors are heard, whatever the filter says: the SDK's debug lines hold requests
//! with their tokens, signatures and bodies.

pub mod prometheus;

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the whole process. Called once.
///
/// # Errors
/// When something else has started it before.
pub fn start(config: &LogConfig, color: bool) -> Result<(), TryInitError> {
    // The configuration has checked the filter.
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = color && std::io::stderr().is_terminal();
    let filter = filter.and(filter_fn(|event| may_speak(event.target(), event.level())));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
    let lines = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
}

fn may_speak(target: &str, level: &Level) -> bool {
    *level <= Level::WARN || target.split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_heard_only_when_something_is_wrong() {
        assert!(may_speak("pipetrail", &Level::TRACE) && may_speak("pipetrail::ingest::worker", &Level::DEBUG));
        assert!(may_speak("azure_core::policies::transport", &Level::WARN));
        assert!(!may_speak("azure_core::policies::transport", &Level::INFO));
        assert!(!may_speak("pipetrails", &Level::INFO));
    }
}
