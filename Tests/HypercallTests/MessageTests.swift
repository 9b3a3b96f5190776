import HypercallABI
import Testing

/// One message of each kind, with a different value in each field that a test might mix up.
enum Messages {
    static let header = InterceptMessageHeader(
        vp: 3, instructionLength: 2, cr8: 9, access: .write,
        state: VPExecutionState(cpl: 0, isProtectedMode: true, isLongMode: true),
        cs: SegmentRegister(base: 0, limit: 0xFFFF_FFFF, selector: 0x10, attributes: 0xA09B), rip: 0x10_0042,
        rflags: 0x202)

    static let all: [InterceptMessage] = {
        let memory = MemoryIntercept(
            header: header, gpa: 0xFEC0_0010, linearAddress: 0xFFFF_8000_FEC0_0010, info: [.gvaValid, .gvaGPAValid],
            instruction: InstructionBytes([0x89, 0x07]))
        var hypercall = HypercallIntercept(
            header: header, rax: 1, rbx: 2, rcx: 3, rdx: 4, r8: 5, rsi: 6, rdi: 7, isIsolated: true)
        hypercall.xmm5 = RegisterValue(low: 8, high: 9)
        return [
            .none, .unmappedGPA(memory), .gpaIntercept(memory), .unacceptedGPA(memory),
            .gpaAttribute(
                GPAAttributeIntercept(vp: 1, isAdjustment: true, hostVisibility: 2, memoryType: 33, ranges: [4, 5])),
            .timerExpired(TimerExpired(timer: 1, expirationTime: 2, deliveryTime: 3)),
            .invalidVPRegister(InvalidVPRegister(vp: 7)),
            .unrecoverableException(BareIntercept(header: header)),
            .unsupportedFeature(UnsupportedFeature(vp: 1, feature: 2, parameter: 3)),
            .opaque(OpaqueIntercept(vp: 5)), .hypercall(hypercall), .synicSint(SINTNotification(sint: 4)),
            .sintDeliverable(SINTDeliverable(header: header, sints: 0x8001)),
            .asyncCallCompletion(
                AsyncCallCompletion(partition: PartitionID(rawValue: 2), status: 3, completed: 4, substatus: 5)),
            .schedulerSignalBitset(
                SchedulerSignalBitset(
                    partition: PartitionID(rawValue: 2), vpCount: 1, validBanks: 1,
                    banks: [8] + [UInt64](repeating: 0, count: 15), overflowCount: 6)),
            .schedulerSignalPairs(
                SchedulerSignalPairs(pairs: [.init(partition: PartitionID(rawValue: 2), vp: 3)], overflowCount: 1)),
            .ioPort(
                IOPortIntercept(
                    header: header, port: 0x3F8, accessSize: 2, rax: 0x1234, isString: true, isRepeated: true,
                    instruction: InstructionBytes([0x66, 0xF3, 0x6F]), ds: .full, es: .zero, rcx: 10, rsi: 11, rdi: 12)),
            .msr(MSRIntercept(header: header, msr: 0x4000_0000, rdx: 1, rax: 2)),
            .cpuid(
                CPUIDIntercept(
                    header: header, rax: 1, rcx: 2, rdx: 3, rbx: 4, defaultRAX: 5, defaultRCX: 6, defaultRDX: 7,
                    defaultRBX: 8)),
            .exception(
                ExceptionIntercept(
                    header: header, vector: 14, errorCode: 6, parameter: 0xDEAD, instruction: InstructionBytes([0xCC]),
                    ds: .full, ss: .zero, general: .init { UInt64($0) + 100 })),
            .apicEOI(APICEOI(vp: 1, vector: 0x31)),
            .registerIntercept(
                RegisterIntercept(header: header, register: .cr0, operand: RegisterValue(low: 1, high: 2))),
            .halt(BareIntercept(header: header)),
            .interruptionDeliverable(InterruptionDeliverable(header: header, type: 2)),
            .sipi(SIPIIntercept(header: header, target: 1, vector: 0x9A)),
        ]
    }()
}

