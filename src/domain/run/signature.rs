//! What is left of an error's text without what differs from run to run: the same error across pipelines has the same
//! signature.

/// In characters.
const LONGEST: usize = 200;
/// So many hexadecimal digits in a row are a hash, if one of them is a digit.
const SHORTEST_HASH: usize = 7;

/// The text with numbers, times, ids, hashes, paths and addresses blanked: `Test 7 failed in /s/a` becomes
/// `Test <n> failed in <path>`.
#[must_use]
pub fn signature(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.trim();
    while !rest.is_empty() && out.len() < LONGEST * 4 {
        let (word, behind) = rest.split_at(rest.find(parts).unwrap_or(rest.len()));
        out.push_str(&blanked(word));
        let between = behind.find(|c| !parts(c)).unwrap_or(behind.len());
        let (between, next) = behind.split_at(between);
        out.push_str(&spaced(between));
        rest = next;
    }
    out.chars().take(LONGEST).collect()
}

/// What stands between words.
fn parts(c: char) -> bool {
    c.is_whitespace() || "\"'`()[]{}<>,;=|".contains(c)
}

/// White space of any length is one space.
fn spaced(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

fn blanked(word: &str) -> String {
    let core = word.trim_end_matches(['.', ':', '!', '?']);
    let end = word.get(core.len()..).unwrap_or_default();
    let blank = if core.contains("://") {
        Some("<url>")
    } else if is_path(core) {
        Some("<path>")
    } else if is_guid(core) {
        Some("<id>")
    } else if is_time(core) {
        Some("<time>")
    } else if is_hash(core) {
        Some("<hex>")
    } else {
        None
    };
    match blank {
        Some(blank) => format!("{blank}{end}"),
        None => format!("{}{end}", without_numbers(core)),
    }
}

/// `and/or` is none, `src/app.ts` and `C:\x` are.
fn is_path(word: &str) -> bool {
    let drive = word.get(1..3).is_some_and(|start| start == ":\\" || start == ":/");
    let rooted = word.len() > 1 && ["/", "./", "../", "~/"].iter().any(|start| word.starts_with(start));
    let last = word.rsplit('/').next().unwrap_or_default();
    let relative = word.matches('/').count() > 1 || (word.contains('/') && last.contains('.'));
    drive || rooted || relative || word.contains('\\')
}

fn is_guid(word: &str) -> bool {
    let lengths = word.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// `2026-03-02`, `12:30:01.5`, `2026-03-02T12:30:01Z`.
fn is_time(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut clock = word.splitn(3, ':');
    let is_clock = clock.clone().count() > 1
        && clock.next().is_some_and(digits)
        && clock.next().and_then(|minutes| minutes.get(..2)).is_some_and(digits);
    let is_date = word.get(..10).is_some_and(|date| {
        let mut parts = date.split('-');
        let wide = |part: Option<&str>, width: usize| part.is_some_and(|part| part.len() == width && digits(part));
        wide(parts.next(), 4) && wide(parts.next(), 2) && wide(parts.next(), 2)
    });
    is_clock || is_date
}

fn is_hash(word: &str) -> bool {
    let hex = word.strip_prefix("0x").unwrap_or(word);
    let all = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let letters = hex.bytes().any(|byte| byte.is_ascii_alphabetic());
    let digits = hex.bytes().any(|byte| byte.is_ascii_digit());
    all && (hex.len() < word.len() || (hex.len() >= SHORTEST_HASH && letters && digits))
}

/// Digits, also with points between them, as one.
fn without_numbers(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        out.push_str(before);
        out.push_str("<n>");
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
        rest = number.get(end..).unwrap_or_default();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_blanked() {
        let table = [
            ("Bash exited with code '1'.", "Bash exited with code '<n>'."),
            ("Test 1005 failed in /home/vsts/work/1/s/build: exit code 1", "Test <n> failed in <path>: exit code <n>"),
            (
                "src/app.ts(12,5): error TS2304: Cannot find name 'x'",
                "<path>(<n>,<n>): error TS<n>: Cannot find name 'x'",
            ),
            (r"##[error]C:\agent\_work\2\s\a.sln : error MSB1009", "##[error]<path> : error MSB<n>"),
            ("No image \u{201c}x\u{201d} at https://acr.example/v2/app:7", "No image \u{201c}x\u{201d} at <url>"),
            ("id=6a89fe25-b324-470d-9c9d-d2d889ab7965 gone", "id=<id> gone"),
            ("HEAD is 40c59264e73fc5e1 now", "HEAD is <hex> now"),
            ("at 0x7FFF and 0xZ", "at <hex> and <n>xZ"),
            ("2026-03-02T12:30:01.5Z  took\t12:30", "<time> took <time>"),
            ("v1.20.3-rc1 is out.", "v<n>-rc<n> is out."),
            ("and/or a deadbeef facade", "and/or a deadbeef facade"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(signature(text), expected, "{text}");
        }
    }

    #[test]
    fn the_same_error_in_two_pipelines_is_one() {
        let one = "The process '/usr/bin/dotnet' failed with exit code 134 after 00:01:12 (run 6a89fe25)";
        let other = "The process '/opt/hostedtoolcache/dotnet' failed with exit code 1 after 00:09:59 (run 7b11fe20)";
        assert_eq!(signature(one), signature(other));
        assert_ne!(signature(one), signature("The process '/usr/bin/npm' was killed"));
    }

    #[test]
    fn it_is_short_whatever_the_text() {
        for text in ["x ".repeat(100_000), "7".repeat(100_000), "\u{1f600}".repeat(10_000), ",".repeat(10_000)] {
            assert!(signature(&text).chars().count() <= LONGEST);
        }
    }

    #[test]
    fn a_signature_is_its_own_signature() {
        for text in ["Test 7 failed in /s/a: 6a89fe25-b324-470d-9c9d-d2d889ab7965", "HEAD 40c59264e73fc5e1"] {
            let once = signature(text);
            assert_eq!(signature(&once), once);
        }
    }
}
