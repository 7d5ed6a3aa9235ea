/// Which of the policies that fit a plan recommends.
extension MemoryPlan {
    /// A choice with its reason.
    public struct Recommendation: Sendable {
        /// What to use; `nil` if nothing fits.
        public let entry: Entry?
        /// A sentence.
        public let reason: String
    }

    /// The full cache if it fits; else what scored best in the report; else the widest number format, which keeps every
    /// row; else a method that drops rows.
    public var recommendation: Recommendation {
        let fitting = entries.filter(\.fits)
        guard !fitting.isEmpty else { return Recommendation(entry: nil, reason: nothingFits) }
        if let full = fitting.first(where: { $0.policy == "full" }) {
            return Recommendation(
                entry: full, reason: "every row fits as it is, so nothing has to be given up")
        }
        if let report, let best = best(of: fitting, report) { return best }
        let missing =
            report == nil
            ? "; nothing was measured: 'swiftlet eval compare' and --report say what it costs on your text"
            : "; the report has no score of what fits"
        for policy in Self.preference {
            if let entry = fitting.first(where: { $0.policy == policy }) {
                let reason =
                    entry.budget == nil
                    ? "the widest number format that fits, and it keeps every row"
                    : "no number format alone fits, and this keeps the rows that the end of the prompt attends to"
                return Recommendation(entry: entry, reason: reason + missing)
            }
        }
        let entry = fitting.max { ($0.totalBytes ?? 0) < ($1.totalBytes ?? 0) }
        return Recommendation(entry: entry, reason: "it keeps the most of what fits" + missing)
    }

    /// Number formats from the widest to the narrowest, then methods that drop rows.
    private static let preference = [
        "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "kivi:bits=4", "kivi", "snapkv+q8_0", "snapkv",
        "snapkv+q4_0",
        "pyramidkv", "streaming",
    ]

    private func best(of fitting: [Entry], _ report: PlanReport) -> Recommendation? {
        let scored = fitting.compactMap { entry in
            report.score(entry.policy, entry.budget).map { (entry: entry, score: $0) }
        }
        let best = scored.max {
            $0.score != $1.score
                ? $0.score < $1.score : ($0.entry.totalBytes ?? 0) > ($1.entry.totalBytes ?? 0)
        }
        guard let best else { return nil }
        let full = report.score("full", nil).map { ", the full cache \(Self.percent($0))" } ?? ""
        let caution =
            report.isVerified ? "" : " (of a model of this size; without weights its hash is unknown)"
        return Recommendation(
            entry: best.entry,
            reason:
                "it scored best of what fits, \(Self.percent(best.score))\(full), in \(report.path)\(caution)"
        )
    }

    private static func percent(_ share: Double) -> String {
        let tenths = Int((1_000 * share).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }

    private var nothingFits: String {
        let usable = entries.filter { $0.totalBytes != nil }
        guard let least = usable.min(by: { ($0.totalBytes ?? 0) < ($1.totalBytes ?? 0) }) else {
            return "no policy can be used with this model and context"
        }
        var text =
            "nothing fits: \(least.name) needs the least, \(((least.totalBytes ?? 0) + 1 << 20 - 1) >> 20) MiB"
        if let longest = usable.max(by: { $0.longestContext < $1.longestContext }), longest.longestContext > 0
        {
            text +=
                "; the longest context that fits has \(longest.longestContext) tokens, with \(longest.name)"
        }
        return text
    }
}
