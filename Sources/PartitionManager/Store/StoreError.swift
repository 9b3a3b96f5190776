import CSQLite

/// The state store could not do what was asked. Nothing of the failed transaction is kept.
package struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The disk (or the file's allowed size) is full.
        case full
        /// The file can't be read or written, or may only be read.
        case inputOutput
        /// The file is no database, or holds what this program did not write.
        case corrupt
        /// An other process holds the state directory or the file.
        case locked
        /// The store has been closed: the server is ending.
        case closed
        case other
    }

    package var kind: Kind
    /// What was being done and SQLite's or the kernel's own words for what went wrong.
    package var description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// An SQLite result code with its message.
    init(code: Int32, message: String, doing what: String) {
        // The low byte is the primary code; extended codes only refine it.
        kind =
            switch code & 0xff {
            case SQLITE_FULL: .full
            case SQLITE_IOERR, SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM: .inputOutput
            case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt
            case SQLITE_BUSY, SQLITE_LOCKED: .locked
            default: .other
            }
        description = "\(what): \(message) (SQLite code \(code))"
    }

    static let closed = StoreError(.closed, "the state store is closed: the server is ending")
}

extension ServiceError {
    /// How a failed write is answered: nothing was accepted.
    package init(_ error: StoreError) {
        switch error.kind {
        case .full, .inputOutput, .locked:
            self.init(
                .unavailable, "The state store can't be written, so nothing was changed; try again. \(error).")
        case .closed: self.init(.unavailable, "The server is ending; ask again when it is back.")
        case .corrupt, .other: self.init(.internal, "The state store failed and nothing was changed. \(error).")
        }
    }
}
