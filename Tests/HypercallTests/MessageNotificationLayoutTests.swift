import HypercallABI
import Testing

/// The other messages field by field, as in `MessageLayoutTests`.
@Suite struct MessageNotificationLayoutTests {
    private let header = InterceptMessageHeader.zero

    @Test func registersOfInstructions() throws {
        try expect(
            "hv_x64_msr_intercept_message",
            [
                "msr_number": .msr(MSRIntercept(header: header, msr: .max)),
                "rdx": .msr(MSRIntercept(header: header, msr: 0, rdx: .max)),
                "rax": .msr(MSRIntercept(header: header, msr: 0, rax: .max)),
            ])
        func cpuid(_ change: (inout CPUIDIntercept) -> Void) -> InterceptMessage {
            var message = CPUIDIntercept(header: header, rax: 0, rcx: 0, rdx: 0, rbx: 0)
            change(&message)
            return .cpuid(message)
        }
        try expect(
            "hv_x64_cpuid_intercept_message",
            [
                "rax": cpuid { $0.rax = .max }, "rcx": cpuid { $0.rcx = .max }, "rdx": cpuid { $0.rdx = .max },
                "rbx": cpuid { $0.rbx = .max }, "default_result_rax": cpuid { $0.defaultRAX = .max },
                "default_result_rcx": cpuid { $0.defaultRCX = .max },
                "default_result_rdx": cpuid { $0.defaultRDX = .max },
                "default_result_rbx": cpuid { $0.defaultRBX = .max },
            ])
        #expect(MSRIntercept(header: header, msr: 0, rdx: 0xF_0000_0001, rax: 0xE_0000_0002).value == 0x1_0000_0002)
    }

    @Test func hypercalls() throws {
        func made(_ change: (inout HypercallIntercept) -> Void) -> InterceptMessage {
            var message = HypercallIntercept(header: header, rcx: 0, rdx: 0, r8: 0)
            change(&message)
            return .hypercall(message)
        }
        let name = "hv_x64_hypercall_intercept_message"
        try expect(
            name,
            [
                "rax": made { $0.rax = .max }, "rbx": made { $0.rbx = .max }, "rcx": made { $0.rcx = .max },
                "rdx": made { $0.rdx = .max }, "r8": made { $0.r8 = .max }, "rsi": made { $0.rsi = .max },
                "rdi": made { $0.rdi = .max }, "isolated": made { $0.isIsolated = true },
            ])
        let full = RegisterValue(low: .max, high: .max)
        let registers: [(inout HypercallIntercept) -> Void] = [
            { $0.xmm0 = full }, { $0.xmm1 = full }, { $0.xmm2 = full }, { $0.xmm3 = full }, { $0.xmm4 = full },
            { $0.xmm5 = full },
        ]
        let start = try Fixture.layout(name).bits(of: "xmmregisters")
        #expect(start.count == 128 * registers.count)
        for (index, change) in registers.enumerated() {
            let place = start.lowerBound + 128 * index
            #expect(try payloadBits(made(change)) == Set(place..<(place + 128)))
        }
    }

    @Test func watchedRegisters() throws {
        func made(_ change: (inout RegisterIntercept) -> Void) -> InterceptMessage {
            var message = RegisterIntercept(
                header: header, register: RegisterName(rawValue: 0), operand: RegisterValue(0))
            change(&message)
            return .registerIntercept(message)
        }
        try expect(
            "hv_x64_register_intercept_message",
            [
                "is_memory_op": made { $0.isMemoryOperation = true },
                "register_name": made { $0.register = RegisterName(rawValue: .max) },
                "access_info": made { $0.operand = RegisterValue(low: .max, high: .max) },
            ])
    }

