/// HvCallMmioRead: the input. The output is 64 bytes, of which the first `count` are read.
package struct MMIOReadInput: HypercallStructure, Hashable {
    package static let size = 16
    package static let outputSize = 64
    package static let maximumBytes: UInt32 = 64

    /// An address of the caller's.
    package var address: UInt64
    package var count: UInt32

    package init(address: UInt64, count: UInt32) {
        self.address = address
        self.count = count
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        address = try bytes.read(UInt64.self, at: 0)
        count = try bytes.read(UInt32.self, at: 8)
        try bytes.requireZero(UInt32.self, at: 12)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(address, at: 0)
        try bytes.write(count, at: 8)
        try bytes.write(0 as UInt32, at: 12)
    }
}

/// HvCallMmioWrite: the input.
package struct MMIOWriteInput: HypercallStructure, Hashable {
    package static let size = 80

    package var address: UInt64
    package var count: UInt32
    /// 64 bytes, of which the first `count` are written.
    package private(set) var data: [UInt8]

    /// - Parameter data: at most 64 bytes.
    package init(address: UInt64, data: [UInt8]) {
        self.address = address
        let known = data.prefix(Int(MMIOReadInput.maximumBytes))
        count = UInt32(known.count)
        self.data = known + [UInt8](repeating: 0, count: Int(MMIOReadInput.maximumBytes) - known.count)
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        address = try bytes.read(UInt64.self, at: 0)
        count = try bytes.read(UInt32.self, at: 8)
        try bytes.requireZero(UInt32.self, at: 12)
        data = try bytes.bytes(Int(MMIOReadInput.maximumBytes), at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(address, at: 0)
        try bytes.write(count, at: 8)
        try bytes.write(0 as UInt32, at: 12)
        try bytes.write(data, at: 16)
    }
}
