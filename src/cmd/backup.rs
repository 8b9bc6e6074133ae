use super::{Context, Exit, Failure};
use crate::cli;
use crate::sqlite::{LocalFile, Missing};

pub(super) async fn run(context: &Context, args: &cli::Backup) -> Result<Exit, Failure> {
    context.only_local("backup", "add --storage local, or copy the account's table with the tools of Azure")?;
    let file = LocalFile::open(&context.config.data, Missing::Fail, context.clock())?;
    file.backup(&args.file).await?;
    context.output.say(&format!("copied {} to {}", context.config.data.display(), args.file.display()));
    Ok(Exit::Done)
}
