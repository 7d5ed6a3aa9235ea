import SwiftletFormats
import SwiftletTensor

/// A line of the log of a comparison.
enum CompareRecord: Hashable, Sendable {
    case score(Score)
    case cost(CompareCost)
    case refusal(Refusal)

    /// The scores of the cases of one document.
    struct Score: Hashable, Sendable {
        let candidate: CompareCandidate
        let mode: QuestionMode
        let document: String
        let scores: [Double]
    }

    /// A policy that does not work with a budget, or with a prompt as short as a document.
    struct Refusal: Hashable, Sendable {
        let candidate: CompareCandidate
        let mode: QuestionMode?  // nil, as is the document: when its cost was to be measured
        let document: String?
        let reason: String
    }

    /// The line, without its end.
    var line: String {
        var writer = JSONWriter()
        writer.object { writer in
            switch self {
            case .score(let score):
                writer.member("kind", "score")
                score.candidate.write(to: &writer)
                writer.member("mode", score.mode.rawValue)
                writer.member("document", score.document)
                writer.key("scores")
                writer.array { writer in for score in score.scores { writer.value(score) } }
            case .cost(let cost):
                writer.member("kind", "cost")
                cost.candidate.write(to: &writer)
                cost.write(to: &writer)
            case .refusal(let refusal):
                writer.member("kind", "refusal")
                refusal.candidate.write(to: &writer)
                if let mode = refusal.mode { writer.member("mode", mode.rawValue) }
                if let document = refusal.document { writer.member("document", document) }
                writer.member("reason", refusal.reason)
            }
        }
        return writer.text
    }

    /// Reads a line; `nil` if it is none.
    init?(_ json: JSON) {
        guard let candidate = CompareCandidate(json) else { return nil }
        switch json["kind"]?.string {
        case "score":
            guard let mode = json["mode"]?.string.flatMap(QuestionMode.init),
                let document = json["document"]?.string,
                let list = json["scores"], list.kind == .array
            else { return nil }
            let scores = list.elements.compactMap(\.double)
            guard scores.count == list.count, scores.allSatisfy({ (0...1).contains($0) }) else { return nil }
            self = .score(Score(candidate: candidate, mode: mode, document: document, scores: scores))
        case "cost":
            guard let cost = CompareCost(candidate, json) else { return nil }
            self = .cost(cost)
        case "refusal":
            guard let reason = json["reason"]?.string else { return nil }
            self = .refusal(
                Refusal(
                    candidate: candidate, mode: json["mode"]?.string.flatMap(QuestionMode.init),
                    document: json["document"]?.string, reason: reason))
        default: return nil
        }
    }
}

extension CompareCandidate {
    init?(_ json: JSON) {
        guard let policy = json["policy"]?.string else { return nil }
        self.init(policy: policy, budget: json["budget"]?.string)
    }

    /// Members `policy` and `budget`.
    func write(to writer: inout JSONWriter) {
        writer.member("policy", policy)
        writer.key("budget")
        if let budget { writer.value(budget) } else { writer.null() }
    }
}
