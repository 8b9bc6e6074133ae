//! Numbers as people write them, in digits and in English words. Of other languages only digits are read: the model is told
//! to write these.

/// A number as it is written: how much, and with how many decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said {
    pub(super) value: f64,
    decimals: u32,
}

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const LARGE: [(&str, f64); 6] = [
    ("couple", 2.0),
    ("dozen", 12.0),
    ("hundred", 100.0),
    ("thousand", 1_000.0),
    ("million", 1_000_000.0),
    ("billion", 1_000_000_000.0),
];
/// These say how many without saying it.
const VAGUE: [&str; 7] = ["dozens", "scores", "hundreds", "thousands", "millions", "billions", "umpteen"];
const PARTS: [(&str, f64); 9] = [
    ("third", 3.0),
    ("quarter", 4.0),
    ("fourth", 4.0),
    ("fifth", 5.0),
    ("sixth", 6.0),
    ("seventh", 7.0),
    ("eighth", 8.0),
    ("ninth", 9.0),
    ("tenth", 10.0),
];
const MULTIPLES: [(&str, f64); 15] = [
    ("half", 0.5),
    ("halved", 0.5),
    ("halves", 0.5),
    ("twice", 2.0),
    ("double", 2.0),
    ("doubled", 2.0),
    ("doubles", 2.0),
    ("twofold", 2.0),
    ("thrice", 3.0),
    ("triple", 3.0),
    ("tripled", 3.0),
    ("triples", 3.0),
    ("threefold", 3.0),
    ("quadruple", 4.0),
    ("quadrupled", 4.0),
];
/// What makes `3 times` a multiple, and no count.
const COMPARES: [&str; 12] =
    ["as", "more", "less", "fewer", "longer", "slower", "faster", "higher", "lower", "larger", "smaller", "greater"];
const UNITS: [&str; 12] =
    ["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months"];

impl Said {
    pub(super) fn whole(value: f64) -> Self {
        Self { value, decimals: 0 }
    }

    /// What its last digit counts.
    pub(super) fn step(self) -> f64 {
        10_f64.powi(-i32::try_from(self.decimals).unwrap_or_default())
    }

    /// Whether it is this number, or what is left of it with fewer decimals. A whole number is itself.
    pub(super) fn rounds(self, known: f64) -> bool {
        (known - self.value).abs() <= self.step() / 2.0 + 1e-9
            && (self.decimals > 0 || known.fract() != 0.0 || known == self.value)
    }
}

/// A number and what is written straight behind it.
pub(super) fn read(word: &str) -> Option<(Said, &str)> {
    if let Some((value, 1)) = spelled(std::slice::from_ref(&word)) {
        return Some((Said::whole(value), ""));
    }
    let unsigned = word.trim_start_matches(['+', '-', '#']);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(unsigned.len());
    let (digits, unit) = unsigned.split_at_checked(end)?;
    let digits = digits.replace(',', "");
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let value = digits.parse().ok()?;
    let is_unit = unit.chars().all(|c| c.is_alphabetic() || c == '%');
    is_unit.then_some((Said { value, decimals: u32::try_from(decimals).ok()? }, unit))
}

/// Whether this word alone is a number, or part of one; a one is mostly none.
pub(super) fn is_word(word: &str) -> bool {
    word != "one" && (VAGUE.contains(&word) || spelled(&[word]).is_some())
}

/// The number that begins here in words, and how many words it has: `forty-two`, `one hundred and five`, `two dozen`.
pub(super) fn spelled<S: AsRef<str>>(words: &[S]) -> Option<(f64, usize)> {
    let (mut total, mut current, mut long, mut is_large) = (0.0, 0.0, 0, false);
    for (at, word) in words.iter().enumerate() {
        let follows = words.get(at + 1).is_some_and(|next| small(next.as_ref()).is_some());
        if word.as_ref() == "and" && is_large && follows {
            continue;
        }
        if let Some(value) = small(word.as_ref()) {
            // `two three` are two numbers.
            let is_next = long > 0 && !is_large && !(current >= 20.0 && value < 10.0 && current % 10.0 == 0.0);
            if is_next {
                break;
            }
            current += value;
            is_large = false;
        } else if let Some((_, value)) = LARGE.iter().find(|(name, _)| *name == word.as_ref()) {
            current = f64::max(current, 1.0) * value;
            is_large = true;
            if *value >= 1_000.0 {
                total += current;
                current = 0.0;
            }
        } else {
            break;
        }
        long = at + 1;
    }
    (long > 0).then_some((total + current, long))
}

