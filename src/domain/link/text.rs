//! What people and pipelines write into messages, titles and branches.

/// So many work items of one text are taken.
pub const MOST_MENTIONS: usize = 20;
/// Texts are hostile: no more of one is looked at.
const MOST_BYTES: usize = 64 << 10;

/// What Azure DevOps adds to the message of a merge.
const RELATED: &str = "Related work items:";

/// The work items that a text names: `AB#123` anywhere, and all of a line `Related work items: #12, #13`.
///
/// A bare `#123` is none: on GitHub it is a pull request or an issue.
#[must_use]
pub fn mentions(text: &str) -> Vec<u64> {
    let mut found: Vec<u64> = Vec::new();
    for line in beginning(text).lines() {
        let related = line.trim_start().strip_prefix(RELATED);
        let all = related.into_iter().flat_map(related_items).chain(after_ab(line));
        for id in all {
            if found.len() < MOST_MENTIONS && !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found.sort_unstable();
    found
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(MOST_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn related_items(list: &str) -> impl Iterator<Item = u64> {
    list.split(',').map_while(|part| number(part.trim().strip_prefix('#')?).map(|(id, _)| id))
}

/// `AB#` counts only where no word ends before it.
fn after_ab(line: &str) -> impl Iterator<Item = u64> {
    line.match_indices('#').filter_map(|(at, _)| {
        let before = line.get(..at)?;
        let word = before.get(before.len().checked_sub(2)?..)?;
        let is_alone = before.get(..before.len() - 2)?.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let (id, rest) = number(line.get(at + 1..)?)?;
        let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        (word.eq_ignore_ascii_case("AB") && is_alone && ends).then_some(id)
    })
}

/// The number at the beginning, with what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let id = digits.parse().ok().filter(|id| (1..=i64::MAX.unsigned_abs()).contains(id))?;
    Some((id, rest))
}

/// The numbers in a branch that may be work items: which of them are is for the configured patterns to say.
#[must_use]
pub fn numbers(branch: &str) -> Vec<u64> {
    let mut found: Vec<u64> =
        branch.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| number(digits).map(|(id, _)| id)).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST_MENTIONS);
    found
}

/// The pull request in the first line of a merge's message: `Merged PR 88: …`, also behind what a later pipeline put
/// before it. A revert quotes it, and is none.
#[must_use]
pub fn merged_pull_request(message: &str) -> Option<u64> {
    let line = message.lines().next()?;
    let (before, rest) = line.split_once("Merged PR ")?;
    if !before.is_empty() && !before.ends_with(": ") {
        return None;
    }
    let (id, rest) = number(rest)?;
    rest.starts_with(':').then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_items_that_are_named() {
        let table: [(&str, &[u64]); 14] = [
            ("Fix rounding AB#123", &[123]),
            ("ab#7: small letters, AB#7 twice", &[7]),
            ("(AB#1),AB#2;AB#3.", &[1, 2, 3]),
            ("Fixes AB#12\n\nAB#13", &[12, 13]),
            ("Merged PR 88: x\n\nRelated work items: #12, #13", &[12, 13]),
            ("Related work items: #12, see #13", &[12]),
            ("see #123", &[]),
            ("LAB#123", &[]),
            ("ÄAB#123", &[]),
            ("AB#12x", &[]),
            ("AB#0 AB# AB#99999999999999999999", &[]),
            ("AB 123, AB-123", &[]),
            ("#", &[]),
            ("ü#1 AB#4", &[4]),
        ];
        for (text, expected) in table {
            assert_eq!(mentions(text), expected, "{text}");
        }
        let many: String = (1..100).map(|id| format!("AB#{id} ")).collect();
        assert_eq!(mentions(&many).len(), MOST_MENTIONS);
    }

    #[test]
    fn merges_that_name_their_pull_request() {
        let deploy = "Updated k8s manifest files post commit: Merged PR 88: Updating web image tag to main-1.";
        for (message, expected) in [
            ("Merged PR 88: Round totals", Some(88)),
            (deploy, Some(88)),
            ("Merged PR 88", None),
            ("Revert \"Merged PR 88: Round totals\"", None),
            ("Merged PR x: y", None),
            ("Round totals\n\nMerged PR 88: later", None),
            ("", None),
        ] {
            assert_eq!(merged_pull_request(message), expected, "{message}");
        }
    }

    #[test]
    fn numbers_of_a_branch() {
        assert_eq!(numbers("refs/heads/feature/123-round-2-places"), [2, 123]);
        assert_eq!(numbers("refs/heads/main"), [] as [u64; 0]);
    }
}
