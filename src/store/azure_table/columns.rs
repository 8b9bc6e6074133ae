//! What other tools can read of a record beside its stored form: Power BI, Excel, any client of tables.
//!
//! Output only. Nothing here is read back but `ended`, which tells a purge where to look.

use super::entity::NewEntity;
use crate::azure::{date_time, plain_text};
use crate::domain::{Cell, Record};

/// The column that tells when the last was said of what is over, in ticks.
pub(super) const ENDED: &str = "ended";

/// A column holds no more of a text: a name that is longer must not make the record too large to store.
const MOST_CHARACTERS: usize = 1_024;

/// Adds the columns of what the record shows.
pub(super) fn add(entity: NewEntity, record: &Record) -> NewEntity {
    let entity = record.columns().into_iter().fold(entity, |entity, (column, cell)| match cell {
        Cell::Text(text) => entity.text(column, &plain_text(&text, MOST_CHARACTERS)),
        Cell::Number(number) => entity.integer(column, i64::try_from(number).unwrap_or(i64::MAX)),
        Cell::Time(time) => entity.typed(column, &date_time(time), "Edm.DateTime"),
    });
    record.ended().into_iter().fold(entity, |entity, ended| entity.integer(ENDED, ended.ticks()))
}