    @Test func notifications() throws {
        try expect(
            "hv_x64_interruption_deliverable_message",
            [
                "deliverable_type": .interruptionDeliverable(InterruptionDeliverable(header: header, type: .max))
            ])
        try expect(
            "hv_x64_sint_deliverable_message",
            [
                "deliverable_sints": .sintDeliverable(SINTDeliverable(header: header, sints: .max))
            ])
        try expect(
            "hv_x64_sipi_intercept_message",
            [
                "target_vp_index": .sipi(SIPIIntercept(header: header, target: .max, vector: 0)),
                "interrupt_vector": .sipi(SIPIIntercept(header: header, target: 0, vector: .max)),
            ])
        try expect(
            "hv_x64_apic_eoi_message",
            [
                "vp_index": .apicEOI(APICEOI(vp: .max, vector: 0)),
                "interrupt_vector": .apicEOI(APICEOI(vp: 0, vector: .max)),
            ])
        try expect("hv_x64_invalid_vp_register_message", ["vp_index": .invalidVPRegister(InvalidVPRegister(vp: .max))])
        try expect(
            "hv_x64_unsupported_feature_message",
            [
                "vp_index": .unsupportedFeature(UnsupportedFeature(vp: .max, feature: 0, parameter: 0)),
                "feature_code": .unsupportedFeature(UnsupportedFeature(vp: 0, feature: .max, parameter: 0)),
                "feature_parameter": .unsupportedFeature(UnsupportedFeature(vp: 0, feature: 0, parameter: .max)),
            ])
        try expect("hv_opaque_intercept_message", ["vp_index": .opaque(OpaqueIntercept(vp: .max))])
        try expect("hv_notification_message_payload", ["sint_index": .synicSint(SINTNotification(sint: .max))])
        try expect(
            "hv_timer_message_payload",
            [
                "timer_index": .timerExpired(TimerExpired(timer: .max, expirationTime: 0, deliveryTime: 0)),
                "expiration_time": .timerExpired(TimerExpired(timer: 0, expirationTime: .max, deliveryTime: 0)),
                "delivery_time": .timerExpired(TimerExpired(timer: 0, expirationTime: 0, deliveryTime: .max)),
            ])
        let none = PartitionID.invalid
        try expect(
            "hv_async_completion_message_payload",
            [
                "partition_id": .asyncCallCompletion(
                    AsyncCallCompletion(partition: PartitionID(rawValue: .max), status: 0, completed: 0)),
                "status": .asyncCallCompletion(AsyncCallCompletion(partition: none, status: .max, completed: 0)),
                "completion_count": .asyncCallCompletion(
                    AsyncCallCompletion(partition: none, status: 0, completed: .max)),
                "sub_status": .asyncCallCompletion(
                    AsyncCallCompletion(partition: none, status: 0, completed: 0, substatus: .max)),
            ])
    }

    @Test func scheduler() throws {
        func bitset(_ change: (inout SchedulerSignalBitset) -> Void) -> InterceptMessage {
            var message = SchedulerSignalBitset(
                partition: .invalid, vpCount: 0, validBanks: 0, banks: [UInt64](repeating: 0, count: 16))
            change(&message)
            return .schedulerSignalBitset(message)
        }
        let name = "hv_vp_signal_bitset_scheduler_message"
        try expect(
            name,
            [
                "partition_id": bitset { $0.partition = PartitionID(rawValue: .max) },
                "overflow_count": bitset { $0.overflowCount = .max }, "vp_count": bitset { $0.vpCount = .max },
            ])
        let set = try Fixture.layout(name).bits(of: "vp_bitset.bitset")
        let inner = try Fixture.layout("hv_vpset")
        func place(_ field: String) throws -> Set<Int> { Set(try inner.bits(of: field).map { $0 + set.lowerBound }) }
        #expect(try payloadBits(bitset { $0.format = .max }) == place("format"))
        #expect(try payloadBits(bitset { $0.validBanks = .max }) == place("valid_bank_mask"))
        let banks = set.upperBound..<(try Fixture.layout(name).bits(of: "vp_bitset.bitset_buffer").upperBound)
        #expect(try payloadBits(bitset { $0.banks = [UInt64](repeating: .max, count: 16) }) == Set(banks))

        let pairs = "hv_vp_signal_pair_scheduler_message"
        let full = SchedulerSignalPairs.Pair(partition: PartitionID(rawValue: .max), vp: .max)
        let message = InterceptMessage.schedulerSignalPairs(
            SchedulerSignalPairs(pairs: [SchedulerSignalPairs.Pair](repeating: full, count: 19)))
        let layout = try Fixture.layout(pairs)
        let count = try layout.bits(of: "vp_count").lowerBound
        #expect(
            try payloadBits(message)
                == Set(layout.bits(of: "partition_ids")).union(try layout.bits(of: "vp_indexes"))
                .union([count, count + 1, count + 4]))
        try expect(
            pairs,
            [
                "overflow_count": .schedulerSignalPairs(SchedulerSignalPairs(pairs: [], overflowCount: .max))
            ])
    }

    @Test func vpsOfABitset() {
        let set = SchedulerSignalBitset(
            partition: .invalid, vpCount: 3, validBanks: 0b101, banks: [1 << 63, 0b11])
        #expect(set.vps == [63, 128, 129])
        var other = set
        other.format = 1
        #expect(other.vps == nil)
        other = set
        other.validBanks = 0b111
        #expect(other.vps == nil)
    }

    @Test func pageAttributes() throws {
        func made(_ change: (inout GPAAttributeIntercept) -> Void) -> InterceptMessage {
            var message = GPAAttributeIntercept(
                vp: 0, isAdjustment: false, hostVisibility: 0, memoryType: 0, ranges: [])
            change(&message)
            return .gpaAttribute(message)
        }
        let name = "hv_x64_gpa_attribute_intercept_message"
        try expect(
            name,
            [
                "vp_index": made { $0.vp = .max }, "adjust": made { $0.isAdjustment = true },
                "host_visibility": made { $0.hostVisibility = 3 }, "memory_type": made { $0.memoryType = 63 },
            ])
        let layout = try Fixture.layout(name)
        let count = try layout.bits(of: "range_count").lowerBound
        let full = made { $0.ranges = [UInt64](repeating: .max, count: 29) }
        #expect(
            try payloadBits(full)
                == Set(layout.bits(of: "ranges")).union([count, count + 2, count + 3, count + 4]))
    }
}
