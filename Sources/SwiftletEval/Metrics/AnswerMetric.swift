import SwiftletTensor

/// How an answer is compared with the answers that are right: 0 is wrong, 1 is right.
public enum AnswerMetric: String, CaseIterable, Hashable, Sendable {
    /// The same words after ``AnswerText/words(of:)``; what SQuAD calls exact match.
    case exact
    /// The right answer occurs in the answer, whatever the case of letters; RULER's string match.
    case contains
    /// Harmonic mean of precision and recall over words, repeated words counted; SQuAD's F1.
    case f1
    /// The same over the longest common subsequence of words; ROUGE-L.
    case rougeL
    /// One minus the Levenshtein distance as a share of the longer text.
    case edit

    /// The names, for messages and help.
    public static let names = allCases.map(\.rawValue).joined(separator: ", ")

    /// Finds a metric by its name in flags and files; case, `-` and `_` do not matter.
    public init?(named name: String) {
        let plain = name.lowercased().filter { $0 != "-" && $0 != "_" }
        let found = Self.allCases.first { $0.rawValue.lowercased() == plain }
        guard let metric = found ?? (plain == "editsimilarity" ? .edit : nil) else { return nil }
        self = metric
    }

    /// Compares an answer with one that is right.
    ///
    /// - Returns: 0 to 1.
    /// - Complexity: product of the two lengths for ``rougeL`` and ``edit``, else linear.
    public func score(_ answer: String, against reference: String) -> Double {
        switch self {
        case .exact: AnswerText.words(of: answer) == AnswerText.words(of: reference) ? 1 : 0
        case .contains: AnswerText.contains(answer, reference) ? 1 : 0
        case .f1: WordOverlap.f1(AnswerText.words(of: answer), AnswerText.words(of: reference))
        case .rougeL: Rouge.longest(AnswerText.terms(of: answer), AnswerText.terms(of: reference))
        case .edit: Self.editSimilarity(AnswerText.trimmed(answer), AnswerText.trimmed(reference))
        }
    }

    /// Compares an answer with several that are right.
    ///
    /// - Parameter needsAll: whether every one of them is wanted: then it is their mean, else the best.
    /// - Returns: 0 to 1; 0 without references.
    public func score(_ answer: String, against references: [String], needsAll: Bool) -> Double {
        let scores = references.map { score(answer, against: $0) }
        return needsAll ? scores.reduce(0, +) / Double(max(scores.count, 1)) : scores.max() ?? 0
    }

    /// 1 for two empty texts.
    private static func editSimilarity(_ a: [Character], _ b: [Character]) -> Double {
        let longer = max(a.count, b.count)
        return longer == 0 ? 1 : 1 - Double(Spelling.distance(a, b)) / Double(longer)
    }
}
