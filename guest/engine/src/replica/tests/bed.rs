//! A database, an app, a sidecar and a store, all in memory.

use crate::ltx::Layout;
use crate::ports::{FileKind, LiveFile, Objects};
use crate::replica::checksums::Checksums;
use crate::replica::{Error, Replicator, Settings, Synced, VFS_NAME};
use crate::restore;
use crate::testing::{Fault, MemoryFile, MemoryFiles, MemoryStore, Operation, TestEnvironment};
use crate::units::{PageSize, Txid};
use crate::vfs;
use futures::executor::block_on;
use rusqlite::{Connection, OpenFlags};
use std::cell::Cell;
use std::rc::Rc;

pub struct Bed {
    pub files: MemoryFiles,
    pub store: MemoryStore,
    pub environment: Rc<TestEnvironment>,
    pub settings: Settings,
    pub sidecar: Replicator<MemoryStore>,
}

pub fn settings() -> Settings {
    Settings {
        layout: Layout::Hexadecimal,
        min_checkpoint_pages: 1000,
        max_wal_pages: 100_000,
        max_sync_bytes: 64 << 20,
        checkpoint_interval_ms: 60_000,
        require_fencing: false,
        parts: crate::replica::upload::Parts::default(),
        schedule: crate::replica::levels::schedule::Schedule {
            levels: vec![30_000, 300_000, 3_600_000],
            snapshot: 86_400_000,
            snapshot_retention: 86_400_000,
            shipped_retention: 300_000,
            retention_check: 15_000,
            retention: true,
        },
    }
}

impl Bed {
    pub fn new() -> Bed {
        Bed::with(settings())
    }

    pub fn with(settings: Settings) -> Bed {
        let files = MemoryFiles::default();
        let environment = Rc::new(TestEnvironment::default());
        environment.now_ms.set(1_000_000);
        environment.random.set(7);
        let code = vfs::register(VFS_NAME, Rc::new(files.clone()), environment.clone());
        assert_eq!(code, 0);
        let store = MemoryStore::new();
        let sidecar = Replicator::new(
            store.clone(),
            Rc::new(files.clone()),
            environment.clone(),
            settings.clone(),
        );
        Bed {
            files,
            store,
            environment,
            settings,
            sidecar,
        }
    }

    /// Another process of the app.
    pub fn app(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Connection::open_with_flags_and_vfs(vfs::DATABASE_NAME, flags, VFS_NAME).unwrap()
    }

    /// An app with a table and some rows, in WAL mode.
    pub fn app_with_rows(&self, rows: u32) -> Connection {
        let app = self.app();
        app.pragma_update(None, "journal_mode", "wal").unwrap();
        app.execute_batch("CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT)")
            .unwrap();
        insert(&app, rows);
        app
    }

    pub fn sync(&self) -> Result<Synced, Error> {
        block_on(self.sidecar.sync())
    }

    /// Syncs until nothing is left; returns the last answer.
    pub fn drain(&self) -> Synced {
        for _ in 0..50 {
            let synced = self.sync().unwrap();
            if !synced.behind {
                return synced;
            }
        }
        panic!(
            "the sidecar never catches up: {:?}",
            self.environment.log.borrow()
        );
    }

    /// The sidecar dies without a word, and starts again as another writer.
    pub fn restart(&mut self) {
        self.environment
            .random
            .set(self.environment.random.get() + 100);
        self.sidecar = Replicator::new(
            self.store.clone(),
            Rc::new(self.files.clone()),
            self.environment.clone(),
            self.settings.clone(),
        );
    }

    /// What the replica restores to.
    pub fn restored(&self) -> Vec<u8> {
        let file = MemoryFile::default();
        let restored = block_on(restore::restore(
            &self.store,
            &*self.environment,
            self.settings.layout,
            &file as &dyn LiveFile,
            restore::Options::default(),
        ))
        .unwrap();
        assert!(restored.checksum_verified);
        file.bytes.into_inner()
    }

    /// What `restore` leaves beside a database.
    pub fn restored_checksums(&self) -> (Txid, PageSize, Checksums) {
        let file = MemoryFile::default();
        let restored = block_on(restore::restore(
            &self.store,
            &*self.environment,
            self.settings.layout,
            &file as &dyn LiveFile,
            restore::Options::default(),
        ))
        .unwrap();
        let checksums = Checksums::new(restored.page_checksums);
        (restored.txid, restored.page_size, checksums)
    }

    /// What the database is: a copy of its files, checkpointed by SQLite.
    pub fn checkpointed(&self) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.db");
        std::fs::write(&path, self.files.bytes(FileKind::Database).unwrap()).unwrap();
        if let Some(wal) = self.files.bytes(FileKind::Wal) {
            std::fs::write(directory.path().join("copy.db-wal"), wal).unwrap();
        }
        let copy = Connection::open(&path).unwrap();
        copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        drop(copy);
        std::fs::read(&path).unwrap()
    }

    pub fn assert_replica_is_the_database(&self) {
        let (restored, database) = (self.restored(), self.checkpointed());
        assert_eq!(restored.len(), database.len());
        let page_size = match u16::from_be_bytes([database[16], database[17]]) {
            1 => 65536,
            size => usize::from(size),
        };
        for (number, (a, b)) in restored
            .chunks(page_size)
            .zip(database.chunks(page_size))
            .enumerate()
        {
            assert!(a == b, "page {} differs", number + 1);
        }
    }

    /// The level-0 objects' TXIDs must have no gap.
    pub fn shipped(&self) -> usize {
        let keys = self.store.keys();
        let levels: Vec<_> = keys.iter().filter(|key| key.starts_with("0000/")).collect();
        for (number, key) in levels.iter().enumerate() {
            let txid = number + 1;
            assert_eq!(**key, format!("0000/{txid:016x}-{txid:016x}.ltx"));
        }
        levels.len()
    }

    pub fn puts(&self) -> usize {
        self.store.count(Operation::Put)
    }

    pub fn log_has(&self, text: &str) -> bool {
        let log = self.environment.log.borrow();
        log.iter().any(|(_, line)| line.contains(text))
    }

    /// The next `count` puts go wrong in this way.
    pub fn next_puts(&self, count: usize, fault: Fault) {
        let left = Rc::new(Cell::new(count));
        self.store.before_each(move |_, call| {
            if call.operation != Operation::Put || left.get() == 0 {
                return None;
            }
            left.set(left.get() - 1);
            Some(fault.clone())
        });
    }
}

pub fn insert(app: &Connection, rows: u32) {
    // The app here is a guest too, and copies the WAL-index when it takes a lock. A process that
    // maps it sees without that how far the WAL is checkpointed, which is what restarts it.
    app.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))
        .unwrap();
    for _ in 0..rows {
        app.execute("INSERT INTO notes(text) VALUES (hex(randomblob(200)))", [])
            .unwrap();
    }
}

/// So that other modules need not import the trait to list.
pub fn list(bed: &Bed, prefix: &str) -> usize {
    block_on(bed.store.list(prefix, None))
        .unwrap()
        .entries
        .len()
}
