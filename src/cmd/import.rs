use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;

use super::export::left;
use super::output::counted;
use super::{Bar, Context, Exit, Failure};
use crate::cli;
use crate::sqlite::Missing;
use crate::transfer::{self, Arrived, ImportError};

pub(super) async fn run(context: &Context, args: &cli::Import) -> Result<Exit, Failure> {
    // First: a mistyped name must not leave an empty storage behind.
    let (reader, bytes) = source(&args.file)?;
    let parts = context.open(Missing::Create).await?;
    let bar = Bar::of_bytes(context.output, bytes);
    let arrived = transfer::import(parts.store.clone(), reader, &|bytes| bar.reach(bytes)).await;
    bar.end();
    let arrived = arrived.map_err(failure)?;
    context.report(&summary(&arrived));
    if arrived.imported.left_alone > 0 {
        return Err(Failure::failed(format!("left alone: {}", counted(arrived.imported.left_alone, "record")))
            .hint("the log says which and why; import again once that is mended"));
    }
    left(context, &arrived.behind, "something stayed behind")
}

fn source(file: &Path) -> Result<(Box<dyn BufRead + Send>, u64), Failure> {
    if file.as_os_str() == "-" {
        return Ok((Box::new(BufReader::new(io::stdin())), 0));
    }
    let opened = File::open(file).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (bytes, file) = opened.with_context(|| format!("{}: cannot be read", file.display()))?;
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), bytes))
}

fn summary(Arrived { records, facts, imported, .. }: &Arrived) -> String {
    let below = match imported.below_floor {
        0 => String::new(),
        count => format!(", {count} purged here before"),
    };
    let (records, facts) = (counted(*records, "record"), counted(*facts, "fact"));
    format!("imported {records} with {facts}{below}; `pipetrail refold --check` compares them")
}

fn failure(error: ImportError) -> Failure {
    match error {
        ImportError::Store(error) => Failure::from(error).hint("what came in stays; import again, which does no harm"),
        ImportError::Form { .. } => {
            Failure::from(anyhow::Error::new(error)).hint("what came in stays; import a whole file, which does no harm")
        }
    }
}
