//! A file of which every row can be had again: it is made anew rather than mended, and several processes share it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Kind, LocalError, LocalFile, Missing};
use crate::clock::Clock;

/// Where the header of a database has its application id: <https://www.sqlite.org/fileformat2.html>.
const APPLICATION_ID_AT: usize = 68;

/// Whose file may be where a replica is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nobody else's: whatever is there may be replaced.
    Ours,
    /// A person named it: only what says of itself that it is a replica may be replaced.
    Named,
}

/// The right to bring a replica up to date, which one at a time has. Given back when dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Turn {
    #[expect(dead_code, reason = "open, it holds the lock")]
    lock: File,
}

impl LocalFile {
    /// Opens a replica and makes it where it is missing or damaged; where the place is ours, with its folder. One of a
    /// newer version is refused.
    ///
    /// # Errors
    /// When it cannot be opened or made, or is somebody else's.
    pub fn open_replica(path: &Path, place: Place, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        match place {
            Place::Ours => make_folder(path)?,
            Place::Named => look_first(path)?,
        }
        // One at a time: a file that another process is just making looks damaged.
        let _turn = take_turn(path)?;
        let open = || Self::open_as(Kind::Replica, path, Missing::Create, clock.clone(), Some(place));
        match open() {
            Err(error) if error.is_unusable() && may_replace(path, place) => {
                remove(path)?;
                open()
            }
            opened => opened,
        }
    }

    /// Opens a replica that turned out to be damaged where it is not read at first.
    ///
    /// # Errors
    /// As [`LocalFile::open_replica`].
    pub fn reopen_replica(path: &Path, place: Place, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        {
            let _turn = take_turn(path)?;
            if may_replace(path, place) && !is_sound(path) {
                remove(path)?;
            }
        }
        Self::open_replica(path, place, clock)
    }

    /// This replica anew after it turned out to be damaged; any other file as it is.
    pub(crate) fn reopen(&self) -> Result<Self, LocalError> {
        match self.0.place {
            Some(place) => Self::reopen_replica(self.path(), place, self.0.clock.clone()),
            None => Ok(self.clone()),
        }
    }

    /// A replica that holds nothing of what was there, for who erased something from the store.
    ///
    /// # Errors
    /// As [`LocalFile::open_replica`].
    pub fn renew_replica(path: &Path, place: Place, clock: Arc<dyn Clock>) -> Result<Self, LocalError> {
        {
            let _turn = take_turn(path)?;
            if may_replace(path, place) {
                remove(path)?;
            }
        }
        Self::open_replica(path, place, clock)
    }

    /// Waits until no other process brings this replica up to date.
    pub(crate) async fn turn(&self) -> Result<Turn, LocalError> {
        let path = self.path().to_owned();
        let taken = tokio::task::spawn_blocking(move || take_turn(&path)).await;
        taken.unwrap_or_else(|_| Err(LocalError::stopped(self.path())))
    }
}

/// Only its user's, where there are users: names of people and projects are in it.
fn make_folder(path: &Path) -> Result<(), LocalError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| LocalError::io(folder, error))
}

/// Before anything is made: not even a lock is put beside somebody else's file. One with a lock beside it may be a
/// replica that is just being made.
fn look_first(path: &Path) -> Result<(), LocalError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(LocalError::no_folder(folder));
    }
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LocalError::io(path, error)),
        Ok(found) if found.is_dir() => Err(LocalError::folder(path)),
        Ok(found) if found.is_file() && (found.len() == 0 || beside(path, ".lock").exists()) => Ok(()),
        Ok(_) => match says_it_is_a_replica(path) {
            Ok(true) => Ok(()),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(LocalError::io(path, error)),
            Ok(false) | Err(_) => Err(LocalError::no_catalog(path)),
        },
    }
}

