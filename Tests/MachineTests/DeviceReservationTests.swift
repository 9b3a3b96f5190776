import BlockStorage
import DeviceSources
import LinuxSystem
import NetworkBackends
import Synchronization
import Testing
import Virtio

@testable import VirtualMachine

/// A device while what it uses is being opened, which may take long: who wants something of it meanwhile is answered.
@Suite struct DeviceReservationTests {
    private final class FakeDevice: MachineDevice {
        let place: Int
        var backing: AnyObject { token }
        private let token = Token()
        private let current: Mutex<DeviceSource>
        private final class Token: Sendable {}

        init(_ source: DeviceSource, place: Int) {
            current = Mutex(source)
            self.place = place
        }

        var source: DeviceSource { current.withLock { $0 } }
        func virtioDevice(vpCount: Int) -> any VirtioDevice { EntropyDevice() }
        func limit(_ limit: DeviceLimit?) { current.withLock { $0.limit = limit } }
    }

    private static let data = DeviceSource.disk(DiskSource(id: "data", path: "/d"))
    private static let limit = DeviceLimit(bytesPerSecond: nil, operationsPerSecond: 3)

    @Test func nobodyWaitsForAnOpen() throws {
        let devices = MachineDevices()
        let reservation = try #require(try devices.reserve(Self.data))
        #expect(devices.has(Self.data.name) && devices.present.isEmpty && devices.all.isEmpty)
        #expect(!devices.leave(Self.data.name) && !devices.keep(Self.data.name))
        #expect(devices.takeLeaving().isEmpty && devices.remove(Self.data.name) == nil)
        // Another one of the name is refused, another device is not, and has a place of its own.
        #expect(throws: MachineError.self) { try devices.reserve(.disk(DiskSource(id: "data", path: "/e"))) }
        let other = try #require(try devices.reserve(.disk(DiskSource(id: "other", path: "/o"))))
        let interface = try #require(try devices.reserve(.networkInterface(.init(id: "data"))))
        #expect((reservation.place, other.place, interface.place) == (0, 1, 0))
        // What it may do is remembered until it is open.
        #expect(devices.limit(Self.data.name, Self.limit))
        #expect(devices.fill(reservation, FakeDevice(Self.data, place: 0)))
        #expect(devices.present.map(\.source.limit) == [Self.limit])
    }

    @Test func oneThatIsTakenBackIsNotAttached() throws {
        let devices = MachineDevices()
        let first = try #require(try devices.reserve(Self.data))
        #expect(devices.takeBack(Self.data.name) && !devices.takeBack(Self.data.name))
        // Its successor is not mistaken for it.
        let second = try #require(try devices.reserve(Self.data))
        #expect(!devices.fill(first, FakeDevice(Self.data, place: 0)))
        devices.giveUp(first)
        #expect(devices.fill(second, FakeDevice(Self.data, place: 0)) && devices.present.count == 1)
        #expect(!devices.takeBack(Self.data.name))
    }

    @Test(.timeLimit(.minutes(1))) func theSameTwiceIsOpenedOnce() throws {
        let devices = MachineDevices()
        let reservation = try #require(try devices.reserve(Self.data))
        let answers = Mutex<[Bool]>([])
        let isAsking = Monitor(0)
        let threads = try (0..<3).map { _ in
            try SystemThread(name: "second") {
                isAsking.withLock { $0 += 1 }
                let isNew = (try? devices.reserve(Self.data)).flatMap(\.self) != nil
                answers.withLock { $0.append(isNew) }
            }
        }
        isAsking.wait { $0 == 3 ? () : nil }
        #expect(answers.withLock { $0.isEmpty })
        #expect(devices.fill(reservation, FakeDevice(Self.data, place: 0)))
        for thread in threads { thread.join() }
        #expect(answers.withLock { $0 } == [false, false, false])
        #expect(devices.all.count == 1)
        // One that is attached gets the limit, and nothing else happens.
        var limited = Self.data
        limited.limit = Self.limit
        #expect(try devices.reserve(limited) == nil && devices.all.map(\.source) == [limited])
    }

    @Test func placesEnd() throws {
        let devices = MachineDevices()
        for index in 0..<8 { _ = try devices.reserve(.networkInterface(.init(id: "n\(index)"))) }
        #expect(throws: MachineError.self) { try devices.reserve(.networkInterface(.init(id: "n8"))) }
        #expect(devices.takeBack(.networkInterface("n3")))
        #expect(try devices.reserve(.networkInterface(.init(id: "n8")))?.place == 3)
    }
}
