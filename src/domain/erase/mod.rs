//! Takes a person out of texts: what is stored, and what came in.
//!
//! Of a record it is not asked which field holds a name: a person may stand in a branch, a message, or a part that only a
//! newer program understands. So every text is searched, as whole words, whatever the case, whether an `é` is one character
//! or two, and behind the escapes of an address; what is found is replaced. The trap: `Ann` must not be found in `Annabel`, nor in `joann@fabrikam.example`. And who is called `Jobs` must not
//! cost a run its jobs: the module `typed` tells data from what is the program's own.

mod typed;

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

use super::Fact;

pub(super) use typed::WORD_AND_TEXT;
pub use typed::Without;

/// Stands where a person stood.
pub const FORGOTTEN: &str = "[forgotten]";

/// In characters. What is shorter stands in too many other words.
const SHORTEST: usize = 3;

/// Base64 in base64 is nobody's name.
const MOST_LAYERS: u8 = 2;

/// What a person is called: names, addresses, ids.
#[derive(Clone, Debug)]
pub struct Erasure(Vec<Vec<char>>);

/// A text by which nobody can be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is too short to find a person by: at least {SHORTEST} characters are needed")]
pub struct TooShort(String);

impl Erasure {
    /// # Errors
    /// When one of them is too short.
    pub fn new<'t>(called: impl IntoIterator<Item = &'t str>) -> Result<Self, TooShort> {
        let lower = |text: &str| {
            let lower: Vec<char> = letters(text.trim()).into_iter().map(|it| it.letter).collect();
            let count = lower.iter().filter(|letter| !is_combining_mark(**letter)).count();
            if count < SHORTEST { Err(TooShort(text.chars().take(64).collect())) } else { Ok(lower) }
        };
        let mut called = called.into_iter().map(lower).collect::<Result<Vec<_>, _>>()?;
        // The longest first: it may hold a shorter one.
        called.sort_by_key(|called| std::cmp::Reverse(called.len()));
        Ok(Self(called))
    }

    /// With the ids by which these facts tell the person apart: where the name goes, the id is to go, too. The trap: not
    /// every fact that has the id has the name.
    #[must_use]
    pub fn with_identities(&self, facts: &[Fact]) -> Self {
        let named = facts.iter().flat_map(Fact::identities).filter(|(_, name)| self.text(name).is_some());
        // What stands there already is nobody's.
        let ids = named.map(|(id, _)| id).filter(|id| *id != FORGOTTEN);
        let mut all = self.clone();
        all.0.extend(ids.filter_map(|id| Self::new([id]).ok()).flat_map(|id| id.0));
        all.0.sort_by_key(|called| std::cmp::Reverse(called.len()));
        all.0.dedup();
        all
    }

    /// The text without the person; `None` where it names nobody.
    #[must_use]
    pub fn text(&self, text: &str) -> Option<String> {
        let letters = letters(text);
        let mut out = String::new();
        let (mut at, mut done, mut found) = (0, 0, false);
        while at < letters.len() {
            let Some(end) = self.0.iter().find_map(|called| ends(&letters, at, called)) else {
                at += 1;
                continue;
            };
            let (from, to) = (letters.get(at).map_or(text.len(), |it| it.from), end.to);
            out.push_str(text.get(done..from).unwrap_or_default());
            out.push_str(FORGOTTEN);
            (at, done, found) = (end.next, to, true);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        found.then_some(out)
    }

    /// JSON without the person, in any text and any name of a field; `None` where it names nobody or is no JSON.
    #[must_use]
    pub fn json(&self, json: &str) -> Option<String> {
        let mut value: Value = serde_json::from_str(json).ok()?;
        self.value(&mut value).then(|| value.to_string())
    }

    /// Whether something changed.
    fn value(&self, value: &mut Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
            Value::String(text) => match self.text(text) {
                Some(without) => {
                    *text = without;
                    true
                }
                None => false,
            },
            Value::Array(values) => values.iter_mut().fold(false, |found, value| self.value(value) | found),
            Value::Object(fields) => self.fields(fields),
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>) -> bool {
        let mut found = false;
        for (name, mut value) in std::mem::take(fields) {
            let without = self.text(&name);
            found |= self.value(&mut value) | without.is_some();
            fields.insert(without.unwrap_or(name), value);
        }
        found
    }

    /// Whether a message's body names the person: as it came, in UTF-16, in base64, or behind the escapes of JSON.
    #[must_use]
    pub fn is_in(&self, body: &[u8]) -> bool {
        self.is_in_layer(body, MOST_LAYERS)
    }

    fn is_in_layer(&self, body: &[u8], layers: u8) -> bool {
        let text = String::from_utf8_lossy(body);
        if self.text(&text).is_some()
            || self.json(text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')).is_some()
        {
            return true;
        }
        if wide(body).iter().any(|text| self.text(text).is_some() || self.json(text).is_some()) {
            return true;
        }
        let inner = base64_simd::forgiving_decode_to_vec(body).ok().filter(|inner| layers > 0 && !inner.is_empty());
        inner.is_some_and(|inner| self.is_in_layer(&inner, layers - 1))
    }
}

/// The text of a body that may be UTF-16, read in either order of its bytes. In UTF-8 no byte is zero, and none is that of
/// a byte order mark.
fn wide(body: &[u8]) -> Vec<String> {
    let is_wide = body.contains(&0) || body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff");
    let orders: [fn([u8; 2]) -> u16; 2] = [u16::from_le_bytes, u16::from_be_bytes];
    let read = |order: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = body.as_chunks().0.iter().copied().map(order).collect();
        String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned()
    };
    orders.into_iter().filter(|_| is_wide).map(read).collect()
}

