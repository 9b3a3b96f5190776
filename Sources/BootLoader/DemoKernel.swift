import CDemoGuest

/// The project's own small guest, a flat image in this program: `builtin:demo`.
enum DemoKernel {
    static let loadAddress = UInt64(HV_DEMO_GUEST_LOAD_ADDRESS)

    static var bytes: UnsafeRawBufferPointer {
        // Sound: constant bytes of the program's own image, there as long as it runs.
        UnsafeRawBufferPointer(start: hv_demo_guest_bytes(), count: hv_demo_guest_size())
    }

    static func plan(_ source: BootSource, memorySize: UInt64) throws(BootError) -> KernelPlan {
        guard source.format == .auto || source.format == .flat else {
            throw BootError("format", "\(BootSource.demoKernel) is a flat image; leave the format out")
        }
        guard source.loadAddress == nil || source.loadAddress == loadAddress else {
            throw BootError(
                "loadAddress", "\(BootSource.demoKernel) runs at \(hex(loadAddress)) only; leave the address out")
        }
        guard source.initrd == nil else {
            throw BootError("initrd", "\(BootSource.demoKernel) has no use for an initrd; leave it out")
        }
        return try FlatImage.plan(
            count: UInt64(bytes.count), at: loadAddress, memorySize: memorySize, summary: "the built-in demo guest")
    }
}
