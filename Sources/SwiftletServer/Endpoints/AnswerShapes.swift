import SwiftletCache
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor

/// Parts of answers that several endpoints share.
extension JSONWriter {
    /// Writes the tokens that a request cost, in OpenAI's shape.
    mutating func usage(_ usage: TokenUsage) {
        key("usage")
        object { json in
            json.member("prompt_tokens", usage.prompt)
            json.member("completion_tokens", usage.completion)
            json.member("total_tokens", usage.prompt + usage.completion)
            json.key("prompt_tokens_details")
            json.object { $0.member("cached_tokens", usage.cached) }
        }
    }

    /// Writes times and rates in llama-server's shape; none of them is ever `null`.
    mutating func timings(_ timings: Timings) {
        key("timings")
        object { json in
            let (prompt, predicted) = (timings.promptTokens, timings.generatedTokens)
            let (read, wrote) = (timings.promptSeconds * 1e3, timings.generationSeconds * 1e3)
            let steps = max(predicted - 1, 0)  // the first token comes from the prompt
            json.member("cache_n", timings.cachedTokens)
            json.member("prompt_n", prompt)
            json.member("prompt_ms", read)
            json.member("prompt_per_token_ms", prompt > 0 ? read / Double(prompt) : 0)
            json.member("prompt_per_second", read > 0 ? Double(prompt) / read * 1e3 : 0)
            json.member("predicted_n", predicted)
            json.member("predicted_ms", wrote)
            json.member("predicted_per_token_ms", steps > 0 ? wrote / Double(steps) : 0)
            json.member("predicted_per_second", wrote > 0 ? Double(steps) / wrote * 1e3 : 0)
        }
    }

    /// Writes how much of a prompt is done, in llama-server's shape.
    mutating func progress(_ progress: PromptProgress, since start: ContinuousClock.Instant) {
        key("prompt_progress")
        object { json in
            json.member("total", progress.total)
            json.member("cache", progress.reused)
            json.member("processed", progress.done)
            json.member("time_ms", Int((ContinuousClock.now - start).seconds * 1e3))
        }
    }

    /// Writes what the cache of an answer held.
    mutating func cacheStatistics(_ end: FinishedChoice) {
        key("kv_stats")
        object { json in
            let report = end.cache
            json.member("policy", report.policy)
            json.member("budget", optional: report.budget.map(\.description))
            json.member("tokens", report.tokenCount)
            json.member("mean_rows", report.meanRows)
            json.member("bytes", report.use.bytes)
            json.member("peak_bytes", report.peakBytes)
            json.member("full_bytes", end.fullCacheBytes)
            json.member("saved_bytes", max(end.fullCacheBytes - report.use.bytes, 0))
            if let prompt = report.afterPrompt {
                json.key("after_prompt")
                json.object { json in
                    json.member("tokens", prompt.tokenCount)
                    json.member("mean_rows", prompt.meanRows)
                    json.member("bytes", prompt.bytes)
                }
            }
        }
    }

    /// Writes which positions a cache holds, layer by layer and head by head.
    mutating func cacheView(_ view: CacheTrace.Moment, fullBytes: Int? = nil) {
        object { json in
            json.member("policy", view.report.policy)
            json.member("budget", optional: view.report.budget.map(\.description))
            json.member("generated_tokens", view.generatedTokens)
            json.member("tokens", view.report.tokenCount)
            json.member("bytes", view.report.use.bytes)
            if let fullBytes { json.member("full_bytes", fullBytes) }
            json.key("layers")
            json.array { json in for layer in view.layers { json.layer(layer) } }
        }
    }

    private mutating func layer(_ layer: CacheTrace.Layer) {
        object { json in
            json.member("owner", layer.owner)
            json.key("budget")
            if let budget = layer.budget { json.value(budget) } else { json.null() }
            json.member("bytes", layer.bytes)
            json.key("heads")
            json.array { json in
                for head in layer.heads {
                    json.object { json in
                        json.member("positions", head.positions)
                        json.member("merged", head.merged)
                    }
                }
            }
        }
    }
}

/// Tokens that a request cost.
struct TokenUsage: Sendable {
    var prompt = 0
    var completion = 0
    var cached = 0

    /// Nothing yet.
    init() {}

    /// The sum over generations.
    init(_ results: [GenerationResult], prompts: [Prompt]) {
        prompt = prompts.reduce(0) { $0 + $1.tokens.count }
        for result in results {
            cached += result.progress?.reused ?? 0
            completion += result.choices.reduce(0) { $0 + ($1.end?.statistics.generatedTokens ?? 0) }
        }
    }
}

/// Tokens and times of one answer, whole or so far.
struct Timings: Sendable {
    var promptTokens = 0
    var cachedTokens = 0
    var promptSeconds = 0.0
    var generatedTokens = 0
    var generationSeconds = 0.0

    /// Those of an answer that has ended.
    init(_ statistics: GenerationStatistics) {
        promptTokens = statistics.promptTokens
        cachedTokens = statistics.reusedTokens + statistics.restoredTokens
        promptSeconds = statistics.promptSeconds
        generatedTokens = statistics.generatedTokens
        generationSeconds = statistics.generationSeconds
    }

    /// Those of an answer that goes on.
    ///
    /// - Parameters:
    ///   - start: when the request came.
    ///   - firstToken: when its first token came.
    init(
        _ progress: PromptProgress?, since start: ContinuousClock.Instant, tokenCount: Int = 0,
        firstToken: ContinuousClock.Instant? = nil
    ) {
        cachedTokens = progress?.reused ?? 0
        promptTokens = (progress?.done ?? 0) - cachedTokens
        if promptTokens > 0 { promptSeconds = ((firstToken ?? .now) - start).seconds }
        generatedTokens = tokenCount
        if let firstToken { generationSeconds = (.now - firstToken).seconds }
    }
}

extension FinishReason {
    /// OpenAI's word.
    var openAIName: String {
        switch self {
        case .length, .context, .cancelled: "length"
        default: "stop"
        }
    }
}

/// The version of this program as clients compare it; llama-server's begin with `b`, too.
enum Fingerprint {
    static let name = "build-swiftlet-\(Release.version)"
}
