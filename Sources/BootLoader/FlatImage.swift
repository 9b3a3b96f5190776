/// Bytes without a header, put at an address the user chose.
enum FlatImage {
    private static let commandLineLimit = 4095
    private static let initrdLimit: UInt64 = 0x7FFF_FFFF

    static func plan(_ file: ImageFile, _ source: BootSource, memorySize: UInt64) throws(BootError) -> KernelPlan {
        guard let address = source.loadAddress else {
            throw BootError("loadAddress", "a flat image needs the address it is to be loaded at, as 0x100000")
        }
        return try plan(
            count: file.size, at: address, memorySize: memorySize, summary: "flat image of \(file.size) bytes")
    }

    /// - Parameters:
    ///   - count: bytes of the image.
    ///   - address: of its first byte and first instruction: any from 1 MiB, or in `BootLayout.lowFlat`.
    static func plan(
        count: UInt64, at address: UInt64, memorySize: UInt64, summary: String
    ) throws(BootError) -> KernelPlan {
        let low = BootLayout.lowFlat
        let (end, overflow) = address.addingReportingOverflow(count)
        guard !overflow else {
            throw BootError("loadAddress", "\(count) bytes at \(hex(address)) go round the end of the address space")
        }
        let isLow = address >= low.lowerBound && end <= low.upperBound
        guard isLow || address >= BootLayout.kernelStart else {
            throw BootError(
                "loadAddress",
                "\(count) bytes at \(hex(address)) meet what the loader puts below 1 MiB; from 0x100000 on is right, "
                    + "or from \(hex(low.lowerBound)) up to \(hex(low.upperBound))")
        }
        try KernelPlan.checkFits(
            end: end, memorySize: memorySize, detail: "a flat image of \(count) bytes at \(hex(address))")
        return KernelPlan(
            bootProtocol: .flat, entry: address,
            segments: [.init(offset: 0, fileCount: count, gpa: address, memoryCount: count)],
            end: max(end, BootLayout.kernelStart), commandLineLimit: commandLineLimit, initrdLimit: initrdLimit,
            summary: summary)
    }
}
