import SwiftletEngine
import SwiftletFormats
import SwiftletText

/// What a run did and cost, as a line or as JSON.
struct RunReport {
    let model: Model
    let session: Session
    let prompt: [TokenID]
    let generation: Generation
    let text: String
    let loadSeconds: Double

    private var statistics: GenerationStatistics { generation.statistics }

    var summary: String {
        let s = statistics
        let restored = s.restoredTokens > 0 ? "\(s.restoredTokens) tokens from the prompt cache · " : ""
        return """
            [\(restored)\(s.promptTokens) prompt tokens, \(formatNumber(s.promptRate, 1)) per second · \
            \(s.generatedTokens) tokens, \(formatNumber(s.generationRate, 1)) per second · \
            cache \(formatBytes(s.cacheBytes)) · peak memory \(formatBytes(MemoryProbe.peakResidentBytes)) · \
            ended by \(reason)]
            """ + (session.cacheReport.summary.map { "\n\($0)" } ?? "")
    }

    private var reason: String {
        switch generation.finishReason {
        case .stopToken(let id): "stop token \(model.tokenizer?.piece(id) ?? String(id))"
        case .stopString(let text): "stop text \"\(text)\""
        case .length: "-n"
        case .context: "the context's end (\(session.contextLength) tokens, -c)"
        case .constraint: "the end of the grammar"
        case .cancelled: "Ctrl-C"
        case nil: "nothing"
        }
    }

    var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("text", text)
            writer.key("prompt_ids")
            writer.array { writer in for id in prompt { writer.value(id) } }
            writer.key("ids")
            writer.array { writer in for id in generation.tokens { writer.value(id) } }
            writer.member("finish_reason", generation.finishReason?.name ?? "")
            if case .stopString(let text) = generation.finishReason { writer.member("stop", text) }
            if case .stopToken(let id) = generation.finishReason { writer.member("stop_token", id) }
            writer.member("seed", generation.seed)
            writer.member("model", model.name)
            writeTimings(&writer)
            writeMemory(&writer)
            writer.key("cache")
            session.cacheReport.write(to: &writer)
        }
        return writer.text
    }

    private func writeTimings(_ writer: inout JSONWriter) {
        writer.key("timings")
        writer.object { writer in
            writer.member("load_seconds", loadSeconds)
            writer.member("prompt_tokens", statistics.promptTokens)
            writer.member("restored_tokens", statistics.restoredTokens)
            writer.member("prompt_seconds", statistics.promptSeconds)
            writer.member("prompt_tokens_per_second", statistics.promptRate)
            writer.member("generated_tokens", statistics.generatedTokens)
            writer.member("generation_seconds", statistics.generationSeconds)
            writer.member("generated_tokens_per_second", statistics.generationRate)
        }
    }

    private func writeMemory(_ writer: inout JSONWriter) {
        writer.key("memory")
        writer.object { writer in
            writer.member("weight_bytes", model.weightBytes)
            writer.member("cache_bytes", statistics.cacheBytes)
            writer.member("peak_cache_bytes", session.peakCacheBytes)
            writer.member("peak_resident_bytes", MemoryProbe.peakResidentBytes)
        }
    }
}
