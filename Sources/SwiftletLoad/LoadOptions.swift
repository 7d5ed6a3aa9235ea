public import SwiftletTensor

/// What a load generator asks of a server, and how often.
public struct LoadOptions: Sendable {
    /// How requests arrive.
    public enum Arrival: Hashable, Sendable {
        /// So many clients, each of which sends its next request when the last one is answered.
        case closed(clients: Int)
        /// So many requests per second on average, at random moments, whether or not others are answered.
        case open(perSecond: Double)
    }

    /// A number of tokens, drawn evenly between two bounds.
    public struct Length: Hashable, Sendable {
        /// The bounds.
        public var range: ClosedRange<Int>

        /// Always the same number.
        public init(_ count: Int) { range = count...count }

        /// Reads `256` or `128-512`.
        ///
        /// - Throws: `.invalidArgument` naming the flag and the text.
        public init(parsing text: String, flag: String) throws(SwiftletError) {
            let bounds = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2,
                first > 0,
                first <= last, last <= 1 << 24
            else {
                throw SwiftletError(
                    .invalidArgument,
                    "\(flag) is '\(text)'; expected a number of tokens such as 256, or a range such as 128-512"
                )
            }
            range = first...last
        }
    }

    /// Where the server is, such as `http://127.0.0.1:8080`.
    public var url: String
    /// How requests arrive.
    public var arrival = Arrival.closed(clients: 16)
    /// Requests in all.
    public var requestCount = 64
    /// Tokens of a prompt.
    public var promptLength = Length(256)
    /// Tokens of an answer; the server is asked to ignore the end of the text.
    public var answerLength = Length(128)
    /// The model's name for servers that have several.
    public var model: String?
    /// Sent as a bearer token.
    public var apiKey: String?
    /// Cache policy and budget of every request, which Swiftlet's server takes.
    public var policy: String?
    /// As ``policy``.
    public var budget: String?
    /// Token ids below it make up prompts; `nil` asks the server.
    public var vocabularySize: Int?
    /// Tokens that all prompts begin with, as a system prompt does.
    public var sharedPrefix = 0
    /// Seed of prompts, lengths and arrivals.
    public var seed: UInt64 = 1
    /// Seconds after which a request is given up.
    public var timeoutSeconds = 600

    /// The defaults, for one server.
    public init(url: String) { self.url = url }

    /// Checks every range.
    ///
    /// - Throws: `.invalidArgument` naming the flag, the value and the range.
    public func validate() throws(SwiftletError) {
        switch arrival {
        case .closed(let clients): try Self.check("--concurrency", clients, 1...65_536)
        case .open(let rate):
            guard rate > 0, rate <= 1e6 else {
                throw SwiftletError(
                    .invalidArgument, "--rate is \(rate); expected more than 0 requests per second")
            }
        }
        try Self.check("--requests", requestCount, 1...10_000_000)
        try Self.check("--shared-prefix", sharedPrefix, 0...(1 << 24))
        try Self.check("--timeout", timeoutSeconds, 1...86_400)
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw SwiftletError(
                .invalidArgument, "--url is '\(url)'; expected an address such as http://127.0.0.1:8080")
        }
    }

    private static func check(
        _ flag: String, _ value: Int, _ range: ClosedRange<Int>
    ) throws(SwiftletError) {
        guard !range.contains(value) else { return }
        throw SwiftletError(
            .invalidArgument, "\(flag) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
    }
}
