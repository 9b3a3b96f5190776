/// The state store's tables, and how an older file becomes the newest.
enum StateSchema {
    /// "hvrt": tells our file from other SQLite files.
    static let applicationID: Int64 = 0x6876_7274
    /// `migrations[n]` takes a file from version n to n + 1. Published ones never change.
    static let migrations: [String] = [
        """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE vms (
            id TEXT PRIMARY KEY, specification TEXT NOT NULL, desired TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, run_id TEXT, partition_id INTEGER, started_at INTEGER, paused INTEGER NOT NULL,
            created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, revision INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE operations (
            id TEXT PRIMARY KEY, verb TEXT NOT NULL, vm_id TEXT NOT NULL, status TEXT NOT NULL, error TEXT,
            timeout REAL, created_at INTEGER NOT NULL, ended_at INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, type TEXT NOT NULL,
            vm_id TEXT NOT NULL, details TEXT NOT NULL
        ) STRICT;
        CREATE TABLE removals (vm_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
        """,
        """
        ALTER TABLE vms ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE vms ADD COLUMN restart_at INTEGER;
        ALTER TABLE vms ADD COLUMN boot_memory INTEGER;
        """,
        """
        CREATE TABLE images (
            id TEXT PRIMARY KEY, file TEXT NOT NULL UNIQUE, format TEXT NOT NULL, virtual_size INTEGER NOT NULL,
            file_size INTEGER NOT NULL, digest TEXT NOT NULL, labels TEXT NOT NULL, created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, revision INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE volumes (
            id TEXT PRIMARY KEY, file TEXT NOT NULL UNIQUE, format TEXT NOT NULL, size INTEGER NOT NULL, image TEXT,
            method TEXT, backing_file TEXT REFERENCES images (file), labels TEXT NOT NULL, created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, revision INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE operations ADD COLUMN image_id TEXT;
        ALTER TABLE operations ADD COLUMN volume_id TEXT;
        """,
        """
        ALTER TABLE operations ADD COLUMN disk TEXT;
        ALTER TABLE operations ADD COLUMN forced INTEGER NOT NULL DEFAULT 0;
        """,
        """
        CREATE TABLE networks (
            id TEXT PRIMARY KEY, mode TEXT NOT NULL, bridge TEXT NOT NULL, subnet TEXT, range_start TEXT,
            range_end TEXT, domain TEXT, mtu INTEGER, metadata INTEGER NOT NULL, labels TEXT NOT NULL,
            created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, revision INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
    ]

    /// Makes the connection durable and the file the newest version.
    ///
    /// - Throws: `StoreError` for a file of an other program or of a newer version of this one, and where the file
    ///   system does not give what durability needs.
    static func prepare(_ database: SQLiteDatabase, path: String) throws(StoreError) {
        try database.execute("PRAGMA busy_timeout = 5000")
        let mode = try database.query("PRAGMA journal_mode = WAL") { row throws(StoreError) in row.text(0) }.first
        guard mode == "wal" else {
            throw StoreError(.other, "\(path): the write-ahead log can't be used there (mode \(mode ?? "unknown"))")
        }
        // After the change to WAL, and read back: some ways of opening put it to NORMAL, which loses commits.
        try database.execute("PRAGMA synchronous = FULL")
        guard try database.number("PRAGMA synchronous") == 2 else {
            throw StoreError(.other, "\(path): SQLite did not take synchronous = FULL")
        }
        try database.execute("PRAGMA foreign_keys = ON")
        try migrate(database, path: path)
    }

    private static func migrate(_ database: SQLiteDatabase, path: String) throws(StoreError) {
        let application = try database.number("PRAGMA application_id") ?? 0
        let version = try database.number("PRAGMA user_version") ?? 0
        let isNew = try database.number("SELECT count(*) FROM sqlite_master") == 0
        guard application == applicationID || (application == 0 && version == 0 && isNew) else {
            throw StoreError(.corrupt, "\(path): an SQLite file of an other program (application id \(application))")
        }
        guard version >= 0, version <= Int64(migrations.count) else {
            throw StoreError(
                .other,
                "\(path): version \(version) of the state, written by a newer hvrootd; this one knows up to "
                    + "\(migrations.count)")
        }
        for next in Int(version)..<migrations.count {
            try database.execute("BEGIN IMMEDIATE")
            do {
                try database.execute(migrations[next])
                try database.execute("PRAGMA application_id = \(applicationID)")
                try database.execute("PRAGMA user_version = \(next + 1)")
                try database.execute("COMMIT")
            } catch {
                if database.isInTransaction { try? database.execute("ROLLBACK") }
                throw error
            }
        }
    }
}
