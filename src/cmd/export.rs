use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use super::output::counted;
use super::{Bar, Context, Exit, Failure};
use crate::cli;
use crate::domain::Key;
use crate::sqlite::Missing;
use crate::transfer::{self, ExportError, Exported};

/// Data goes to stdout by that name.
const STDOUT: &str = "-";

pub(super) async fn run(context: &Context, args: &cli::Export) -> Result<Exit, Failure> {
    let parts = context.open(Missing::Fail).await?;
    let mut out = BufWriter::with_capacity(1 << 16, target(context, &args.file)?);
    let bar = Bar::counting(context.output, "records");
    let exported = transfer::export(parts.store.as_ref(), &mut out, &|records| bar.reach(records)).await;
    bar.end();
    let exported = exported.map_err(failure)?;
    let Exported { records, facts, left_out } = &exported;
    context.report(&format!("exported {} with {}", counted(*records, "record"), counted(*facts, "fact")));
    left(context, left_out, "left out")
}

fn target(context: &Context, file: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if file.as_os_str() == STDOUT {
        return Ok(Box::new(context.output.stream()));
    }
    let made = File::create_new(file).with_context(|| format!("{}: cannot be made", file.display()));
    made.map(|file| Box::new(file) as Box<dyn Write + Send>)
        .map_err(|error| Failure::from(error).hint("name a file that does not exist yet, or - for stdout"))
}

fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        ExportError::Store(error) => error.into(),
        ExportError::Write(_) => Failure::from(anyhow::Error::new(error)).hint("what was written is no whole export"),
    }
}

/// Each of them, and a failure if there are any.
pub(super) fn left(context: &Context, records: &[(Key, String)], verb: &str) -> Result<Exit, Failure> {
    for (key, why) in records {
        context.output.say(&format!("{key}: {why}"));
    }
    match records.len() {
        0 => Ok(Exit::Done),
        count => {
            Err(Failure::failed(format!("{verb}: {}", counted(u64::try_from(count).unwrap_or(u64::MAX), "record"))))
        }
    }
}
