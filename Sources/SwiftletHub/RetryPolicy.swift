import Foundation

/// How often something that failed is tried again, and after which time.
public struct RetryPolicy: Hashable, Sendable {
    /// Failures in a row, without a byte in between, after which it ends.
    public var attempts = 6
    /// Seconds before the second attempt; each further one waits twice as long.
    public var firstDelay = 0.5
    /// The longest wait of our own choice, in seconds.
    public var longestDelay = 30.0
    /// The longest wait that a server may ask for, in seconds.
    public var longestRequestedDelay = 120.0

    /// Six attempts within about twenty seconds.
    public init() {}

    /// Seconds to wait after some failures in a row: exponential, with a random half, so that many clients that
    /// failed together do not come back together.
    func delay(failures: Int) -> Double {
        let full = min(firstDelay * pow(2, Double(max(failures, 1) - 1)), longestDelay)
        return full * Double.random(in: 0.5...1)
    }

    /// Seconds that a server asks for by `Retry-After` (a number or a date) or the rest `t` of `RateLimit`.
    ///
    /// Source: RFC 9110 §10.2.3; the drafts of the RateLimit header fields for HTTP.
    static func requestedDelay(retryAfter: String?, rateLimit: String?, now: Date = Date()) -> Double? {
        if let text = retryAfter?.trimmingCharacters(in: .whitespaces), !text.isEmpty {
            if let seconds = Double(text), seconds.isFinite { return max(seconds, 0) }
            if let date = date(text) { return max(date.timeIntervalSince(now), 0) }
        }
        for field in rateLimit?.split(separator: ";") ?? [] {
            let field = field.trimmingCharacters(in: .whitespaces)
            if field.hasPrefix("t="), let seconds = Double(field.dropFirst(2)), seconds.isFinite {
                return max(seconds, 0)
            }
        }
        return nil
    }

    /// A date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func date(_ text: String) -> Date? {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "GMT")
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        return formatter.date(from: text)
    }
}
