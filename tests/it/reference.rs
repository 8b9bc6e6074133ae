//! The README's tables say what the program says.

use std::path::Path;

const START: &str = "<!-- options -->";
const END: &str = "<!-- /options -->";

/// `UPDATE_README=1 cargo test reference` writes the tables anew.
#[test]
fn the_readme_lists_the_commands_and_options_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(START).expect("the start marker");
    let (tables, after) = rest.split_once(END).expect("the end marker");
    let expected = format!("\n\n{}\n", pipetrail::cli::options_markdown());
    if std::env::vars().any(|(name, value)| name == "UPDATE_README" && value == "1") {
        std::fs::write(&path, format!("{before}{START}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(tables, expected, "run: UPDATE_README=1 cargo test --test it reference");
}
