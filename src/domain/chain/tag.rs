//! How the tag of an image tells which run built it.
//!
//! Bedrock's pipelines write `{branch}-{Build.BuildNumber}`, the branch with dashes for what a tag may not hold; its second
//! step writes the branch as it is. Others are documented: `{service}-{branch}-{id}`, `{number}`
//! (<https://github.com/microsoft/bedrock/tree/master/docs>).

use std::fmt;

/// Longer tags are none: the registry's own limit is 128 characters.
const MOST: usize = 256;

/// A template such as `{branch}-{number}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTemplate {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Branch,
    Service,
    /// The run's number, as people see it.
    Number,
    /// The run's id.
    Id,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field(Field),
}

/// What a tag says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadTag {
    pub branch: Option<String>,
    pub service: Option<String>,
    pub number: Option<String>,
    pub id: Option<u64>,
}

impl TagTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// With what is wrong: a field that is not known, or nothing that tells the run.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (literal, field) = match rest.split_once('{') {
                None => (rest, None),
                Some((literal, after)) => {
                    let (name, after) =
                        after.split_once('}').ok_or_else(|| format!("`{text}` has a {{ without a }}"))?;
                    rest = after;
                    (literal, Some(field(name)?))
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            match field {
                Some(field) => pieces.push(Piece::Field(field)),
                None => break,
            }
        }
        let tells = |piece: &Piece| matches!(piece, Piece::Field(Field::Number | Field::Id));
        if !pieces.iter().any(tells) {
            return Err(format!("`{text}` names no run: it wants {{number}} or {{id}}"));
        }
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// What the tag says, if it is of this form.
    #[must_use]
    pub fn read(&self, tag: &str) -> Option<ReadTag> {
        let mut read = ReadTag::default();
        (tag.len() <= MOST && matches(&self.pieces, tag, &mut read)).then_some(read)
    }

    /// The tag of such a run.
    #[must_use]
    pub fn write(&self, branch: &str, service: &str, number: &str, id: u64) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Field(Field::Branch) => plain(branch),
            Piece::Field(Field::Service) => service.to_lowercase(),
            Piece::Field(Field::Number) => number.to_owned(),
            Piece::Field(Field::Id) => id.to_string(),
        };
        self.pieces.iter().map(piece).collect()
    }
}

impl Default for TagTemplate {
    fn default() -> Self {
        let pieces = [Piece::Field(Field::Branch), Piece::Literal("-".to_owned()), Piece::Field(Field::Number)];
        Self { text: "{branch}-{number}".to_owned(), pieces: pieces.into() }
    }
}

impl fmt::Display for TagTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn field(name: &str) -> Result<Field, String> {
    match name {
        "branch" => Ok(Field::Branch),
        "service" => Ok(Field::Service),
        "number" => Ok(Field::Number),
        "id" => Ok(Field::Id),
        other => Err(format!("`{{{other}}}` is none of {{branch}}, {{service}}, {{number}}, {{id}}")),
    }
}

/// The last place where what follows fits counts: branches and services hold dashes, numbers and ids do not.
fn matches(pieces: &[Piece], text: &str, read: &mut ReadTag) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return text.is_empty() };
    let field = match piece {
        Piece::Literal(literal) => {
            return text.strip_prefix(literal.as_str()).is_some_and(|text| matches(rest, text, read));
        }
        Piece::Field(field) => *field,
    };
    let ends = text.char_indices().map(|(at, _)| at).skip(1).chain([text.len()]).collect::<Vec<_>>();
    ends.into_iter().rev().any(|end| {
        let Some((value, after)) = text.split_at_checked(end) else { return false };
        fits(field, value) && matches(rest, after, read) && put(field, value, read)
    })
}

fn fits(field: Field, value: &str) -> bool {
    match field {
        Field::Branch | Field::Service => !value.is_empty(),
        Field::Number => !value.is_empty() && !value.contains('-'),
        Field::Id => value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse::<u64>().is_ok(),
    }
}

fn put(field: Field, value: &str, read: &mut ReadTag) -> bool {
    match field {
        Field::Branch => read.branch = Some(value.to_owned()),
        Field::Service => read.service = Some(value.to_owned()),
        Field::Number => read.number = Some(value.to_owned()),
        Field::Id => read.id = value.parse().ok(),
    }
    true
}

/// A branch as it stands in a tag.
pub(super) fn plain(branch: &str) -> String {
    branch.chars().map(|c| if matches!(c, '/' | '.' | '_') { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str, tag: &str) -> Option<(String, String, String, u64)> {
        let ReadTag { branch, service, number, id } = TagTemplate::parse(template).unwrap().read(tag)?;
        let text = |text: Option<String>| text.unwrap_or_default();
        Some((text(branch), text(service), text(number), id.unwrap_or_default()))
    }

    fn told(branch: &str, service: &str, number: &str, id: u64) -> Option<(String, String, String, u64)> {
        Some((branch.to_owned(), service.to_owned(), number.to_owned(), id))
    }

    #[test]
    fn bedrocks_own_form() {
        let usual = TagTemplate::default();
        assert_eq!(usual, TagTemplate::parse("{branch}-{number}").unwrap());
        assert_eq!(usual.to_string(), "{branch}-{number}");
        assert_eq!(usual.write("release/2.4", "web", "20250612.4", 7), "release-2-4-20250612.4");
        assert_eq!(read("{branch}-{number}", "main-20250612.4"), told("main", "", "20250612.4", 0));
        assert_eq!(read("{branch}-{number}", "release-2-4-20250612.4"), told("release-2-4", "", "20250612.4", 0));
        assert_eq!(read("{branch}-{number}", "latest"), None);
    }

    #[test]
    fn other_documented_forms() {
        assert_eq!(read("{service}-{branch}-{id}", "web-main-1203"), told("main", "web", "", 1203));
        assert_eq!(read("{service}-{branch}-{id}", "web-main-12x"), None);
        assert_eq!(read("{number}", "20250612.4"), told("", "", "20250612.4", 0));
        assert_eq!(read("v{number}", "20250612.4"), None);
        assert_eq!(read("{number}", &"1".repeat(300)), None, "no tag is so long");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("{branch}", "`{branch}` names no run: it wants {number} or {id}"),
            ("", "`` names no run: it wants {number} or {id}"),
            ("{build}", "`{build}` is none of {branch}, {service}, {number}, {id}"),
            ("x{number", "`x{number` has a { without a }"),
        ] {
            assert_eq!(TagTemplate::parse(text).unwrap_err(), says);
        }
    }
}
