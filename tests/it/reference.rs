//! The README's tables say what the program says.

use std::path::Path;

/// `UPDATE_README=1 cargo test reference` writes the tables anew.
#[test]
fn the_readme_says_what_the_program_says() {
    holds("options", &pipetrail::cli::options_markdown());
    holds("doctor", &pipetrail::view::ailments_markdown());
}

/// The part between `<!-- name -->` and `<!-- /name -->`.
fn holds(name: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(&format!("<!-- {name} -->")).expect("the start marker");
    let (tables, after) = rest.split_once(&format!("<!-- /{name} -->")).expect("the end marker");
    let expected = format!("\n\n{}\n\n", table.trim_end());
    if std::env::vars().any(|(name, value)| name == "UPDATE_README" && value == "1") {
        std::fs::write(&path, format!("{before}<!-- {name} -->{expected}<!-- /{name} -->{after}")).unwrap();
        return;
    }
    assert_eq!(tables, expected, "run: UPDATE_README=1 cargo test --test it reference");
}
