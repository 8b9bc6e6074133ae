use super::output::counted;
use super::{Context, Exit, Failure};
use crate::sqlite::Missing;
use crate::{cli, ingest};

pub(super) async fn run(context: &Context, args: &cli::Refold) -> Result<Exit, Failure> {
    let parts = context.open(Missing::Fail).await?;
    let refolded = ingest::refold(parts.store.as_ref(), !args.check).await?;
    for key in &refolded.differ {
        context.output.text(&format!("{key}\n"))?;
    }
    let (records, differing) = (refolded.records, refolded.differ.len());
    let verb = if differing == 1 { "differs" } else { "differ" };
    if args.check && differing > 0 {
        let records = counted(records, "record");
        let failure = Failure::failed(format!("{differing} of {records} {verb} from their facts"));
        return Err(failure.hint("`pipetrail refold` folds them anew"));
    }
    let outcome = if args.check { String::new() } else { format!(", {} folded anew", refolded.mended) };
    let records = counted(records, "record");
    context.output.say(&format!("{records} read, {differing} {verb} from their facts{outcome}"));
    Ok(Exit::Done)
}
