import CSQLite

/// A value bound to a statement.
package enum SQLiteValue: Sendable, Equatable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)

    init(_ value: String?) { self = value.map(SQLiteValue.text) ?? .null }
    init(_ value: Double?) { self = value.map(SQLiteValue.real) ?? .null }
    /// SQLite's integers are signed: larger values, which no counter or clock here reaches, stay at the largest.
    init(_ value: UInt64) { self = .integer(Int64(clamping: value)) }
    init(_ value: UInt64?) { self = value.map { SQLiteValue($0) } ?? .null }
    init(_ value: Bool) { self = .integer(value ? 1 : 0) }
}

/// A result row, valid only inside the closure that is given it. Columns count from 0.
package struct SQLiteRow: ~Copyable {
    fileprivate let statement: OpaquePointer

    package func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
    package func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }
    /// Negative values, which this program never stores, read as 0.
    package func unsigned(_ column: Int32) -> UInt64 { UInt64(clamping: sqlite3_column_int64(statement, column)) }
    package func real(_ column: Int32) -> Double { sqlite3_column_double(statement, column) }
    package func text(_ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(statement, column) else { return "" }
        return String(
            decoding: UnsafeBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column))),
            as: UTF8.self)
    }
    package func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
    package func optionalUnsigned(_ column: Int32) -> UInt64? { isNull(column) ? nil : unsigned(column) }
    package func optionalReal(_ column: Int32) -> Double? { isNull(column) ? nil : real(column) }
}

/// One connection to an SQLite file with its prepared statements. Used by one thread at a time.
package final class SQLiteDatabase {
    private let handle: OpaquePointer
    /// Prepared once and kept: the store's statements are few and constant.
    private var statements: [String: OpaquePointer] = [:]

    /// Opens or creates the file at `path`.
    package init(path: String) throws(StoreError) {
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, let handle else {
            let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory"
            sqlite3_close_v2(handle)
            throw StoreError(code: code, message: message, doing: "opening \(path)")
        }
        self.handle = handle
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// Whether a transaction is open. SQLite ends one by itself on some errors (a full disk among them).
    package var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// The row id of the last INSERT.
    package var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(handle) }

    /// Runs statements without parameters or results.
    package func execute(_ sql: String) throws(StoreError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, sql) }
    }

    /// Runs one statement without results.
    package func run(_ sql: String, _ values: [SQLiteValue] = []) throws(StoreError) {
        _ = try query(sql, values) { _ throws(StoreError) in () }
    }

    /// Runs one statement and makes a value of each row.
    package func query<T>(
        _ sql: String, _ values: [SQLiteValue] = [], _ make: (borrowing SQLiteRow) throws(StoreError) -> T
    ) throws(StoreError) -> [T] {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() { try bind(value, to: statement, at: Int32(index + 1), of: sql) }
        var results: [T] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: results.append(try make(SQLiteRow(statement: statement)))
            case SQLITE_DONE: return results
            case let code: throw failure(code, sql)
            }
        }
    }

    /// The single number that `sql` (a PRAGMA, mostly) gives.
    package func number(_ sql: String) throws(StoreError) -> Int64? {
        try query(sql) { row throws(StoreError) in row.integer(0) }.first
    }

    private func prepared(_ sql: String) throws(StoreError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code, sql) }
        statements[sql] = statement
        return statement
    }

    private func bind(
        _ value: SQLiteValue, to statement: OpaquePointer, at index: Int32, of sql: String
    ) throws(StoreError) {
        // SQLITE_TRANSIENT, a macro of the pointer -1, makes SQLite copy the text before the call returns.
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        let code: Int32 =
            switch value {
            case .null: sqlite3_bind_null(statement, index)
            case .integer(let number): sqlite3_bind_int64(statement, index, number)
            case .real(let number): sqlite3_bind_double(statement, index, number)
            // An empty text by its own literal: a nil pointer would bind NULL.
            case .text(""): sqlite3_bind_text(statement, index, "", 0, transient)
            case .text(var text):
                text.withUTF8 { bytes in
                    bytes.withMemoryRebound(to: CChar.self) { characters in
                        sqlite3_bind_text(
                            statement, index, characters.baseAddress, Int32(clamping: characters.count), transient)
                    }
                }
            }
        guard code == SQLITE_OK else { throw failure(code, sql) }
    }

    private func failure(_ code: Int32, _ sql: String) -> StoreError {
        let start = sql.prefix(60).split(whereSeparator: { $0 == "\n" || $0 == " " }).joined(separator: " ")
        return StoreError(code: code, message: String(cString: sqlite3_errmsg(handle)), doing: "running '\(start)'")
    }
}
