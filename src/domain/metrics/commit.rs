use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a commit. Hundreds of thousands of them are compared: nearly all are SHA-1, and those take 20 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Commit(Id);

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Id {
    Sha1([u8; 20]),
    /// A changeset of TFVC, and whatever else somebody calls a commit.
    Text(Box<str>),
}

impl From<&str> for Commit {
    fn from(id: &str) -> Self {
        Self(sha1(id).map_or_else(|| Id::Text(id.into()), Id::Sha1))
    }
}

/// Small letters alone: others would be lost.
fn sha1(id: &str) -> Option<[u8; 20]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = id.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 20];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Id::Sha1(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Id::Text(text) => f.write_str(text),
        }
    }
}

/// As their texts.
impl Ord for Commit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            (Id::Sha1(one), Id::Sha1(other)) => one.cmp(other),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }
}

impl PartialOrd for Commit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_its_text() {
        let digits = "0123456789abcdef0123456789abcdef01234567";
        let (short, upper, long) = (digits.replace('f', ""), digits.to_uppercase(), digits.repeat(2));
        let ids = ["", "C1234", &short, digits, &upper, "zz", &long, "é"];
        let mut commits: Vec<_> = ids.iter().map(|id| Commit::from(*id)).collect();
        assert_eq!(commits.iter().map(Commit::to_string).collect::<Vec<_>>(), ids);
        let mut sorted = ids;
        sorted.sort_unstable();
        commits.sort();
        assert_eq!(commits.iter().map(Commit::to_string).collect::<Vec<_>>(), sorted);
        assert_eq!(size_of::<Option<Commit>>(), 24);
    }
}
