use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

/// What helps with any catalog.
const ANEW: &str = "delete the file, which is made anew then, or name another one with --catalog";

/// What is wrong with the local file, in words.
#[derive(Debug, Clone)]
pub struct LocalError {
    path: PathBuf,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Sqlite(Arc<rusqlite::Error>),
    Io(Arc<std::io::Error>),
    Missing,
    Folder,
    NoFolder,
    Exists,
    Foreign,
    NoCatalog,
    Newer { found: u32, known: u32 },
    Stopped,
    Undone,
    Busy,
}

impl LocalError {
    pub(crate) fn new(path: &Path, error: rusqlite::Error) -> Self {
        Self { path: path.to_owned(), what: What::Sqlite(Arc::new(error)) }
    }

    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        Self { path: path.to_owned(), what: What::Io(Arc::new(error)) }
    }

    pub(crate) fn missing(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::Missing }
    }

    pub(crate) fn folder(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::Folder }
    }

    /// The path is the folder's.
    pub(crate) fn no_folder(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::NoFolder }
    }

    pub(crate) fn no_catalog(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::NoCatalog }
    }

    pub(crate) fn exists(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::Exists }
    }

    pub(crate) fn foreign(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::Foreign }
    }

    pub(crate) fn newer(path: &Path, found: u32, known: u32) -> Self {
        Self { path: path.to_owned(), what: What::Newer { found, known } }
    }

    pub(crate) fn stopped(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::Stopped }
    }

    /// Another process uses it.
    pub(crate) fn busy(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::Busy }
    }

    /// Another write of the same transaction failed.
    pub(crate) fn undone(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::Undone }
    }

    /// Whether it may go away by itself: another process holds the file, or another write failed.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.what, What::Undone | What::Busy)
            || matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.what, What::Missing)
    }

    /// Whether the file is damaged.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// Whether another file in its place would do: damaged, or somebody else's. Not one of a newer version, which a newer
    /// program may be using: the two would replace each other's for ever.
    pub(crate) fn is_unusable(&self) -> bool {
        self.is_damage() || matches!(self.what, What::Foreign)
    }

    /// What the user can do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match &self.what {
            What::Missing => Some(
                "put events on it first (`pipetrail enqueue`), run `pipetrail demo`, or name another file with --data",
            ),
            What::Exists => Some("name a file that does not exist yet"),
            What::Foreign | What::Folder | What::NoCatalog => Some("name another file with --data"),
            What::NoFolder => Some("make the folder first"),
            What::Newer { .. } => {
                Some("update pipetrail, or name another file with --data (a catalog: with --catalog)")
            }
            What::Io(_) | What::Stopped | What::Undone | What::Busy => None,
            What::Sqlite(_) => match self.code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    Some("end the program that holds the file, or try again")
                }
                Some(ErrorCode::DiskFull) => {
                    Some("free some space and start again: nothing that was acknowledged is lost")
                }
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Some("restore a copy made by `pipetrail backup`, or name another file with --data")
                }
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    Some("check that the folder exists and that you may write there")
                }
                _ => None,
            },
        }
    }

    /// The same where the file is a catalog, which may be anywhere and can be had again.
    #[must_use]
    pub fn catalog_hint(&self) -> &'static str {
        match &self.what {
            What::Folder => "name a file with --catalog, such as one in this folder",
            What::NoFolder => "make the folder first, or name another file with --catalog",
            What::NoCatalog | What::Foreign => "name another file with --catalog: one that is not there yet is made",
            What::Io(_) => "name a file with --catalog that you may write, in a folder that you may write to",
            What::Newer { .. } => "update pipetrail, or name another file with --catalog",
            What::Missing | What::Exists | What::Stopped | What::Undone => ANEW,
            What::Busy => "end the program that holds the file, or try again",
            What::Sqlite(_) => match self.code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "end the program that holds the file, or try again"
                }
                Some(ErrorCode::DiskFull) => "free some space, or name a file on another disk with --catalog",
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    "name a file with --catalog that you may write, in a folder that you may write to"
                }
                _ => ANEW,
            },
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match &self.what {
            What::Sqlite(error) => error.sqlite_error_code(),
            What::Io(_)
            | What::Folder
            | What::NoFolder
            | What::NoCatalog
            | What::Missing
            | What::Exists
            | What::Foreign
            | What::Newer { .. }
            | What::Stopped
            | What::Undone
            | What::Busy => None,
        }
    }
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.what {
            What::Io(error) => write!(f, "{error}"),
            What::Missing => f.write_str("the data file does not exist"),
            What::Exists => f.write_str("the file exists already"),
            What::Folder => f.write_str("this is a folder, not a data file"),
            What::NoFolder => f.write_str("the folder does not exist"),
            What::NoCatalog => f.write_str("this is no catalog of pipetrail, and it is left as it is"),
            What::Foreign => f.write_str("this is a database of another program"),
            What::Newer { found, known } => {
                write!(f, "written by a newer pipetrail (format {found}, this one knows {known})")
            }
            What::Stopped => f.write_str("the writer has stopped"),
            What::Undone => f.write_str("undone together with another write that failed"),
            What::Busy => f.write_str("in use by another process, which has to be stopped first"),
            What::Sqlite(error) => match self.code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => f.write_str("locked by another program"),
                Some(ErrorCode::DiskFull) => f.write_str("the disk is full"),
                Some(ErrorCode::DatabaseCorrupt) => f.write_str("the file is damaged"),
                Some(ErrorCode::NotADatabase) => f.write_str("this is not a database"),
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => f.write_str("may not be written"),
                Some(ErrorCode::CannotOpen) => f.write_str("cannot be opened"),
                _ => write!(f, "{error}"),
            },
        }
    }
}

impl std::error::Error for LocalError {}
