import Glibc
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Workers are found by their sockets in the run directory: it has to be the server's alone.
    @Suite struct RunDirectoryTests {
        private static func fixture(mode: mode_t) throws -> ServerFixture {
            let fixture = try ServerFixture(hypervisor: "simulated")
            guard mkdir(fixture.runDirectory, 0o700) == 0, chmod(fixture.runDirectory, mode) == 0 else {
                throw Errno.last
            }
            return fixture
        }

        @Test(arguments: [0o777, 0o775]) func othersMustNotWriteThere(_ mode: Int) async throws {
            let fixture = try Self.fixture(mode: mode_t(mode))
            let (end, log) = try await Programs.run(
                fixture.options + ["--listen", "http://127.0.0.1:0"], in: fixture.directory)
            #expect(end == .exited(status: 1))
            #expect(log.contains("can be written by other users (mode 0\(String(mode, radix: 8)))"), "\(log)")
        }

        @Test func othersMayLook() async throws {
            let api = try await Self.fixture(mode: 0o755).start()
            try await api.request("GET", "/healthz", expecting: 200)
        }
    }
}
