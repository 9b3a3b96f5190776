import Glibc
import LinuxSystem

extension ConsoleRing {
    /// Reads a console ring while another process may be writing it. The file is read, never mapped: a file that is
    /// cut short under the reader is an error value, not a signal.
    package final class Reader: Sendable {
        private let file: FileDescriptor

        package init(_ path: String) throws(Failure) {
            do throws(Errno) {
                file = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
            } catch {
                throw .system(error)
            }
            _ = try header()
        }

        /// Bytes printed so far: the offset that the next byte will have.
        package func total() throws(Failure) -> UInt64 { try header().total }

        /// At most `limit` bytes from console offset `offset` on. No bytes at the end of the console; an offset beyond
        /// the end is taken for the end.
        package func read(offset: UInt64, limit: Int) throws(Failure) -> Chunk {
            let before = try header()
            let start = min(max(offset, before.oldest), before.total)
            let count = min(UInt64(max(limit, 0)), before.total - start)
            guard count > 0 else { return Chunk(bytes: [], offset: start, nextOffset: start) }
            var bytes = try data(at: start % before.capacity, count: min(count, before.capacity), of: before.capacity)
            let end = start + UInt64(bytes.count)

            // What the writer may have overwritten while we copied.
            let after = try header()
            guard after.capacity == before.capacity, after.total >= before.total else {
                throw .damaged("it was replaced while it was read")
            }
            let whole = min(max(start, after.oldest), end)
            bytes.removeFirst(Int(whole - start))
            return Chunk(bytes: bytes, offset: whole, nextOffset: end)
        }

        private func data(at position: UInt64, count: UInt64, of capacity: UInt64) throws(Failure) -> [UInt8] {
            let first = min(count, capacity - position)
            var bytes = try pread(position, first)
            if count > first { bytes += try pread(0, count - first) }
            return bytes
        }

        private func pread(_ position: UInt64, _ count: UInt64) throws(Failure) -> [UInt8] {
            let bytes = try bytes(at: Int64(position) + Int64(headerSize), count: Int(count))
            guard bytes.count == Int(count) else { throw .damaged("it was cut short") }
            return bytes
        }

        private func header() throws(Failure) -> Header {
            let bytes = try bytes(at: 0, count: reservedOffset + 8)
            let size: UInt64
            do throws(Errno) { size = try file.size() } catch { throw .system(error) }
            return try Header(bytes, fileSize: size)
        }

        private func bytes(at offset: Int64, count: Int) throws(Failure) -> [UInt8] {
            do throws(Errno) {
                return try file.read(count: count, at: offset)
            } catch {
                throw .system(error)
            }
        }
    }
}