/// A small letter of a text, and where in the text its character stands.
struct Letter {
    letter: char,
    from: usize,
    to: usize,
}

/// One character may have several small letters, and each may be made of a letter and its marks.
fn letters(text: &str) -> Vec<Letter> {
    let mut letters = Vec::new();
    let mut from = 0;
    while let Some((character, length)) = text.get(from..).and_then(character) {
        let to = from + length;
        letters.extend(character.to_lowercase().nfd().map(|letter| Letter { letter, from, to }));
        from = to;
    }
    order_marks(&mut letters);
    letters
}

/// The first character, and how many bytes it takes: also one that is escaped as in an address, such as `%2F`.
fn character(text: &str) -> Option<(char, usize)> {
    let first = text.chars().next()?;
    let escaped = Some(text).filter(|_| first == '%').and_then(escaped);
    Some(escaped.unwrap_or_else(|| (first, first.len_utf8())))
}

/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.1>
fn escaped(text: &str) -> Option<(char, usize)> {
    let byte = |at: usize| {
        let digits = text.get(3 * at..3 * at + 3)?.strip_prefix('%')?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
    };
    let bytes: Vec<u8> = (0..4).map_while(byte).collect();
    let character = String::from_utf8_lossy(&bytes).chars().next().filter(|c| *c != char::REPLACEMENT_CHARACTER)?;
    Some((character, 3 * character.len_utf8()))
}

/// Marks of one letter may come in any order, and mean the same. None of them goes without the others.
fn order_marks(letters: &mut [Letter]) {
    for marks in letters.chunk_by_mut(|one, next| is_mark(one) && is_mark(next)).filter(|marks| marks.len() > 1) {
        let from = marks.iter().map(|mark| mark.from).min().unwrap_or_default();
        let to = marks.iter().map(|mark| mark.to).max().unwrap_or_default();
        marks.sort_by_key(|mark| canonical_combining_class(mark.letter));
        marks.iter_mut().for_each(|mark| (mark.from, mark.to) = (from, to));
    }
}

fn is_mark(letter: &Letter) -> bool {
    canonical_combining_class(letter.letter) != 0
}

/// Where something ends that was found.
struct End {
    /// In the text.
    to: usize,
    /// Among the letters.
    next: usize,
}

