use clap::{Arg, Command, CommandFactory};

use super::Cli;
use crate::config::SETTINGS;

/// The commands, their options and the settings as Markdown tables, from what the program itself knows.
/// The README holds this text; a test compares both.
#[must_use]
pub fn options_markdown() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = String::from("| command | does |\n|---|---|\n");
    for command in leaves(&root) {
        row(&mut text, &[code(&usage(command)), about(command)]);
    }
    text.push_str("\n| command | option | meaning |\n|---|---|---|\n");
    for arg in options(&root) {
        row(&mut text, &["every".to_owned(), code(&option(arg)), meaning(arg)]);
    }
    for command in leaves(&root) {
        for arg in options(command).filter(|arg| !arg.is_global_set()) {
            row(&mut text, &[code(name(command)), code(&option(arg)), meaning(arg)]);
        }
    }
    text.push_str("\n| variable | key in the file | option | default | meaning |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let optional = |value: Option<&str>| value.map(code).unwrap_or_default();
        let cells = [code(setting.variable), optional(setting.key), optional(setting.flag)];
        row(&mut text, &[&cells[..], &[optional(setting.default), setting.meaning.to_owned()]].concat());
    }
    text
}

/// Commands that do something, in the order of the help.
fn leaves(command: &Command) -> Vec<&Command> {
    let all = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    all.flat_map(|sub| if sub.has_subcommands() { leaves(sub) } else { vec![sub] }).collect()
}

fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional() && !matches!(arg.get_id().as_str(), "help" | "version"))
}

/// The command with those above it, without the program's name: `get runs`.
fn name(command: &Command) -> &str {
    let full = command.get_bin_name().unwrap_or_else(|| command.get_name());
    full.strip_prefix("pipetrail ").unwrap_or(full)
}

fn usage(command: &Command) -> String {
    let mut text = name(command).to_owned();
    for arg in command.get_positionals() {
        let many = arg.get_num_args().is_some_and(|count| count.max_values() > 1);
        let value = values(arg);
        let value = if arg.is_required_set() { value } else { format!("[{value}]") };
        text.push_str(&format!(" {value}{}", if many { "…" } else { "" }));
    }
    text
}

fn option(arg: &Arg) -> String {
    let mut text = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    text.push_str(&format!("--{}", arg.get_long().unwrap_or_default()));
    if arg.get_action().takes_values() {
        text.push_str(&format!(" {}", values(arg)));
    }
    text
}

/// What a value may be: the words, where they are counted, else the value's name.
fn values(arg: &Arg) -> String {
    let words: Vec<_> = arg.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect();
    if arg.get_action().takes_values() && !words.is_empty() {
        return words.join("|");
    }
    arg.get_value_names().unwrap_or_default().join(" ")
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = arg.get_default_values().first().filter(|_| arg.get_action().takes_values());
    match default {
        Some(default) => format!("{help} [default: {}]", default.to_string_lossy()),
        None => help,
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn row(text: &mut String, cells: &[String]) {
    text.push('|');
    for cell in cells {
        text.extend([" ", &cell.replace('|', "\\|"), " |"]);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_with_a_flag_is_an_option_that_names_its_variable() {
        let mut root = Cli::command();
        root.build();
        let mut all: Vec<_> = options(&root).collect();
        let leaves = leaves(&root);
        all.extend(leaves.iter().flat_map(|command| options(command)));
        for setting in SETTINGS {
            let Some(flag) = setting.flag else { continue };
            // Other commands may have options of the same name, for other things.
            let mut named = all.iter().filter(|arg| arg.get_long() == flag.strip_prefix("--"));
            let is_said = named.any(|arg| meaning(arg).contains(setting.variable));
            assert!(is_said, "no {flag} names {}", setting.variable);
        }
    }
}
