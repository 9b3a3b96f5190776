import HypercallABI
import Testing

/// Every field of a message lies where the tables say: with all its bits set, just these bits of the payload are.
@Suite struct MessageLayoutTests {
    @Test func typesAreThoseOfTheTable() throws {
        let rows = try Fixture.rows("messages.csv").filter { $0["kind"] == "message" }
        #expect(rows.count > 35)
        var listed: Set<UInt32> = []
        for row in rows {
            let number = try #require(UInt32((row["value"] ?? "").dropFirst(2), radix: 16))
            #expect(MessageType(rawValue: number).description == row["name"])
            listed.insert(number)
        }
        #expect(listed == Set(MessageType.names.keys.map(\.rawValue)))
        #expect(MessageType(rawValue: 0x8001_7777).description == "message 0x80017777")
    }

    @Test func payloadSizes() throws {
        var rows = try Fixture.rows("messages.csv").filter { $0["kind"] == "message" && $0["payload_struct"] != "" }
        // A message of SEV-SNP guests, whose payload stays bytes here.
        rows.removeAll { $0["name"] == "HVMSG_X64_SEV_VMGEXIT_INTERCEPT" }
        let messages = Dictionary(uniqueKeysWithValues: Messages.all.map { ($0.type.description, $0) })
        for row in rows {
            let message = try #require(messages[row["name"] ?? ""], "\(row)")
            let bytes = try HypervisorMessage(message).bytes
            #expect(String(bytes[4]) == row["payload_size"], "\(message.type)")
            #expect(try Fixture.layout(row["payload_struct"] ?? "").size == Int(bytes[4]))
        }
        // Two more than the table pairs: the empty message, and the register intercept that the headers number otherwise.
        #expect(Messages.all.count == rows.count + 2)
    }

