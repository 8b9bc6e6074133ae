use std::fs;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::{Exit, Failure};
use crate::cli::{self, Cli};

pub(super) fn run(args: &cli::Man) -> Result<Exit, Failure> {
    let folder = &args.folder;
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.with_context(|| format!("{}: manual pages cannot be written", folder.display()))?;
    Ok(Exit::Done)
}