/// Below a hundred.
fn small(word: &str) -> Option<f64> {
    let whole = |word: &str| SMALL.iter().position(|name| *name == word).map(|at| at as f64);
    let tens = |word: &str| TENS.iter().position(|name| *name == word).map(|at| (at as f64 + 2.0) * 10.0);
    let both = || {
        let (ten, one) = word.split_once('-')?;
        Some(tens(ten)? + whole(one).filter(|one| (1.0..10.0).contains(one))?)
    };
    whole(word).or_else(|| tens(word)).or_else(both)
}

/// The part or multiple that begins here, and how many words it has: `half`, `two thirds`, `three-quarters`, `twice`. The
/// third of several things is none, and neither is the first half of a time.
pub(super) fn part(before: &str, words: &[String]) -> Option<(f64, usize)> {
    let first = words.first()?.as_str();
    if let Some((_, multiple)) = MULTIPLES.iter().find(|(name, _)| *name == first) {
        let is_of_time = ["first", "second", "latter", "other", "either", "each"].contains(&before);
        return (!(is_of_time && *multiple < 1.0)).then_some((*multiple, 1));
    }
    let of = |word: &str| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        PARTS.iter().find(|(name, _)| *name == singular).map(|(_, of)| *of)
    };
    let count = |word: &str| small(word).filter(|count| *count > 0.0);
    if let Some((much, name)) = first.split_once('-') {
        return Some((count(much)? / of(name)?, 1));
    }
    let next = words.get(1).map_or("", String::as_str);
    let behind = words.get(2).map_or("", String::as_str);
    match (count(first), of(next)) {
        (Some(much), Some(of)) if next.ends_with('s') || behind == "of" => return Some((much / of, 2)),
        _ => {}
    }
    let is_one = before == "a" && next == "of";
    is_one.then(|| of(first)).flatten().map(|of| (1.0 / of, 1))
}

/// Whether `times` before this word multiplies.
pub(super) fn compares(word: &str) -> bool {
    COMPARES.contains(&word)
}

/// The share that `1 in 4` is; `5 in 30 days` is none.
pub(super) fn one_in(words: &[String]) -> Option<f64> {
    let number = |at: usize| read(words.get(at)?).filter(|(_, unit)| unit.is_empty()).map(|(said, _)| said.value);
    let is_unit = words.get(3).is_some_and(|word| UNITS.contains(&word.as_str()));
    let is_in = words.get(1).is_some_and(|word| word == "in");
    let (one, of) = (number(0)?, number(2)?);
    (is_in && !is_unit && one < of && of <= 100.0).then_some(one / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        for (text, value, long) in [
            ("seven runs", 7.0, 1),
            ("forty-two", 42.0, 1),
            ("forty two runs", 42.0, 2),
            ("two three", 2.0, 1),
            ("one hundred and five", 105.0, 4),
            ("twelve thousand three hundred forty-five", 12_345.0, 5),
            ("two dozen", 24.0, 2),
            ("hundred and more", 100.0, 1),
        ] {
            let words: Vec<_> = text.split(' ').collect();
            assert_eq!(spelled(&words), Some((value, long)), "{text}");
        }
        assert_eq!(spelled(&["runs"]), None);
    }

    #[test]
    fn parts_in_words() {
        let of = |before, text: &str| part(before, &text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("", "half of them"), Some((0.5, 1)));
        assert_eq!(of("first", "half"), None);
        assert_eq!(of("", "three quarters"), Some((0.75, 2)));
        assert_eq!(of("", "three-quarters"), Some((0.75, 1)));
        assert_eq!(of("a", "third of them"), Some((1.0 / 3.0, 1)));
        assert_eq!(of("the", "third of them"), None);
        assert_eq!(of("last", "quarter"), None);
        assert_eq!(of("", "web-2"), None);
    }
}