    @Test func messageHeader() throws {
        let layout = try Fixture.layout("hv_message_header")
        let message = InterceptMessage.unknown(MessageType(rawValue: .max), payload: [])
        #expect(try setBits(HypervisorMessage(message)) == Set(layout.bits(of: "message_type")))
        let none = InterceptMessage.unknown(.none, payload: [])
        let pending = try Fixture.layout("hv_message_flags").bits(of: "msg_pending")
        let flags = try layout.bits(of: "message_flags").lowerBound
        #expect(try setBits(HypervisorMessage(none, isPending: true)) == Set(pending.map { $0 + flags }))
        #expect(try setBits(HypervisorMessage(none, sender: .max)) == Set(layout.bits(of: "sender")))
        let full = InterceptMessage.unknown(.none, payload: [UInt8](repeating: 0xFF, count: 240))
        let size = try layout.bits(of: "payload_size").lowerBound
        #expect(
            try setBits(HypervisorMessage(full))
                == Set((16 * 8)..<(256 * 8)).union((0..<8).filter { 240 & 1 << $0 != 0 }.map { size + $0 }))
    }

    @Test func commonHeader() throws {
        try expect(
            "hv_x64_intercept_message_header",
            [
                "vp_index": header { $0.vp = .max }, "instruction_length": header { $0.instructionLength = 15 },
                "cr8": header { $0.cr8 = 15 },
                "intercept_access_type": header { $0.access = InterceptAccessType(rawValue: .max) },
                "execution_state": header { $0.state = VPExecutionState(rawValue: .max) },
                "cs_segment": header { $0.cs = .full }, "rip": header { $0.rip = .max },
                "rflags": header { $0.rflags = .max },
            ])
        let state = try Fixture.layout("hv_x64_vp_execution_state")
        let flags: [(String, (VPExecutionState) -> Bool)] = [
            ("cr0_pe", \.isProtectedMode), ("cr0_am", \.checksAlignment), ("efer_lma", \.isLongMode),
            ("debug_active", \.isDebugActive), ("interruption_pending", \.isInterruptionPending),
            ("enclave_mode", \.isEnclaveMode), ("interrupt_shadow", \.hasInterruptShadow),
            ("virtualization_fault_active", \.isVirtualizationFaultActive), ("cpl", { $0.cpl != 0 }),
            ("vtl", { $0.vtl != 0 }),
        ]
        for (name, flag) in flags {
            let bits = try state.bits(of: name)
            for bit in 0..<16 { #expect(flag(VPExecutionState(rawValue: 1 << bit)) == bits.contains(bit), "\(name)") }
        }
        let all = VPExecutionState(
            cpl: 3, isProtectedMode: true, isLongMode: true, checksAlignment: true, isDebugActive: true,
            isInterruptionPending: true, hasInterruptShadow: true)
        #expect(all.rawValue == 0x107F)
    }

    @Test func memory() throws {
        func made(_ change: (inout MemoryIntercept) -> Void) -> InterceptMessage {
            var message = MemoryIntercept(header: .zero, gpa: 0)
            change(&message)
            return .gpaIntercept(message)
        }
        try expect(
            "hv_x64_memory_intercept_message",
            [
                "cache_type": made { $0.cacheType = .max },
                "memory_access_info": made { $0.info = .init(rawValue: .max) },
                "tpr_priority": made { $0.tprPriority = .max },
                "guest_virtual_address": made { $0.linearAddress = .max },
                "guest_physical_address": made { $0.gpa = .max },
                "instruction_bytes": made { $0.instruction = .onesWithoutCount },
            ])
        try expectInstructionCount("hv_x64_memory_intercept_message", made { $0.instruction = .sixteenZeros })
        try expectFlags(
            "hv_x64_memory_access_info",
            [
                "gva_valid": MemoryIntercept.MemoryAccessInfo.gvaValid.rawValue,
                "gva_gpa_valid": MemoryIntercept.MemoryAccessInfo.gvaGPAValid.rawValue,
                "hypercall_output_pending": MemoryIntercept.MemoryAccessInfo.hypercallOutputPending.rawValue,
                "tlb_locked_no_overlay": MemoryIntercept.MemoryAccessInfo.tlbLockedNoOverlay.rawValue,
            ])
    }

    @Test func ports() throws {
        func made(_ change: (inout IOPortIntercept) -> Void) -> InterceptMessage {
            // The least access size there is, of which the comparison knows.
            var message = IOPortIntercept(header: .zero, port: 0, accessSize: 1, rax: 0)
            change(&message)
            return .ioPort(message)
        }
        let info = try Fixture.layout("hv_x64_io_port_intercept_message").bits(of: "access_info").lowerBound
        let access = try Fixture.layout("hv_x64_io_port_access_info")
        try expect(
            "hv_x64_io_port_intercept_message",
            [
                "port_number": made { $0.port = .max }, "rax": made { $0.rax = .max },
                "instruction_bytes": made { $0.instruction = .onesWithoutCount }, "ds_segment": made { $0.ds = .full },
                "es_segment": made { $0.es = .full }, "rcx": made { $0.rcx = .max }, "rsi": made { $0.rsi = .max },
                "rdi": made { $0.rdi = .max },
            ], without: [info + (try access.bits(of: "access_size").lowerBound)])
        func infoBits(_ change: (inout IOPortIntercept) -> Void) throws -> Set<Int> {
            Set(try payloadBits(made(change)).map { $0 - info })
        }
        #expect(try infoBits { $0.accessSize = 4 } == [try access.bits(of: "access_size").upperBound - 1])
        #expect(try infoBits { $0.isString = true }.subtracting([0]) == Set(access.bits(of: "string_op")))
        #expect(try infoBits { $0.isRepeated = true }.subtracting([0]) == Set(access.bits(of: "rep_prefix")))
    }

    @Test func exceptions() throws {
        func made(_ change: (inout ExceptionIntercept) -> Void) -> InterceptMessage {
            var message = ExceptionIntercept(header: .zero, vector: 0)
            change(&message)
            return .exception(message)
        }
        let name = "hv_x64_exception_intercept_message"
        let info = try Fixture.layout(name).bits(of: "exception_info").lowerBound
        let bits = try Fixture.layout("hv_x64_exception_info")
        var fields = [
            "exception_vector": made { $0.vector = .max }, "exception_parameter": made { $0.parameter = .max },
            "instruction_bytes": made { $0.instruction = .onesWithoutCount }, "ds_segment": made { $0.ds = .full },
            "ss_segment": made { $0.ss = .full },
        ]
        let names = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15",
        ]
        for (number, name) in names.enumerated() {
            fields[name] = made { $0.general = .init { $0 == number ? UInt64.max : 0 } }
        }
        try expect(name, fields)
        try expectInstructionCount(name, made { $0.instruction = .sixteenZeros })
        let software = try bits.bits(of: "software_exception").lowerBound + info
        #expect(try payloadBits(made { $0.isSoftware = true }) == [software])
        let valid = try bits.bits(of: "error_code_valid").lowerBound + info
        #expect(try payloadBits(made { $0.errorCode = 0 }) == [valid])
        let code = try Fixture.layout(name).bits(of: "error_code")
        #expect(try payloadBits(made { $0.errorCode = .max }) == Set(code).union([valid]))
    }

    private func header(_ change: (inout InterceptMessageHeader) -> Void) -> InterceptMessage {
        var header = InterceptMessageHeader.zero
        change(&header)
        return .halt(BareIntercept(header: header))
    }

    private func expectInstructionCount(_ name: String, _ message: InterceptMessage) throws {
        let place = try Fixture.layout(name).bits(of: "instruction_byte_count").lowerBound
        #expect(try payloadBits(message) == [place + 4])
    }

    private func expectFlags(_ name: String, _ flags: [String: UInt8]) throws {
        let layout = try Fixture.layout(name)
        for (field, flag) in flags { #expect(UInt8(1) << (try layout.bits(of: field).lowerBound) == flag, "\(field)") }
    }
}

/// Compares messages, each with one field full of ones, with the layout; `without` are bits that all of them have.
func expect(_ name: String, _ fields: [String: InterceptMessage], without: Set<Int> = []) throws {
    let layout = try Fixture.layout(name)
    for (field, message) in fields {
        #expect(try payloadBits(message).subtracting(without) == Set(layout.bits(of: field)), "\(name).\(field)")
        #expect(
            try HypervisorMessage(decoding: HypervisorMessage(message).bytes).content == message, "\(name).\(field)")
    }
}

/// The bits of the payload that are set.
func payloadBits(_ message: InterceptMessage) throws -> Set<Int> {
    Set(try setBits(HypervisorMessage(message)).filter { $0 >= 128 }.map { $0 - 128 })
}

func setBits(_ message: HypervisorMessage) throws -> Set<Int> {
    var bits: Set<Int> = []
    for (index, byte) in try message.bytes.enumerated() {
        for bit in 0..<8 where byte & 1 << bit != 0 { bits.insert(8 * index + bit) }
    }
    return bits
}

extension InterceptMessageHeader {
    static let zero = InterceptMessageHeader(vp: 0, state: VPExecutionState(rawValue: 0), cs: .zero, rip: 0, rflags: 0)
}

extension SegmentRegister {
    static let full = SegmentRegister(base: .max, limit: .max, selector: .max, attributes: .max)
}

extension InstructionBytes {
    static let onesWithoutCount = InstructionBytes(low: .max, high: .max, count: 0) ?? .none
    static let sixteenZeros = InstructionBytes([UInt8](repeating: 0, count: 16))
}
