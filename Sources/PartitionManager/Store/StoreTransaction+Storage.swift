import BlockStorage
import JSON

/// Images and volumes in the state store.
extension StoreTransaction {
    package borrowing func putImage(_ image: ImageResource) throws(StoreError) {
        // No REPLACE, which would take away the row that volumes refer to.
        try database.run(
            """
            INSERT INTO images (id, file, format, virtual_size, file_size, digest, labels, created_at, updated_at,
                revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET labels = excluded.labels,
                updated_at = excluded.updated_at, revision = excluded.revision
            """,
            [
                .text(image.id), .text(image.file), .text(image.format.rawValue), SQLiteValue(image.virtualSize),
                SQLiteValue(image.fileSize), .text(image.digest), .text(RecordCodec.text(labels: image.labels)),
                SQLiteValue(image.createdAt), SQLiteValue(image.updatedAt), SQLiteValue(image.revision),
            ])
    }

    package borrowing func deleteImage(_ id: String) throws(StoreError) {
        try database.run("DELETE FROM images WHERE id = ?", [.text(id)])
    }

    package borrowing func putVolume(_ volume: VolumeResource) throws(StoreError) {
        try database.run(
            """
            INSERT OR REPLACE INTO volumes (id, file, format, size, image, method, backing_file, labels, created_at,
                updated_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(volume.id), .text(volume.file), .text(volume.format.rawValue), SQLiteValue(volume.size),
                SQLiteValue(volume.image), SQLiteValue(volume.method?.rawValue), SQLiteValue(volume.backingFile),
                .text(RecordCodec.text(labels: volume.labels)), SQLiteValue(volume.createdAt),
                SQLiteValue(volume.updatedAt), SQLiteValue(volume.revision),
            ])
    }

    package borrowing func deleteVolume(_ id: String) throws(StoreError) {
        try database.run("DELETE FROM volumes WHERE id = ?", [.text(id)])
    }
}

extension StoredState {
    static func images(_ database: SQLiteDatabase) throws(StoreError) -> [ImageResource] {
        try database.query(
            """
            SELECT id, file, format, virtual_size, file_size, digest, labels, created_at, updated_at, revision
            FROM images ORDER BY id
            """
        ) { row throws(StoreError) in
            ImageResource(
                id: row.text(0), format: try format(row.text(2), of: "image \(row.text(0))"),
                virtualSize: row.unsigned(3), fileSize: row.unsigned(4), digest: row.text(5),
                labels: try RecordCodec.labels(row.text(6), of: "image \(row.text(0))"),
                file: try file(row.text(1), of: "image \(row.text(0))"), createdAt: row.unsigned(7),
                updatedAt: row.unsigned(8), revision: row.unsigned(9))
        }
    }

    static func volumes(_ database: SQLiteDatabase) throws(StoreError) -> [VolumeResource] {
        try database.query(
            """
            SELECT id, file, format, size, image, method, backing_file, labels, created_at, updated_at, revision
            FROM volumes ORDER BY id
            """
        ) { row throws(StoreError) in
            let name = "volume \(row.text(0))"
            var backing: String?
            if let file = row.optionalText(6) { backing = try self.file(file, of: name) }
            return VolumeResource(
                id: row.text(0), format: try format(row.text(2), of: name), size: row.unsigned(3),
                image: row.optionalText(4), method: row.optionalText(5).flatMap(VolumeResource.Method.init(rawValue:)),
                backingFile: backing, labels: try RecordCodec.labels(row.text(7), of: name),
                file: try file(row.text(1), of: name), createdAt: row.unsigned(8), updatedAt: row.unsigned(9),
                revision: row.unsigned(10))
        }
    }

    private static func format(_ text: String, of what: String) throws(StoreError) -> DiskSource.Format {
        guard let format = DiskSource.Format(rawValue: text) else {
            throw StoreError(.corrupt, "the format of \(what) in the state store is not one this hvrootd knows")
        }
        return format
    }

    /// A name and no path: the server removes such files.
    private static func file(_ name: String, of what: String) throws(StoreError) -> String {
        guard !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else {
            throw StoreError(.corrupt, "the file of \(what) in the state store has no name that it could have")
        }
        return name
    }
}

extension RecordCodec {
    static func text(labels: [String: String]) -> String {
        var object = JSONObject()
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) { object[key] = .string(value) }
        return text(.object(object))
    }

    static func labels(_ text: String, of what: String) throws(StoreError) -> [String: String] {
        var labels: [String: String] = [:]
        for member in try value(text, of: "the labels of \(what)").object?.members ?? [] {
            labels[member.name] = member.value.string ?? ""
        }
        return labels
    }
}