@Suite struct MessageTests {
    @Test func roundTrips() throws {
        for content in Messages.all {
            let message = HypervisorMessage(content, isPending: true, sender: 0x1122_3344_5566)
            #expect(try HypervisorMessage(decoding: message.bytes) == message, "\(content.type)")
            #expect(content.header == nil || content.header == Messages.header, "\(content.type)")
        }
        #expect(Set(Messages.all.map(\.type)).count == Messages.all.count)
    }

    @Test func unknownTypesSurvive() throws {
        for count in [0, 1, 239, 240] {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let content = InterceptMessage.unknown(MessageType(rawValue: 0x8001_7777), payload: payload)
            let message = HypervisorMessage(content, sender: 9)
            #expect(try HypervisorMessage(decoding: message.bytes) == message)
            #expect(content.header == nil)
        }
        // The number that two headers read differently, with too little for the one.
        let short = InterceptMessage.unknown(.registerIntercept, payload: [UInt8](repeating: 1, count: 63))
        #expect(try HypervisorMessage(decoding: HypervisorMessage(short).bytes).content == short)
    }

    @Test func goldenBytes() throws {
        let content = InterceptMessage.ioPort(
            IOPortIntercept(header: Messages.header, port: 0x3F8, accessSize: 1, rax: 0x41))
        let bytes = try HypervisorMessage(content).bytes
        #expect(bytes[0..<16] == [0, 0, 1, 0x80, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(bytes[16..<24] == [3, 0, 0, 0, 0x92, 1, 0x14, 0])
        #expect(bytes[24..<40] == [0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x10, 0, 0x9B, 0xA0])
        #expect(bytes[40..<56] == [0x42, 0, 0x10, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0])
        #expect(bytes[56..<72] == [0xF8, 3, 1, 0, 0, 0, 0, 0, 0x41, 0, 0, 0, 0, 0, 0, 0])
        #expect(bytes[72...].allSatisfy { $0 == 0 })
    }

