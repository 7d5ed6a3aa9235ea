public import SwiftletFormats

/// What a run under load measured.
public struct LoadReport: Sendable {
    /// Some times in seconds, sorted.
    public struct Spread: Hashable, Sendable {
        private let sorted: [Double]

        init(_ values: [Double]) { sorted = values.sorted() }

        /// How many there are.
        public var count: Int { sorted.count }
        /// Their mean; 0 without any.
        public var mean: Double { sorted.isEmpty ? 0 : sorted.reduce(0, +) / Double(sorted.count) }
        /// The largest; 0 without any.
        public var largest: Double { sorted.last ?? 0 }

        /// The smallest value that at least this share of the values does not exceed; 0 without any.
        public func percentile(_ percent: Double) -> Double {
            guard !sorted.isEmpty else { return 0 }
            let rank = Int((percent * Double(sorted.count) / 100).rounded(.up))
            return sorted[min(max(rank, 1), sorted.count) - 1]
        }
    }

    /// What became of every request, in the order in which they were made up.
    public let outcomes: [LoadOutcome]
    /// Seconds from the first request to the last answer.
    public let seconds: Double

    init(outcomes: [LoadOutcome], seconds: Double) {
        self.outcomes = outcomes
        self.seconds = seconds
        answered = outcomes.filter { $0.failure == nil }
    }

    private let answered: [LoadOutcome]

    /// Requests with a complete answer.
    public var answeredCount: Int { answered.count }
    /// Reasons of the others, the most frequent first.
    public var failures: [(reason: String, count: Int)] {
        Dictionary(grouping: outcomes.compactMap(\.failure)) { $0 }
            .map { (reason: $0.key, count: $0.value.count) }
            .sorted { ($1.count, $0.reason) < ($0.count, $1.reason) }
    }
    /// Tokens of answered prompts.
    public var promptTokens: Int { answered.reduce(0) { $0 + $1.promptTokens } }
    /// Tokens of complete answers.
    public var answerTokens: Int { answered.reduce(0) { $0 + $1.answerTokens } }
    /// Answered requests per second.
    public var requestRate: Double { rate(answered.count) }
    /// Generated tokens per second.
    public var answerRate: Double { rate(answerTokens) }
    /// Tokens of prompts and answers per second.
    public var totalRate: Double { rate(promptTokens + answerTokens) }

    /// Seconds until the first token.
    public var firstToken: Spread { Spread(answered.compactMap(\.firstToken)) }
    /// Seconds between two pieces of an answer.
    public var gaps: Spread { Spread(answered.flatMap(\.gaps)) }
    /// Seconds per token after the first, one value per request.
    public var perToken: Spread { Spread(answered.compactMap(\.perToken)) }
    /// Seconds until a request was answered.
    public var durations: Spread { Spread(answered.map(\.duration)) }

    private func rate(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

    /// The four distributions with their names for people and programs.
    public var spreads: [(title: String, name: String, spread: Spread)] {
        [
            ("time to first token", "first_token", firstToken), ("between tokens", "inter_token", gaps),
            ("per token after the first", "per_token", perToken), ("whole request", "request", durations),
        ]
    }

    /// Everything but the single requests, times in seconds.
    public func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("requests", outcomes.count)
            json.member("answered", answeredCount)
            json.member("seconds", seconds)
            json.member("prompt_tokens", promptTokens)
            json.member("completion_tokens", answerTokens)
            json.member("requests_per_second", requestRate)
            json.member("completion_tokens_per_second", answerRate)
            json.member("tokens_per_second", totalRate)
            for (_, name, spread) in spreads {
                json.key(name)
                json.object { json in
                    json.member("mean", spread.mean)
                    for percent in Self.percentiles {
                        json.member("p\(Int(percent))", spread.percentile(percent))
                    }
                    json.member("max", spread.largest)
                }
            }
            json.key("failures")
            json.array { json in
                for (reason, count) in failures {
                    json.object { json in
                        json.member("reason", reason)
                        json.member("count", count)
                    }
                }
            }
        }
    }

    /// Those that are shown.
    public static let percentiles: [Double] = [50, 90, 95, 99]
}
