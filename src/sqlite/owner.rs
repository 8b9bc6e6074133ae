//! Which process holds a lease, and whether it still lives.
//!
//! A worker that is killed leaves its leases behind; locally nobody should wait for them to run out. A
//! process id would not do, since ids come again. So each process that receives holds a lock on a file of
//! its own beside the data file, and the operating system lets go of it when the process ends, however.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use rand::Rng;
use rusqlite::Connection;

use super::{Durability, LocalError, LocalFile};

/// This process as a holder of leases.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) id: i64,
    path: PathBuf,
    /// Locked while it is open.
    _lock: File,
}

impl Owner {
    /// Takes a name for this process, after giving back the leases of processes that no longer live.
    pub(super) async fn claim(file: &LocalFile) -> Result<Self, LocalError> {
        let owners = file.read(|c| {
            let mut owners = c.prepare("SELECT id FROM owners")?;
            owners.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let dead: Vec<i64> = owners.await?.into_iter().filter(|id| !lives(&lock_path(file.path(), *id))).collect();
        let id = i64::from(rand::rng().random::<u32>()) << 16 | i64::from(std::process::id() & 0xffff);
        let path = lock_path(file.path(), id);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.and_then(|lock| lock.try_lock().map(|()| lock).map_err(std::io::Error::from));
        let lock = lock.map_err(|error| LocalError::io(&path, error))?;
        let owner = Self { id, path, _lock: lock };
        let buried = dead.clone();
        file.write(Durability::Full, move |c| bury(c, &buried, id)).await?;
        for id in dead {
            // Left behind by a kill; gone already when another process was quicker.
            drop(std::fs::remove_file(lock_path(file.path(), id)));
        }
        Ok(owner)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A file that stays is removed by the next process.
        drop(std::fs::remove_file(&self.path));
    }
}

fn bury(connection: &Connection, dead: &[i64], id: i64) -> rusqlite::Result<()> {
    for dead in dead {
        connection.execute("UPDATE leases SET visible = 0, owner = NULL WHERE owner = ?1", [dead])?;
        connection.execute("DELETE FROM owners WHERE id = ?1", [dead])?;
    }
    connection.execute("INSERT INTO owners (id) VALUES (?1)", [id])?;
    Ok(())
}

fn lock_path(data: &Path, id: i64) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(format!("-owner-{id:x}"));
    PathBuf::from(name)
}

/// Whether some process holds the lock. A file that cannot be asked counts as held: leases run out by themselves.
fn lives(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => matches!(file.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_))),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}
