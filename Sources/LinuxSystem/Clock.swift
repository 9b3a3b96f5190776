import CLinux
import Glibc

/// Nanoseconds of `CLOCK_MONOTONIC`: for durations within one boot of the host.
package func monotonicNanoseconds() -> UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }

/// Nanoseconds since 1970-01-01T00:00:00Z, as the host's clock has it.
package func realtimeNanoseconds() -> UInt64 { nanoseconds(of: CLOCK_REALTIME) }

private func nanoseconds(of clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// A time as RFC 3339 has it, in UTC with milliseconds: `2026-11-23T06:00:00.000Z`.
package func rfc3339(_ nanosecondsSince1970: UInt64) -> String {
    var seconds = time_t(nanosecondsSince1970 / 1_000_000_000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ value: Int32, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
    let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
    let milliseconds = Int32(nanosecondsSince1970 / 1_000_000 % 1000)
    return "\(date)T\(time).\(padded(milliseconds, 3))Z"
}