/// Where a whole word, or several, end that begin at `at`.
fn ends(letters: &[Letter], at: usize, called: &[char]) -> Option<End> {
    let next = at.checked_add(called.len())?;
    let found = letters.get(at..next)?;
    let same = found.iter().map(|it| it.letter).eq(called.iter().copied());
    let is_word = |at: Option<usize>| {
        let letter = at.and_then(|at| letters.get(at)).map(|it| it.letter);
        letter.is_some_and(|letter| letter.is_alphanumeric() || is_combining_mark(letter))
    };
    let whole = !is_word(at.checked_sub(1)) && !is_word(Some(next));
    (same && whole).then_some(End { to: found.last()?.to, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> Erasure {
        Erasure::new(["Ana Lindqvist", "ana@fabrikam.example", "Ana"]).unwrap()
    }

    #[test]
    fn whole_words_go_whatever_their_case() {
        let table = [
            ("Ana Lindqvist", Some("[forgotten]")),
            ("for ANA LINDQVIST, and Jon", Some("for [forgotten], and Jon")),
            ("refs/heads/users/ana/fix", Some("refs/heads/users/[forgotten]/fix")),
            ("<Ana@Fabrikam.example>ana", Some("<[forgotten]>[forgotten]")),
            ("Ana-Ana", Some("[forgotten]-[forgotten]")),
            ("Anabel, Diana, hanaü", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(ana().text(text).as_deref(), expected, "{text}");
        }
        let umlaut = Erasure::new(["ÖZGE İnce"]).unwrap();
        assert_eq!(umlaut.text("by özge İNCE!").as_deref(), Some("by [forgotten]!"));
    }

    #[test]
    fn a_name_is_found_however_its_characters_are_made() {
        let table = [
            ("Zo\u{e9} Na\u{ef}r", "by Zoe\u{301} NAI\u{308}R!", Some("by [forgotten]!")),
            ("Zoe\u{301} Nai\u{308}r", "by zo\u{e9} na\u{ef}r!", Some("by [forgotten]!")),
            ("Vi\u{1ec7}t", "vi\u{ea}\u{323}t, vie\u{323}\u{302}t", Some("[forgotten], [forgotten]")),
            ("Vi\u{ea}\u{323}", "vi\u{1ec7}", Some("[forgotten]")),
            ("Zoe", "Zoe\u{301} zo\u{e9}", None),
            ("Zo\u{e9}", "Zoe", None),
            ("ana_lindqvist", "x/Ana_Lindqvist, anaXlindqvist", Some("x/[forgotten], anaXlindqvist")),
            ("ana", "_ana_ an_ a_a", Some("_[forgotten]_ an_ a_a")),
            ("Ana Nai\u{308}r", "?who=ana%20Na%C3%AFr&x=100%", Some("?who=[forgotten]&x=100%")),
            ("ana", "?version=GBusers%2Fana%2Ffix%2fAna%", Some("?version=GBusers%2F[forgotten]%2Ffix%2f[forgotten]%")),
            ("ana", "%", None),
            ("ana", "%a %zz%E2%82 \u{20ac}%", None),
        ];
        for (called, text, expected) in table {
            assert_eq!(Erasure::new([called]).unwrap().text(text).as_deref(), expected, "{called} in {text}");
        }
        assert!(Erasure::new(["Jo\u{308}"]).is_err(), "two letters and a mark");
    }

    #[test]
    fn json_loses_it_in_values_and_names_and_stays_json() {
        let json = r#"{"a":["Jon",{"Ana":1}],"b":{"c":"by An\u0061"},"n":12345678901234567}"#;
        let expected = r#"{"a":["Jon",{"[forgotten]":1}],"b":{"c":"by [forgotten]"},"n":12345678901234567}"#;
        assert_eq!(ana().json(json).as_deref(), Some(expected));
        assert_eq!(ana().json(r#"{"a":"Jon"}"#), None);
        assert_eq!(ana().json("Ana"), None);
    }

    #[test]
    fn bodies_are_searched_in_every_wrapping() {
        let json = r#"{"who":"An\u0061 Lindqvist"}"#;
        let encoded = base64_simd::STANDARD.encode_to_string(json);
        for body in [json, &encoded, "rubbish of Ana", &format!("\u{feff}{json}"), &format!(" {encoded}\r\n")] {
            assert!(ana().is_in(body.as_bytes()), "{body}");
        }
        assert!(ana().is_in(b"\xff Ana \xff"));
        for text in [json, "rubbish of Ana", "an\u{e3} \u{2014} Ana"] {
            let units: Vec<u16> = text.encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            for (mark, body) in [(b"\xff\xfe", little), (b"\xfe\xff", big)] {
                let marked = [mark.as_slice(), &body].concat();
                let encoded = base64_simd::STANDARD.encode_to_string(&body).into_bytes();
                for body in [marked, body, encoded] {
                    assert!(ana().is_in(&body) && !Erasure::new(["Jon"]).unwrap().is_in(&body), "{body:?}");
                }
            }
        }
        assert!(
            !ana().is_in(b"Jon")
                && !ana().is_in(b"")
                && !ana().is_in(base64_simd::STANDARD.encode_to_string("Jon").as_bytes())
        );
    }

    #[test]
    fn nobody_is_found_by_two_letters() {
        assert_eq!(
            Erasure::new(["Jon", " x "]).unwrap_err().to_string(),
            "` x ` is too short to find a person by: at least 3 characters are needed"
        );
    }
}
