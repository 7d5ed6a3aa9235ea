import Foundation

/// The time, and names that are made once.
enum Clock {
    /// Seconds since 1970.
    static var seconds: Int { Int(Date().timeIntervalSince1970) }

    /// The time as HTTP's `Date` field wants it.
    ///
    /// Source: RFC 9110, section 5.6.7.
    static var httpDate: String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(days[Int(parts.tm_wday) % 7]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon) % 12]) "
            + "\(1_900 + parts.tm_year) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}

/// Names of answers.
enum Identifier {
    private static let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

    /// A name that was never given before, such as `chatcmpl-x3…`.
    static func make(_ prefix: String) -> String {
        prefix + String((0..<24).map { _ in letters[Int.random(in: 0..<letters.count)] })
    }
}
