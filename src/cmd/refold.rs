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
    if args.check && differing > 0 {
        let failure = Failure::failed(format!("{differing} of {records} records differ from their facts"));
        return Err(failure.hint("`pipetrail refold` folds them anew"));
    }
    let outcome = if args.check { String::new() } else { format!(", {} folded anew", refolded.mended) };
    let (noun, verb) =
        (if records == 1 { "record" } else { "records" }, if differing == 1 { "differs" } else { "differ" });
    context.output.say(&format!("{records} {noun} read, {differing} {verb} from their facts{outcome}"));
    Ok(Exit::Done)
}