/// The lock is on a file of its own: `SQLite` has its locks on the other ones, and those may be removed.
fn take_turn(path: &Path) -> Result<Turn, LocalError> {
    let path = beside(path, ".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let locked = lock.and_then(|lock| wait_for(&lock, &path).map(|()| lock));
    locked.map(|lock| Turn { lock }).map_err(|error| LocalError::io(&path, error))
}

fn wait_for(lock: &File, path: &Path) -> std::io::Result<()> {
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            tracing::info!("catalog: another process brings it up to date, waiting for {}", path.display());
            lock.lock()
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn may_replace(path: &Path, place: Place) -> bool {
    place == Place::Ours || says_it_is_a_replica(path).unwrap_or(false)
}

fn says_it_is_a_replica(path: &Path) -> std::io::Result<bool> {
    let mut header = [0; 100];
    File::open(path)?.read_exact(&mut header)?;
    let id = header.get(APPLICATION_ID_AT..).and_then(|rest| rest.first_chunk::<4>());
    Ok(id.copied().map(i32::from_be_bytes) == Some(Kind::Replica.application_id()))
}

/// Also what only an index is wrong about: left in place, it would be found damaged again and again.
fn is_sound(path: &Path) -> bool {
    let check = || {
        let connection = super::connect_reader(path)?;
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
    };
    check().is_ok_and(|found| found == "ok")
}

/// The log first: left alone, it would be read into the next file.
fn remove(path: &Path) -> Result<(), LocalError> {
    for path in [beside(path, "-wal"), beside(path, "-shm"), path.to_owned()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(LocalError::io(&path, error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::*;
    use crate::clock::SystemClock;

    fn open(path: &Path, place: Place) -> Result<LocalFile, LocalError> {
        LocalFile::open_replica(path, place, Arc::new(SystemClock))
    }

    fn marked(path: &Path) -> bool {
        let marks = "SELECT count(*) FROM meta WHERE name = 'mark'";
        Connection::open(path).unwrap().query_row(marks, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    }

    /// A replica with a mark in it.
    fn replica(path: &Path) {
        drop(open(path, Place::Ours).unwrap());
        Connection::open(path).unwrap().execute("INSERT INTO meta (name, value) VALUES ('mark', 1)", []).unwrap();
        assert!(marked(path));
    }

    #[test]
    fn is_made_with_its_folder_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/pipetrail/a.db");
        replica(&path);
        drop(open(&path, Place::Ours).unwrap());
        assert!(marked(&path));
    }

    #[test]
    fn of_a_newer_version_is_left_to_the_newer_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        replica(&path);
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = open(&path, Place::Ours).unwrap_err();
        assert!(error.to_string().contains("newer") && error.catalog_hint().contains("--catalog"), "{error}");
        assert!(marked(&path));
    }

    #[test]
    fn damaged_it_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        replica(&path);
        let mut bytes = fs::read(&path).unwrap();
        bytes[100..].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        drop(LocalFile::reopen_replica(&path, Place::Named, Arc::new(SystemClock)).unwrap());
        assert!(!marked(&path));
    }

    #[test]
    fn a_sound_one_is_kept_whoever_says_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        replica(&path);
        drop(LocalFile::reopen_replica(&path, Place::Ours, Arc::new(SystemClock)).unwrap());
        assert!(marked(&path));
    }

    #[test]
    fn what_a_person_names_is_never_replaced_if_it_is_no_replica() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let try_all = || {
            assert!(open(&path, Place::Named).is_err());
            assert!(LocalFile::reopen_replica(&path, Place::Named, Arc::new(SystemClock)).is_err());
        };
        drop(LocalFile::open(&path, Missing::Create, Arc::new(SystemClock)).unwrap());
        try_all();
        drop(LocalFile::open(&path, Missing::Fail, Arc::new(SystemClock)).unwrap());
        let text = "a text that somebody wrote, long enough to be read as a header".repeat(9);
        fs::write(&path, &text).unwrap();
        try_all();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        drop(open(&path, Place::Ours).unwrap());
    }

    #[test]
    fn nothing_is_made_beside_what_a_person_names_and_is_no_place_for_a_replica() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("short"), "root:x").unwrap();
        fs::write(at("long"), "a text that somebody wrote\n".repeat(9)).unwrap();
        drop(LocalFile::open(&at("data.db"), Missing::Create, Arc::new(SystemClock)).unwrap());
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("empty"), "").unwrap();
        let there = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<BTreeSet<_>>();
        let before = there();
        for (name, says) in [
            ("short", "no catalog"),
            ("long", "no catalog"),
            ("data.db", "no catalog"),
            ("folder", "a folder"),
            ("no/such/a.db", "the folder does not exist"),
            ("short/a.db", "the folder does not exist"),
        ] {
            let error = open(&at(name), Place::Named).unwrap_err();
            assert!(error.to_string().contains(says) && error.catalog_hint().contains("--catalog"), "{name}: {error}");
        }
        assert_eq!(there(), before);
        drop(open(&at("empty"), Place::Named).unwrap());
        drop(open(&at("new.db"), Place::Named).unwrap());
    }

    #[test]
    fn one_at_a_time_has_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let turn = take_turn(&path).unwrap();
        let other = File::options().write(true).open(beside(&path, ".lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(turn);
        other.try_lock().unwrap();
    }
}
