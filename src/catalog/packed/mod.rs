//! Blocks of rows, packed into cells.
//!
//! Delivery metrics of a year are counted from half a million runs, and row by row `SQLite` takes seconds to read them. So
//! they stand in cells, too: 256 runs, what finished in their stages of one name, the pushes of a day, the pull requests
//! that were closed on a day. Whoever writes to a block makes it loose; then it is read from the rows, as if it had been
//! packed this moment, and so nobody has to wait until [`super::Catalog::pack`] packs it again. The newest block of each
//! kind stays loose: the next event would open it.

mod code;
mod runs;
mod texts;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use crate::domain::Time;

pub(super) use code::{Made, Push, Pushes, Request, Requests};
pub(super) use runs::{Deployment, Finish, Head, Run, Runs, Since, Stages};
pub(super) use texts::{Commit, Text};

/// 100 ns ticks of a day.
const DAY: i64 = 864_000_000_000;
/// 256 runs.
const RUNS: u32 = 8;
/// Blocks that are packed in one transaction: each takes some 5 ms.
const SLICE: u32 = 8;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Runs,
    Pushes,
    /// Pull requests.
    Requests,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Runs, Self::Pushes, Self::Requests];

    fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Pushes => "pushes",
            Self::Requests => "pullRequests",
        }
    }

    /// From the rows; `None` where there are none. Of runs with the stages that are asked for.
    fn pack(self, c: &Connection, block: i64, asks_for: impl FnMut(&str) -> bool) -> rusqlite::Result<Option<Packed>> {
        match self {
            Self::Runs => runs::pack(c, (block << RUNS, (block + 1) << RUNS), asks_for),
            Self::Pushes => code::pack_pushes(c, block * DAY, (block + 1) * DAY),
            Self::Requests => code::pack_requests(c, block * DAY, (block + 1) * DAY),
        }
    }
}

/// A block, with the earliest and the latest time by which anything of it is asked for.
struct Packed {
    earliest: i64,
    latest: i64,
    rows: Vec<u8>,
    /// Of runs, [`Stages`] in the order of their names.
    stages: Vec<(String, Vec<u8>)>,
}

impl Packed {
    fn new<T: Serialize>(rows: &T, times: impl Iterator<Item = i64>) -> rusqlite::Result<Self> {
        let wider = |(earliest, latest): (i64, i64), at: i64| (at.min(earliest), at.max(latest));
        // What has no time is asked for by nobody.
        let (earliest, latest) = times.fold((i64::MAX, i64::MIN), wider);
        Ok(Self { earliest, latest, rows: bytes(rows)?, stages: Vec::new() })
    }
}

fn bytes<T: Serialize>(value: &T) -> rusqlite::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// What was packed.
///
/// # Errors
/// Where these are not the bytes of such a value: then the file is damaged.
pub(super) fn unpacked<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> rusqlite::Result<T> {
    let no_such =
        |error| rusqlite::Error::FromSqlConversionFailure(bytes.len(), rusqlite::types::Type::Blob, Box::new(error));
    postcard::from_bytes(bytes).map_err(no_such)
}

/// After something of a run was written, or a record of where it was deployed to.
pub(super) fn loosen_run(c: &Connection, run: u64) -> rusqlite::Result<()> {
    let block = i64::try_from(run >> RUNS).unwrap_or(i64::MAX);
    loosen(c, Kind::Runs, block)
}

/// After something was written that is of this time, or was: pushes by when they were pushed, pull requests by when they
/// were closed.
pub(super) fn loosen_day(c: &Connection, kind: Kind, at: Option<i64>) -> rusqlite::Result<()> {
    at.map_or(Ok(()), |at| loosen(c, kind, at.div_euclid(DAY)))
}

fn loosen(c: &Connection, kind: Kind, block: i64) -> rusqlite::Result<()> {
    let loosen = "INSERT INTO packed (kind, block) VALUES (?1, ?2) \
                  ON CONFLICT DO UPDATE SET latest = NULL, rows = NULL WHERE latest IS NOT NULL";
    c.prepare_cached(loosen)?.execute(params![kind.as_str(), block]).map(drop)
}

/// After a commit was told of, or is told of no more: a pull request that consists of it tells when it was made.
pub(super) fn loosen_requests_of(c: &Connection, commit: &str) -> rusqlite::Result<()> {
    let ask = "SELECT p.closed FROM pull_request_commits m JOIN pull_requests p ON p.source = m.source WHERE m.id = ?1";
    let mut ask = c.prepare_cached(ask)?;
    let mut closed = ask.query([commit])?;
    while let Some(row) = closed.next()? {
        loosen_day(c, Kind::Requests, row.get(0)?)?;
    }
    Ok(())
}

/// Blocks that are to be packed: the newest would be opened again by the next event.
const LOOSE: &str = "FROM packed WHERE kind = ?1 AND latest IS NULL \
                     AND block < (SELECT max(block) FROM packed WHERE kind = ?1)";

