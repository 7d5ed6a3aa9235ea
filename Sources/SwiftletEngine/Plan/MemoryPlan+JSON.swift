import SwiftletCache
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

extension MemoryPlan {
    /// Everything, as one JSON object and a line end.
    public var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("model", header.name)
            writer.member("architecture", header.configuration.architecture)
            writer.member("weights", header.weights.rawValue)
            writer.member("weight_bytes", header.weightBytes)
            writer.member("context", contextLength)
            writer.member("model_context", header.configuration.contextLength)
            writer.member("memory_bytes", request.memoryBytes)
            writer.member("users", request.users)
            writer.member("batch_size", request.batchSize)
            writer.key("entries")
            writer.array { writer in for entry in entries { write(entry, to: &writer) } }
            let recommendation = recommendation
            writer.key("recommendation")
            writer.object { writer in
                Self.write(name: recommendation.entry, to: &writer)
                writer.member("reason", recommendation.reason)
            }
            writer.key("report")
            guard let report else { return writer.null() }
            writer.object { writer in
                writer.member("path", report.path)
                writer.member("date", report.date)
                writer.member("verified", report.isVerified)
            }
        }
        return writer.text + "\n"
    }

    private static func write(name entry: Entry?, to writer: inout JSONWriter) {
        writer.key("policy")
        if let entry { writer.value(entry.policy) } else { writer.null() }
        writer.key("budget")
        if let budget = entry?.budget { writer.value(budget.description) } else { writer.null() }
    }

    private func write(_ entry: Entry, to writer: inout JSONWriter) {
        writer.object { writer in
            Self.write(name: entry, to: &writer)
            switch entry.cost {
            case .failure(let error): writer.member("refusal", error.message)
            case .success(let cost):
                writer.member("cache_bytes", cost.cache.heldBytes)
                writer.member("peak_cache_bytes", cost.cache.peakBytes)
                writer.member("mean_rows", cost.cache.meanRows)
                writer.member("depends_on_text", cost.cache.dependsOnText)
                writer.member("activation_bytes", cost.activationBytes)
                writer.member("total_bytes", cost.totalBytes)
                writer.member("fits", entry.fits)
                writer.member("longest_context", entry.longestContext)
                if let score = report?.score(entry.policy, entry.budget) { writer.member("score", score) }
            }
        }
    }
}
