use super::{Context, Exit, Failure};
use crate::sqlite::Missing;
use crate::{cli, ingest};

pub(super) async fn run(context: &Context, args: &cli::Refold) -> Result<Exit, Failure> {
    let parts = context.open(Missing::Fail).await?;
    let refolded = ingest::refold(parts.store.as_ref(), args.check).await.map_err(anyhow::Error::from)?;
    for key in &refolded.differing {
        context.output.text(&format!("{key}\n"))?;
    }
    let (records, differing) = (refolded.records, refolded.differing.len());
    if args.check && differing > 0 {
        let failure = Failure::failed(format!("{differing} of {records} records differ from their facts"));
        return Err(failure.hint("`pipetrail refold` folds them anew"));
    }
    let outcome = if args.check { "differ from their facts" } else { "were folded anew" };
    context.output.say(&format!("{records} records read, {differing} {outcome}"));
    Ok(Exit::Done)
}
