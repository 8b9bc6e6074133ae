use clap::CommandFactory as _;

use super::{Exit, Failure, Output};
use crate::cli::{self, Cli};

pub(super) fn run(output: &Output, args: &cli::Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pipetrail", &mut script);
    output.data(&script)?;
    Ok(Exit::Done)
}
