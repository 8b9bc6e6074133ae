use super::Time;

/// What of a record other tools can read in a table, such as Power BI or Excel. Output only.
pub type Columns = Vec<(&'static str, Cell)>;

/// What stands in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Text(String),
    Number(u64),
    Time(Time),
}

/// The columns of those texts that are known.
pub(crate) fn texts<const N: usize>(
    texts: [(&'static str, Option<String>); N],
) -> impl Iterator<Item = (&'static str, Cell)> {
    texts.into_iter().filter_map(|(column, text)| Some((column, Cell::Text(text?))))
}

/// The columns of those times that are known.
pub(crate) fn times<const N: usize>(
    times: [(&'static str, Option<Time>); N],
) -> impl Iterator<Item = (&'static str, Cell)> {
    times.into_iter().filter_map(|(column, time)| Some((column, Cell::Time(time?))))
}
