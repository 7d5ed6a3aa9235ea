import SwiftletEngine
import SwiftletFormats

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// One request of a run, decided before the run begins, so that two servers get the same ones.
struct LoadRequest: Hashable, Sendable {
    /// Token ids.
    let prompt: [Int]
    /// Tokens to generate.
    let answerLength: Int
    /// Seconds after the start of the run at which it is sent, if requests come at moments of their own.
    let arrival: Double

    /// All requests of a run.
    static func all(_ options: LoadOptions, vocabularySize: Int) -> [LoadRequest] {
        var random = Xoshiro256(seed: options.seed)
        // Servers give the first ids to control tokens.
        let first = min(256, vocabularySize / 2)
        func token() -> Int { Int.random(in: first..<max(vocabularySize, first + 1), using: &random) }
        let shared = (0..<options.sharedPrefix).map { _ in token() }
        var moment = 0.0
        return (0..<options.requestCount).map { _ in
            let length = Int.random(in: options.promptLength.range, using: &random)
            let prompt = shared.prefix(length) + (0..<max(length - shared.count, 0)).map { _ in token() }
            if case .open(let rate) = options.arrival {
                moment += -log(1 - random.nextUnit()) / rate
            }
            return LoadRequest(
                prompt: Array(prompt),
                answerLength: Int.random(in: options.answerLength.range, using: &random), arrival: moment)
        }
    }

    /// The body for `/v1/completions`.
    func body(_ options: LoadOptions) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            if let model = options.model { json.member("model", model) }
            json.key("prompt")
            json.array { json in for id in prompt { json.value(id) } }
            json.member("max_tokens", answerLength)
            json.member("temperature", 0)
            json.member("ignore_eos", true)
            json.member("stream", true)
            json.key("stream_options")
            json.object { $0.member("include_usage", true) }
            if let policy = options.policy { json.member("kv_policy", policy) }
            if let budget = options.budget { json.member("kv_budget", budget) }
        }
        return json.bytes
    }
}