    @Test func shortMessages() throws {
        let bytes = try HypervisorMessage(Messages.all[1]).bytes
        for count in [0, 1, 15, 16, 255] {
            #expect(throws: MessageError.tooFewBytes(count)) { try HypervisorMessage(decoding: Array(bytes[..<count])) }
            var room = [UInt8](repeating: 0, count: count)
            #expect(throws: MessageError.tooFewBytes(count)) {
                try room.withUnsafeMutableBytes { try HypervisorMessage(.none).encode(into: $0) }
            }
        }
        let long = bytes + [UInt8](repeating: 0xFF, count: 3840)
        #expect(try HypervisorMessage(decoding: long).content == Messages.all[1])
    }

    /// Every payload that is shorter than its structure is refused; a longer one is taken without the rest.
    @Test func payloadLengths() throws {
        for content in Messages.all where content.type != .none && content.type != .registerIntercept {
            var bytes = try HypervisorMessage(content).bytes
            let size = content.type == .hypercallIntercept ? HypercallIntercept.size : Int(bytes[4])
            for count in 0..<size {
                bytes[4] = UInt8(count)
                #expect(throws: MessageError.payloadTooShort(content.type, size: count, needed: size)) {
                    try HypervisorMessage(decoding: bytes)
                }
            }
            for count in 241...255 {
                bytes[4] = UInt8(count)
                #expect(throws: MessageError.payloadTooLong(content.type, size: count)) {
                    try HypervisorMessage(decoding: bytes)
                }
            }
            bytes[4] = 240
            #expect(try HypervisorMessage(decoding: bytes).content == content)
        }
        // An older hypervisor's hypercall message ends before the word about isolation.
        guard case .hypercall(var hypercall) = Messages.all[10] else { throw FixtureError("hypercall") }
        var bytes = try HypervisorMessage(.hypercall(hypercall)).bytes
        bytes[4] = 192
        hypercall.isIsolated = false
        #expect(try HypervisorMessage(decoding: bytes).content == .hypercall(hypercall))
    }

    @Test func fieldsThatCannotBe() throws {
        func refused(_ index: Int, at offset: Int, _ value: UInt8) throws -> Bool {
            var bytes = try HypervisorMessage(Messages.all[index]).bytes
            bytes[16 + offset] = value
            do {
                _ = try HypervisorMessage(decoding: bytes)
                return false
            } catch MessageError.badField {
                return true
            }
        }
        let place = { (type: MessageType) in try #require(Messages.all.firstIndex { $0.type == type }) }
        for (type, offset) in [(MessageType.gpaIntercept, 44), (.ioPortIntercept, 43), (.exceptionIntercept, 43)] {
            #expect(try !refused(place(type), at: offset, 16))
            for count: UInt8 in [17, 128, 255] { #expect(try refused(place(type), at: offset, count), "\(type)") }
        }
        for size: UInt8 in 0..<8 {
            #expect(try refused(place(.ioPortIntercept), at: 42, size) == ![1, 2, 4].contains(size))
        }
        #expect(try refused(place(.schedulerVPSignalPair), at: 4, 20))
        #expect(try refused(place(.gpaAttributeIntercept), at: 4, 30))
    }

    @Test func valuesThatDoNotFit() {
        func refuses(_ content: InterceptMessage) -> Bool {
            do {
                _ = try HypervisorMessage(content).bytes
                return false
            } catch {
                return true
            }
        }
        var header = Messages.header
        header.instructionLength = 16
        #expect(refuses(.halt(BareIntercept(header: header))))
        header = Messages.header
        header.cr8 = 16
        #expect(refuses(.halt(BareIntercept(header: header))))
        #expect(refuses(.ioPort(IOPortIntercept(header: Messages.header, port: 0, accessSize: 8, rax: 0))))
        #expect(refuses(.unknown(.halt, payload: [UInt8](repeating: 0, count: 241))))
        let pair = SchedulerSignalPairs.Pair(partition: .own, vp: 0)
        #expect(refuses(.schedulerSignalPairs(SchedulerSignalPairs(pairs: .init(repeating: pair, count: 20)))))
        let bitset = SchedulerSignalBitset(
            partition: .own, vpCount: 0, validBanks: 0, banks: [UInt64](repeating: 0, count: 17))
        #expect(refuses(.schedulerSignalBitset(bitset)))
        let ranges = [UInt64](repeating: 0, count: 30)
        for (visibility, type, ranges) in [(4, 0, []), (0, 64, []), (0, 0, ranges)] {
            #expect(
                refuses(
                    .gpaAttribute(
                        GPAAttributeIntercept(
                            vp: 0, isAdjustment: false, hostVisibility: UInt8(visibility), memoryType: UInt8(type),
                            ranges: ranges))))
        }
    }

    @Test func instructionBytes() {
        let all = (1...16).map(UInt8.init)
        for count in 0...16 { #expect(InstructionBytes(Array(all[..<count])).bytes == Array(all[..<count])) }
        #expect(InstructionBytes(all + [99]).bytes == all)
        #expect(InstructionBytes(low: 0, high: 0, count: 17) == nil)
    }

    /// Random bytes are a message or an error, and what is a message reads the same after it was written.
    @Test func randomBytes() throws {
        var random = SplitMix(state: 0x6D73_6776)
        let types = Array(MessageType.names.keys).sorted { $0.rawValue < $1.rawValue }
        var taken = 0
        for _ in 0..<20_000 {
            var bytes = (0..<32).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
            if let type = types.randomElement(using: &random), random.next() & 7 != 0 {
                withUnsafeBytes(of: type.rawValue.littleEndian) { bytes.replaceSubrange(0..<4, with: $0) }
                // Values that pass the checks, so that more than the first of them is reached.
                if random.next() & 1 == 0 { bytes[16 + 44] &= 0xF }
                if random.next() & 1 == 0 { bytes[16 + 43] &= 0xF }
                if random.next() & 1 == 0 { bytes[16 + 42] = 4 }
            }
            guard let message = try? HypervisorMessage(decoding: bytes) else { continue }
            taken += 1
            #expect(try HypervisorMessage(decoding: message.bytes) == message)
        }
        #expect(taken > 1000)
    }
}

/// A small generator, so that a failure comes again.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