/// The next of them.
fn loose(c: &Connection, kind: Kind) -> rusqlite::Result<Vec<i64>> {
    let mut ask = c.prepare_cached(&format!("SELECT block {LOOSE} LIMIT ?2"))?;
    ask.query_map(params![kind.as_str(), SLICE], |row| row.get(0))?.collect()
}

/// How many blocks are to be packed.
pub(super) fn left(c: &Connection) -> rusqlite::Result<u64> {
    let mut ask = c.prepare_cached(&format!("SELECT count(*) {LOOSE}"))?;
    let of = |kind: &Kind| ask.query_row([kind.as_str()], |row| row.get::<_, u64>(0));
    Kind::ALL.iter().map(of).sum()
}

/// Packs the next of them; answers whether there were any.
pub(super) fn go_on(c: &Connection) -> rusqlite::Result<bool> {
    for kind in Kind::ALL {
        let blocks = loose(c, kind)?;
        if !blocks.is_empty() {
            blocks.into_iter().try_for_each(|block| pack(c, kind, block))?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn pack(c: &Connection, kind: Kind, block: i64) -> rusqlite::Result<()> {
    if kind == Kind::Runs {
        c.prepare_cached("DELETE FROM packed_stages WHERE block = ?1")?.execute([block])?;
    }
    let Some(packed) = kind.pack(c, block, |_| true)? else {
        let remove = "DELETE FROM packed WHERE kind = ?1 AND block = ?2";
        return c.prepare_cached(remove)?.execute(params![kind.as_str(), block]).map(drop);
    };
    let Packed { earliest, latest, rows, stages } = packed;
    let mut keep = c.prepare_cached("INSERT INTO packed_stages (block, stage, rows) VALUES (?1, ?2, ?3)")?;
    stages.iter().try_for_each(|(stage, rows)| keep.execute(params![block, stage, rows]).map(drop))?;
    let keep = "UPDATE packed SET earliest = ?3, latest = ?4, rows = ?5 WHERE kind = ?1 AND block = ?2";
    c.prepare_cached(keep)?.execute(params![kind.as_str(), block, earliest, latest, rows]).map(drop)
}

/// Each block that may hold something of that time, in their order, with whether it is loose.
fn blocks(
    c: &Connection,
    kind: Kind,
    (from, until): (Time, Time),
    mut take: impl FnMut(i64, bool) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let ask = "SELECT block, FALSE FROM packed WHERE kind = ?1 AND latest >= ?2 AND earliest < ?3 \
               UNION ALL SELECT block, TRUE FROM packed WHERE kind = ?1 AND latest IS NULL ORDER BY block";
    let mut blocks = c.prepare_cached(ask)?;
    let mut blocks = blocks.query(params![kind.as_str(), from.ticks(), until.ticks()])?;
    while let Some(of) = blocks.next()? {
        take(of.get(0)?, of.get(1)?)?;
    }
    Ok(())
}

/// The rows of each block that may hold something of that time, in the order of the blocks.
pub(super) fn each(
    c: &Connection,
    kind: Kind,
    times: (Time, Time),
    mut take: impl FnMut(&[u8]) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut rows = c.prepare_cached("SELECT rows FROM packed WHERE kind = ?1 AND block = ?2")?;
    blocks(c, kind, times, |block, is_loose| {
        if is_loose {
            return kind.pack(c, block, |_| false)?.map_or(Ok(()), |packed| take(&packed.rows));
        }
        let found = rows.query_row(params![kind.as_str(), block], |row| Ok(take(row.get_ref(0)?.as_blob()?)));
        found.optional()?.unwrap_or(Ok(()))
    })
}

/// Who reads what finished in stages.
pub(super) trait ReadStages {
    /// Whether to read those of that name. Those without one have what does not say of which pipeline it is.
    fn asks_for(&mut self, stage: &str) -> bool;

    /// As [`Stages`].
    fn take(&mut self, rows: &[u8]) -> rusqlite::Result<()>;
}

/// What finished in stages, of each block of runs that may hold something of that time.
pub(super) fn each_stage(c: &Connection, times: (Time, Time), by: &mut impl ReadStages) -> rusqlite::Result<()> {
    let mut stages = c.prepare_cached("SELECT stage FROM packed_stages WHERE block = ?1 ORDER BY stage")?;
    let mut rows = c.prepare_cached("SELECT rows FROM packed_stages WHERE block = ?1 AND stage = ?2")?;
    blocks(c, Kind::Runs, times, |block, is_loose| {
        if is_loose {
            let packed = Kind::Runs.pack(c, block, |stage| by.asks_for(stage))?;
            return packed.iter().flat_map(|packed| &packed.stages).try_for_each(|(_, rows)| by.take(rows));
        }
        let mut stages = stages.query([block])?;
        while let Some(row) = stages.next()? {
            let stage = row.get_ref(0)?.as_str()?;
            if by.asks_for(stage) {
                rows.query_row(params![block, stage], |row| Ok(by.take(row.get_ref(0)?.as_blob()?)))??;
            }
        }
        Ok(())
    })
}
