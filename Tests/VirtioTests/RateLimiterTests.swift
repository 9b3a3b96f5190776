import BlockStorage
import Testing
import Virtio

@Suite("Rate limits")
struct RateLimiterTests {
    @Test("a rate limit spreads what is asked for")
    func rateLimits() {
        let limiter = RateLimiter(.init(bytesPerSecond: 1_000_000, operationsPerSecond: nil))
        var now: UInt64 = 5_000_000_000
        let start = now
        for _ in 0..<100 {
            while let next = limiter.take(bytes: 50_000, now: now) {
                #expect(next > now)
                now = next
            }
        }
        // 5 MB at 1 MB/s, less the burst.
        #expect((4_700_000_000...5_000_000_000).contains(now - start))
        #expect(RateLimiter(nil).take(bytes: .max, now: 0) == nil)
        let slow = RateLimiter(.init(bytesPerSecond: 1, operationsPerSecond: 1))
        #expect(slow.take(bytes: .max, now: 1) == nil && slow.take(bytes: 1, now: .max >> 8) != nil)
    }
}
