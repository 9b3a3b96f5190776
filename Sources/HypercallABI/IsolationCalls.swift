/// HvCallImportIsolatedPages: the input's head. The list is page numbers.
package struct ImportIsolatedPagesInput: HypercallStructure, Hashable {
    package static let size = 16

    package var partition: PartitionID
    package var pageType: UInt32
    package var pageSize: UInt32

    package init(partition: PartitionID, pageType: UInt32, pageSize: UInt32) {
        self.partition = partition
        self.pageType = pageType
        self.pageSize = pageSize
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        pageType = try bytes.read(UInt32.self, at: 8)
        pageSize = try bytes.read(UInt32.self, at: 12)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(pageType, at: 8)
        try bytes.write(pageSize, at: 12)
    }
}

/// HvCallCompleteIsolatedImport: the input.
package struct CompleteIsolatedImportInput: HypercallStructure, Hashable {
    package static let size = 3342
    package static let dataSize = 3334

    package var partition: PartitionID
    /// What the processor's firmware is told: 3334 bytes, as they are.
    package private(set) var data: [UInt8]

    /// - Parameter data: at most 3334 bytes; what is missing is zero.
    package init(partition: PartitionID, data: [UInt8] = []) {
        self.partition = partition
        let known = data.prefix(Self.dataSize)
        self.data = known + [UInt8](repeating: 0, count: Self.dataSize - known.count)
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        data = try bytes.bytes(Self.dataSize, at: 8)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(data, at: 8)
    }
}

/// HvCallIssueSnpPspGuestRequest: the input.
package struct IsolatedGuestRequestInput: HypercallStructure, Hashable {
    package static let size = 24

    package var partition: PartitionID
    package var requestPage: UInt64
    package var responsePage: UInt64

    package init(partition: PartitionID, requestPage: UInt64, responsePage: UInt64) {
        self.partition = partition
        self.requestPage = requestPage
        self.responsePage = responsePage
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        requestPage = try bytes.read(UInt64.self, at: 8)
        responsePage = try bytes.read(UInt64.self, at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(requestPage, at: 8)
        try bytes.write(responsePage, at: 16)
    }
}
