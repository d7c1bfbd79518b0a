//! The tables, how they come to be, and how connections to them are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::sql::damaged;
use crate::{Options, Result, StoreError};

/// Opens the database for the one writer.
pub(crate) fn open_writer(path: &Path, options: &Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    harden(&connection)?;
    refuse_foreign_file(&connection)?;
    connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL;
         PRAGMA journal_mode = WAL;
         PRAGMA wal_autocheckpoint = {wal_pages};
         PRAGMA secure_delete = ON;
         PRAGMA cache_size = -{WRITER_CACHE_KIB};",
        wal_pages = options.wal_pages,
    ))?;
    if let Some(pages) = options.max_pages {
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
    }
    require(&connection, "journal_mode", "wal")?;
    require(&connection, "synchronous", "2")?;
    Ok(connection)
}

/// Opens the database for one of the readers. It cannot write, and does no upkeep when it closes.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    harden(&connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    Ok(connection)
}

/// Brings a new or older database to the schema of this version, in one transaction.
pub(crate) fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    for (version, sql) in (1..).zip(MIGRATIONS).skip_while(|(version, _)| *version <= found) {
        transaction.execute_batch(sql)?;
        transaction.execute("INSERT INTO migration (version) VALUES (?1)", [version])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Refuses a database that this version must not read.
pub(crate) fn check_readable(connection: &Connection) -> Result<()> {
    refuse_foreign_file(connection)?;
    match version(connection)? {
        NEWEST => Ok(()),
        _ => Err(not_a_ledger(connection, "it has not been set up by this version")),
    }
}

/// Newest migration applied, 0 for an empty database.
fn version(connection: &Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'migration'";
    if connection.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(0);
    }
    let found = connection.query_row("SELECT coalesce(max(version), 0) FROM migration", [], |row| row.get(0))?;
    if found > NEWEST { Err(StoreError::NewerSchema { found, known: NEWEST }) } else { Ok(found) }
}

fn harden(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA cell_size_check = ON;",
    )?;
    Ok(())
}

/// Asked before anything is set on it, because some settings write.
fn refuse_foreign_file(connection: &Connection) -> Result<()> {
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    let tables: i64 = tables.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_a_ledger(connection, "it is no SQLite database"),
        _ => error.into(),
    })?;
    if tables == 0 || application_id(connection)? == APPLICATION_ID {
        return Ok(());
    }
    Err(not_a_ledger(connection, "it is another application's database"))
}

fn not_a_ledger(connection: &Connection, why: &'static str) -> StoreError {
    StoreError::NotALedger { path: connection.path().unwrap_or_default().into(), why }
}

fn application_id(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// A setting that the promise of durability rests on is read back.
fn require(connection: &Connection, pragma: &str, wanted: &str) -> Result<()> {
    let text = |value: Value| match value {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let found = connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).optional()?.map(text);
    if found.as_deref() == Some(wanted) { Ok(()) } else { Err(damaged(format!("{pragma} is {found:?}, not {wanted}"))) }
}

/// How long a writer waits for a reader that holds up a checkpoint, and a reader for recovery.
const BUSY: Duration = Duration::from_secs(5);
const WRITER_CACHE_KIB: u32 = 32 * 1024;
const STATEMENTS: usize = 32;
const APPLICATION_ID: i64 = 0x5345_4b49; // "SEKI"
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Only ever added to: a ledger of any age is brought forward through each of them.
const MIGRATIONS: &[&str] = &["
    PRAGMA application_id = 0x53454b49;

    CREATE TABLE migration (version INTEGER PRIMARY KEY) STRICT;

    CREATE TABLE kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

    -- `nodes`: the hashes of the tree nodes that this entry completes, level 0 (its leaf) first, 32 bytes each.
    -- `subjects`: a byte of length and the key, one after the other. Table `subject` has them up to `subject_upto`.
    -- Both stand before `bytes`, so that proofs do not read through them.
    CREATE TABLE entry (
        seq INTEGER PRIMARY KEY,
        time_us INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        nodes BLOB NOT NULL,
        subjects BLOB NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entry_by_kind ON entry (kind);
    CREATE TRIGGER entry_never_changes BEFORE UPDATE ON entry
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER entry_never_leaves BEFORE DELETE ON entry
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

    -- `seqs`: the places of a run of entries about a subject, 8 bytes big-endian each; `first` is the first of them.
    CREATE TABLE subject (
        key BLOB NOT NULL,
        first INTEGER NOT NULL,
        seqs BLOB NOT NULL,
        PRIMARY KEY (key, first)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE subject_upto (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;

    CREATE TABLE head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        frontier BLOB NOT NULL,
        root BLOB NOT NULL,
        last_time_us INTEGER
    ) STRICT;

    CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, note BLOB NOT NULL) STRICT;

    -- Rows come at the end, keep their length and stay: so SQLite never moves the bytes of one while it writes another,
    -- and overwriting them in place leaves no copy behind.
    CREATE TABLE blob (
        n INTEGER PRIMARY KEY,
        key BLOB NOT NULL,
        owner TEXT NOT NULL,
        purpose TEXT NOT NULL,
        erased INTEGER NOT NULL CHECK (erased IN (0, 1)),
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX blob_by_key ON blob (key);
    CREATE INDEX blob_by_owner ON blob (owner);
    CREATE TRIGGER blob_never_leaves BEFORE DELETE ON blob
        BEGIN SELECT RAISE(ABORT, 'blobs are overwritten, never deleted'); END;
"];
