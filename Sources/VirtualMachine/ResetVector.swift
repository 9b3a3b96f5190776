import VirtualDevices

/// What a PC's firmware has at its real-mode reset vector: here, code that asks the machine for a reset.
///
/// Linux 6.1 takes ACPI's hardware-reduced flag as a promise of UEFI and, on a reboot without UEFI, uses none of the
/// reset registers but jumps to F000:FFF0 in real mode.
enum ResetVector {
    static let address: UInt64 = 0xFFFF0

    static let code: [UInt8] = [
        0xBA, UInt8(Platform.resetPort & 0xFF), UInt8(Platform.resetPort >> 8),  // mov dx, resetPort
        0xB0, Platform.resetValue,  // mov al, resetValue
        0xEE,  // out dx, al
        0xF4,  // again: hlt
        0xEB, 0xFD,  // jmp again
    ]
}
