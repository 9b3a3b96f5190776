import Glibc

/// A date and time of day in UTC, fields as people count them.
struct CalendarTime: Equatable, Sendable {
    /// 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z: what fits a two-digit century and year.
    static let secondsRange: ClosedRange<Int64> = 0...253_402_300_799

    var year: Int
    var month: Int
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int
    /// Sunday is 1, as in the MC146818.
    private(set) var weekday: Int

    /// A time outside `secondsRange` is moved to its nearer end.
    init(secondsSince1970: Int64) {
        var time = time_t(min(max(secondsSince1970, Self.secondsRange.lowerBound), Self.secondsRange.upperBound))
        var parts = tm()
        gmtime_r(&time, &parts)
        year = Int(parts.tm_year) + 1900
        month = Int(parts.tm_mon) + 1
        day = Int(parts.tm_mday)
        hour = Int(parts.tm_hour)
        minute = Int(parts.tm_min)
        second = Int(parts.tm_sec)
        weekday = Int(parts.tm_wday) + 1
    }

    /// Fields outside their range carry into the next (31 February is 2 or 3 March); within `secondsRange`.
    var secondsSince1970: Int64 {
        var parts = tm()
        parts.tm_year = Int32(truncatingIfNeeded: min(max(year, 0), 9999)) - 1900
        parts.tm_mon = Int32(truncatingIfNeeded: min(max(month, 1), 12)) - 1
        parts.tm_mday = Int32(truncatingIfNeeded: min(max(day, 1), 31))
        parts.tm_hour = Int32(truncatingIfNeeded: min(max(hour, 0), 23))
        parts.tm_min = Int32(truncatingIfNeeded: min(max(minute, 0), 59))
        parts.tm_sec = Int32(truncatingIfNeeded: min(max(second, 0), 59))
        return min(max(Int64(timegm(&parts)), Self.secondsRange.lowerBound), Self.secondsRange.upperBound)
    }
}
