import SwiftletCache
import SwiftletEngine
import SwiftletFormats

extension CacheReport {
    /// One line for a person; `nil` for the full cache before anything was fed to it, or without a policy.
    var summary: String? {
        guard policy != KVPolicy.full.specification, let afterPrompt else { return nil }
        var parts: [String] = []
        if let budget, let budgetKept {
            parts.append("budget \(budget), \(text(budgetKept)) after the prompt")
        }
        parts.append(
            "\(formatNumber(meanRows, 1)) rows per layer and head of \(tokenCount) tokens")
        parts.append(
            "holds \(formatBytes(use.bytes)), at most \(formatBytes(afterPrompt.peakBytes)) in the prompt")
        if let read {
            parts.append("reads \(formatBytes(read.all)) per token, \(formatBytes(read.cache)) of it cache")
        }
        return "[\(policy) · \(parts.joined(separator: " · "))]"
    }

    private func text(_ kept: KVBudget) -> String {
        switch kept {
        case .share(let share): "\(formatNumber(100 * share, 2))%"
        case .rows(let rows): "\(rows)"
        case .bytes(let bytes): formatBytes(bytes)
        }
    }

    /// The same for a program, with all parts in bytes.
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("policy", policy)
            writer.key("budget")
            if let budget { writer.value("\(budget)") } else { writer.null() }
            writer.member("tokens", tokenCount)
            writer.member("mean_rows", meanRows)
            writer.member("bytes", use.bytes)
            writer.key("bytes_by_part")
            use.write(to: &writer)
            writer.member("peak_bytes", peakBytes)
            writer.key("after_prompt")
            writeAfterPrompt(&writer)
            writer.key("bytes_read_per_token")
            guard let read else { return writer.null() }
            writer.object { writer in
                writer.member("weights", read.weights)
                writer.member("cache", read.cache)
            }
        }
    }

    private func writeAfterPrompt(_ writer: inout JSONWriter) {
        guard let afterPrompt else { return writer.null() }
        writer.object { writer in
            writer.member("tokens", afterPrompt.tokenCount)
            writer.member("mean_rows", afterPrompt.meanRows)
            writer.member("share", afterPrompt.share)
            writer.member("bytes", afterPrompt.bytes)
            writer.member("peak_bytes", afterPrompt.peakBytes)
            writer.member("activation_bytes", afterPrompt.activationBytes)
        }
    }
}

extension KVUse {
    /// An object with a member per part.
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("pages", pages)
            writer.member("positions", positions)
            writer.member("evidence", evidence)
            writer.member("index", index)
        }
    }
}
