import GuestMemory

/// Linux's own note for crash dumps: it says where the kernel lies, which no debugger can know otherwise.
enum KernelNote {
    private static let name = "VMCOREINFO"
    /// Linux reserves a page for the text.
    private static let limit: UInt32 = 4096

    /// Looks for the note at the beginning of each page, where Linux puts it. What is found is the guest's word: it
    /// gets into the core file and is used for nothing else.
    static func find(in memory: GuestMemory) -> ELFCore.Note? {
        let nameField = Array(name.utf8) + [0, 0]
        for region in memory.populated {
            for offset in stride(from: 0, to: region.count, by: 0x1000) {
                let page = UnsafeRawBufferPointer(start: region.hostBase + offset, count: 0x1000)
                guard page.loadUnaligned(as: UInt32.self) == UInt32(nameField.count - 1) else { continue }
                let count = page.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
                let text = 12 + nameField.count
                guard (1...limit).contains(count), page.loadUnaligned(fromByteOffset: 8, as: UInt32.self) == 0,
                    page[12..<text].elementsEqual(nameField),
                    let descriptor = try? memory.read(region.gpa + UInt64(offset + text), count: Int(count)),
                    descriptor.starts(with: Array("OSRELEASE=".utf8))
                else { continue }
                return ELFCore.Note(name: name, type: 0, descriptor: descriptor)
            }
        }
        return nil
    }
}
