import NetworkBackends
import VirtualNetworks

/// Networks in the state store.
extension StoreTransaction {
    package borrowing func putNetwork(_ network: NetworkResource) throws(StoreError) {
        let definition = network.definition
        let addressing = definition.addressing
        try database.run(
            """
            INSERT OR REPLACE INTO networks (id, mode, bridge, subnet, range_start, range_end, domain, mtu, metadata,
                labels, created_at, updated_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(network.id), .text(definition.mode.rawValue), .text(definition.bridge),
                SQLiteValue(addressing?.subnet.description), SQLiteValue(addressing?.range.first.description),
                SQLiteValue(addressing?.range.last.description), SQLiteValue(addressing?.domain),
                SQLiteValue(definition.mtu.map { UInt64(clamping: $0) }),
                SQLiteValue(definition.metadata ? 1 as UInt64 : 0),
                .text(RecordCodec.text(labels: network.labels)), SQLiteValue(network.createdAt),
                SQLiteValue(network.updatedAt), SQLiteValue(network.revision),
            ])
    }

    package borrowing func deleteNetwork(_ id: String) throws(StoreError) {
        try database.run("DELETE FROM networks WHERE id = ?", [.text(id)])
    }
}

extension StoredState {
    static func networks(_ database: SQLiteDatabase) throws(StoreError) -> [NetworkResource] {
        try database.query(
            """
            SELECT id, mode, bridge, subnet, range_start, range_end, domain, mtu, metadata, labels, created_at,
                updated_at, revision FROM networks ORDER BY id
            """
        ) { row throws(StoreError) in
            let id = row.text(0)
            guard let mode = NetworkDefinition.Mode(rawValue: row.text(1)) else { throw corrupt("mode", of: id) }
            var definition = NetworkDefinition(id: id, mode: mode, bridge: row.text(2))
            if mode.isMade { definition.addressing = try addressing(row, of: id) }
            definition.mtu = row.optionalUnsigned(7).map { Int(clamping: $0) }
            definition.metadata = row.integer(8) != 0
            return NetworkResource(
                definition: definition, labels: try RecordCodec.labels(row.text(9), of: "network \(id)"),
                createdAt: row.unsigned(10), updatedAt: row.unsigned(11), revision: row.unsigned(12))
        }
    }

    private static func addressing(
        _ row: borrowing SQLiteRow, of id: String
    ) throws(StoreError) -> NetworkDefinition.Addressing {
        guard let subnet = IPv4Subnet(row.text(3)), let first = IPv4Address(row.text(4)),
            let last = IPv4Address(row.text(5)), let range = IPv4Range(first, last)
        else { throw corrupt("subnet", of: id) }
        return NetworkDefinition.Addressing(subnet: subnet, range: range, domain: row.text(6))
    }

    private static func corrupt(_ what: String, of id: String) -> StoreError {
        StoreError(.corrupt, "the \(what) of network \(id) in the state store is not one this hvrootd knows")
    }
}
