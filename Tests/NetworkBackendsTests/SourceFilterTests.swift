import LinuxSystem
import Testing

@testable import NetworkBackends

@Suite struct SourceFilterTests {
    /// Runs a program of the classic BPF with the instructions that ours has.
    private func run(_ program: [UInt8], on frame: [UInt8]) throws -> UInt32 {
        var (place, accumulator) = (0, UInt32(0))
        for _ in 0..<16 {
            let instruction = Array(program[(8 * place)..<(8 * place + 8)])
            let code = try #require(NetlinkAttributes.number(instruction, UInt16.self))
            let operand = try #require(NetlinkAttributes.number(instruction.dropFirst(4), UInt32.self))
            func load(_ count: Int) -> UInt32 {
                frame[Int(operand)..<(Int(operand) + count)].reduce(0) { $0 << 8 | UInt32($1) }
            }
            place += 1
            switch code {
            case 0x20: accumulator = load(4)
            case 0x28: accumulator = load(2)
            case 0x15: place += Int(accumulator == operand ? instruction[2] : instruction[3])
            case 0x06: return operand
            default: throw Errno(22)
            }
        }
        throw Errno(22)
    }

    @Test func onlyTheOwnAddressPasses() throws {
        let mac: [UInt8] = [2, 0x34, 0xFF, 0x80, 0x9A, 0xBC]
        let program = SourceFilter.program(try #require(MACAddress(mac)))
        #expect(program.count == 6 * 8)
        let destination = [UInt8](repeating: 0xFF, count: 6)
        #expect(try run(program, on: destination + mac + [8, 0]) == 0)
        for byte in 0..<6 {
            for bit in 0..<8 {
                var other = mac
                other[byte] ^= 1 << bit
                #expect(try run(program, on: destination + other + [8, 0]) == .max)
            }
        }
    }

    @Test func messagesAreTakenApart() {
        let inner = NetlinkRequest.attribute(7, [1, 2, 3]) + NetlinkRequest.attribute(0x8000 | 8, [4])
        var request = NetlinkRequest(type: 36, flags: [.create], header: [9, 9, 9, 9])
        request.add(2, inner)
        #expect(request.bytes.count == 16 + 4 + 4 + 16 && request.bytes[0] == 40)
        let messages = NetlinkAttributes.messages((request.bytes + [1, 0, 0])[...])
        #expect(messages.count == 1 && messages[0].type == 36)
        let options = NetlinkAttributes.values(2, in: messages[0].body.dropFirst(4))
        #expect(options == [inner])
        #expect(NetlinkAttributes.values(7, in: options[0]) == [[1, 2, 3]])
        #expect(NetlinkAttributes.values(8, in: options[0]) == [[4]])
        // What is cut off, or says that it has no length, ends the list.
        #expect(NetlinkAttributes.values(7, in: inner.prefix(6)).isEmpty)
        #expect(NetlinkAttributes.values(0, in: [0, 0, 0, 0, 4, 0, 0, 0]).isEmpty)
    }

    @Test(.enabled(if: OwnNetwork.isPossible, "needs CAP_SYS_ADMIN and /dev/net/tun"))
    func whatTheKernelLacksIsSaid() throws {
        try OwnNetwork.run {
            let mac = try #require(MACAddress([2, 0, 0, 0, 0, 1]))
            #expect(throws: NetworkError("there is no interface none")) {
                try SourceFilter(tap: "none", allowing: mac)
            }
            let tap = try TapDevice(.init(name: "t0"))
            do throws(NetworkError) {
                // Twice: one that an earlier process left is replaced.
                let first = try SourceFilter(tap: tap.name, allowing: mac)
                let second = try SourceFilter(tap: tap.name, allowing: mac)
                #expect(second.dropped == SourceFilter.Dropped())
                second.remove()
                first.remove()
            } catch {
                #expect(error.description.contains("clsact, cls_bpf and act_gact"))
            }
        }
    }
}
