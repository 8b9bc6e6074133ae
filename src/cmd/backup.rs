use super::{Context, Exit, Failure};
use crate::cli;
use crate::sqlite::Missing;

pub(super) async fn run(context: &Context, args: &cli::Backup) -> Result<Exit, Failure> {
    let parts = context.open(Missing::Fail).await?;
    parts.file.backup(&args.file).await?;
    context.output.say(&format!("copied {} to {}", context.config.data.display(), args.file.display()));
    Ok(Exit::Done)
}
