public import SwiftletCache
import SwiftletEngine
import SwiftletTensor

/// What a comparison of cache policies measures.
public struct ComparePlan: Sendable {
    /// Policies as `--kv-policy` takes them, without those of ``baselines``.
    public var policies = ComparePlan.defaultPolicies
    /// Bounds of those policies that have one.
    public var budgets: [KVBudget] = [.share(0.1), .share(0.2), .share(0.3), .share(0.5)]
    /// Tasks that are made up.
    public var tasks: [GeneratedTask] = [.single, .multiquery]
    /// Lengths of their documents in tokens, prompt and answer together.
    public var lengths: [Int]
    /// Depths for tasks that have one.
    public var depths: [Double] = [0, 0.25, 0.5, 0.75, 1]
    /// Documents per task, length and depth; tasks without depth have as many as those with.
    public var samples = 3
    /// Seed of documents and intervals.
    public var seed: UInt64 = 1
    /// When the cache is compressed.
    public var modes = QuestionMode.allCases
    /// A user's own cases, each list about one context.
    public var ownCases: [[TaskCase]] = []
    /// What facts are hidden in.
    public var haystack = Haystack.tale

    /// What every policy is compared with: the full cache and the two that look at nothing.
    public static let baselines = ["full", "streaming", "random"]

    /// Every method that needs no file, alone or as it was published, and number formats.
    public static let defaultPolicies = [
        "knorm", "tova", "observed", "h2o", "snapkv", "expected", "pyramidkv", "zigzagkv", "adakv+snapkv",
        "adakv+expected", "d2o", "pyramidinfer", "pqcache", "q8_0", "q4_0", "kivi", "snapkv+q8_0",
    ]

    /// Everything at its default but the lengths.
    public init(lengths: [Int]) { self.lengths = lengths }

    /// Lengths for a context: 256, 512 and 1024 tokens in the built-in model's style, or else the two largest powers
    /// of two that fit, at most 4096.
    public static func lengths(forContext context: Int, style: PromptStyle) -> [Int] {
        Array(NeedleGrid.Plan.lengths(forContext: context, style: style).suffix(style == .facts ? 3 : 2))
    }

    /// Adds a user's own cases; those that follow each other with the same context share it.
    public mutating func add(_ cases: [TaskCase]) {
        for found in cases {
            if let last = ownCases.indices.last, ownCases[last].last?.context == found.context,
                ownCases[last].last?.task == found.task
            {
                ownCases[last].append(found)
            } else {
                ownCases.append([found])
            }
        }
    }

    /// Names of the sets that a user's own cases belong to.
    var ownTasks: [String] {
        ownCases.compactMap { $0.first?.task }.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Everything that is compared, baselines first, each once.
    var allPolicies: [String] {
        (Self.baselines + policies).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// The documents, those of the first sample before those of the second, so that what is done is balanced if it is
    /// stopped.
    ///
    /// - Throws: `.limit` for a length that is too short for a task.
    func documents(_ generator: TaskGenerator) throws(SwiftletError) -> [CompareDocument] {
        var documents: [CompareDocument] = []
        for sample in 0..<samples {
            for task in tasks {
                for length in lengths {
                    for (index, depth) in depths.enumerated() {
                        let place =
                            task.isPlaced
                            ? TaskGenerator.Place(length: length, depth: depth, sample: sample)
                            : TaskGenerator.Place(length: length, sample: sample * depths.count + index)
                        documents.append(CompareDocument(try generator.cases(task, place)))
                    }
                }
            }
        }
        return ownCases.filter { !$0.isEmpty }.map(CompareDocument.init(own:)) + documents
    }
}

/// A context with one or several questions about it.
struct CompareDocument: Sendable {
    /// Tells it from all others: the same name stands for the same questions.
    let id: String
    let cases: [TaskCase]

    /// Cases that follow from their id, a seed and a haystack.
    init(_ cases: [TaskCase]) {
        id = cases.first?.id ?? ""
        self.cases = cases
    }

    /// A user's cases, which may change under the same id.
    init(own cases: [TaskCase]) {
        var hash = Fingerprint()
        hash.combine(TaskFile.lines(cases))
        id = "\(cases.first?.id ?? "")#\(hash.hexadecimal)"
        self.cases = cases
    }

    /// The set that it belongs to.
    var task: String { cases.first?.task ?? "" }
}

/// A policy with its bound.
public struct CompareCandidate: Hashable, Sendable {
    /// As `--kv-policy` takes it.
    public let policy: String
    /// As `--kv-budget` takes it; `nil` for policies that drop nothing.
    public let budget: String?

    /// A name for people.
    public var name: String { budget.map { "\(policy) \($0)" } ?? policy }
}
