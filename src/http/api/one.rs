use super::asked::short;
use crate::http::Problem;

/// The one that was found; none and several are problems.
pub(super) fn one<T>(mut found: Vec<T>, what: &str, place: impl Fn(&T) -> String) -> Result<T, Problem> {
    match found.pop() {
        None => Err(Problem::missing(format!("{}: not found.", short(what)))),
        Some(one) if found.is_empty() => Ok(one),
        Some(one) => {
            let all: Vec<_> = found.iter().chain([&one]).map(place).collect();
            let detail = format!(
                "{}: there are {}; say which one with `organization`, or more of its id.",
                short(what),
                all.len()
            );
            Err(Problem::ambiguous(detail, all))
        }
    }
}
