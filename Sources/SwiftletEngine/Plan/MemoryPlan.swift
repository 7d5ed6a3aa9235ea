public import SwiftletCache
import SwiftletModels
public import SwiftletTensor

/// What a model needs for a context under every cache policy, before anything is loaded.
///
/// The cache is priced by ``SwiftletCache/KVForecast``, from what takes the memory when a prompt is read; activations
/// by the workspace's own arithmetic. Several users have a cache each; one reads a prompt while the others hold theirs.
public struct MemoryPlan: Sendable {
    /// What is planned for.
    public struct Request: Sendable {
        /// Tokens of a prompt; `nil` is what the model was made for.
        public var contextLength: Int?
        /// Bytes that may be used.
        public var memoryBytes: Int
        /// Sequences at the same time.
        public var users = 1
        /// Tokens of a prompt that are processed at a time.
        public var batchSize = 512
        /// Policies as `--kv-policy` takes them; `nil` is ``MemoryPlan/defaultPolicies``.
        public var policies: [String]?
        /// Bounds of policies that drop rows.
        public var budgets = [KVPolicy.defaultBudget]

        /// Plans for one user.
        public init(contextLength: Int? = nil, memoryBytes: Int) {
            self.contextLength = contextLength
            self.memoryBytes = memoryBytes
        }
    }

    /// Bytes that a policy needs.
    public struct Cost: Hashable, Sendable {
        /// The cache of one user.
        public let cache: KVForecast
        /// Activations of the prompt that is read.
        public let activationBytes: Int
        /// Weights, activations, the caches of all users and what reading adds to one of them.
        public let totalBytes: Int
    }

    /// A policy under a bound.
    public struct Entry: Sendable {
        /// As `--kv-policy` takes it.
        public let policy: String
        /// The bound; `nil` for policies that drop nothing or have a plan of their own.
        public let budget: KVBudget?
        /// What it needs, or why it cannot be used.
        public let cost: Result<Cost, SwiftletError>
        /// Whether that fits.
        public let fits: Bool
        /// Tokens of the longest context that fits, up to what the model was made for; 0 if none does.
        public let longestContext: Int

        /// The policy with its bound, for people.
        public var name: String { budget.map { "\(policy) \($0)" } ?? policy }

        /// All bytes; `nil` if the policy cannot be used.
        public var totalBytes: Int? { try? cost.get().totalBytes }
    }

    /// The model.
    public let header: ModelHeader
    /// What is planned for.
    public let request: Request
    /// Tokens of the context.
    public let contextLength: Int
    /// All policies, the full cache first.
    public let entries: [Entry]
    /// What was measured of them, if there is a report.
    public let report: PlanReport?

    /// The full cache, all number formats and all methods that need no file, alone and joined with a number format.
    public static var defaultPolicies: [String] {
        let usable = KVComponent.all.filter { component in
            !component.options.contains { $0.name == "file" }
                && !["full", "f16", "cache"].contains(component.name)
        }
        let formats = usable.filter { $0.parts == [.format] }.map(\.name)
        let methods = usable.filter { $0.parts.contains(.selector) || $0.parts == [.retrieval] }.map(\.name)
        return ["full"] + formats + methods + ["adakv+snapkv", "snapkv+q8_0", "snapkv+q4_0"]
    }

    /// Prices all policies.
    ///
    /// - Parameter report: what `eval compare` measured of this model; its policies and bounds are priced, too.
    /// - Throws: `.limit` if the context is larger than the model's, or the memory is too small for the weights;
    ///   `.invalidArgument` for policies that cannot be read.
    /// - Complexity: about twenty forecasts per policy.
    public init(
        _ header: ModelHeader, _ request: Request, report: PlanReport? = nil
    ) throws(SwiftletError) {
        self.header = header
        self.request = request
        self.report = report
        let limit = header.configuration.contextLength
        contextLength = request.contextLength ?? limit
        try Self.check(request, limit: limit, name: header.name)
        try Self.check(header.configuration, users: request.users, source: header.path)
        var entries: [Entry] = []
        for policy in request.policies ?? Self.defaultPolicies {
            for budget in try Self.budgets(of: policy, request, header) {
                entries.append(
                    try Self.entry(
                        policy, budget, header, request, contextLength, refuses: request.policies == nil))
            }
        }
        for measured in report?.entries ?? []
        where !entries.contains(where: { measured.measures($0.policy, $0.budget) }) {
            let budget = try measured.budget.map { text throws(SwiftletError) in try KVBudget(parsing: text) }
            entries.append(
                try Self.entry(measured.policy, budget, header, request, contextLength, refuses: true))
        }
        self.entries = entries
        guard request.memoryBytes > header.weightBytes else { throw tooSmall }
    }

    private static func check(_ request: Request, limit: Int, name: String) throws(SwiftletError) {
        let context = request.contextLength ?? limit
        guard context > 0, request.users > 0, request.users <= 1 << 20, request.memoryBytes > 0,
            (1...1 << 20).contains(request.batchSize)
        else {
            throw SwiftletError(
                .invalidArgument,
                "a plan for \(context) tokens (-c), \(request.users) users (--users), batches of \(request.batchSize) "
                    + "(-b) and \(request.memoryBytes) bytes (--memory); expected numbers above 0, at most 1048576 "
                    + "users and tokens per batch")
        }
        guard context <= limit else {
            throw SwiftletError(
                .limit,
                "the context of \(context) tokens is larger than the \(limit) that \(name) was made for; give -c "
                    + "\(limit) or less")
        }
    }

    /// Refuses sizes whose products could not be counted, as a damaged header may have them.
    private static func check(
        _ c: DecoderConfiguration, users: Int, source: String
    ) throws(SwiftletError) {
        let head = Double(c.headSize)
        let bytes =
            Double(users) * Double(c.layerCount) * Double(c.headCount)
            * Double(max(c.contextLength, c.headSize))
            * head * 32
        guard c.layerCount * c.headCount <= 1 << 20, bytes < 0x1p60 else {
            throw SwiftletError(
                .limit,
                "\(source): \(c.layerCount) layers of \(c.headCount) heads of \(c.headSize), \(c.contextLength) tokens "
                    + "and \(users) users are more than can be planned for; the file may be damaged")
        }
    }

    /// Why nothing can be run, with the least that is needed.
    private var tooSmall: SwiftletError {
        let least = entries.compactMap { entry in entry.totalBytes.map { (entry.name, $0) } }
            .min { $0.1 < $1.1 }
        let advice =
            least.map {
                "; give at least \(Self.mebibytes($0.1)) MiB, which \($0.0) needs for \(contextLength) tokens"
            } ?? ""
        return SwiftletError(
            .limit,
            "the weights of \(header.name) alone need \(Self.mebibytes(header.weightBytes)) MiB, the memory is "
                + "\(request.memoryBytes >> 20) MiB\(advice)")
    }

    /// Rounded up.
    private static func mebibytes(_ bytes: Int) -> Int { (bytes + 1 << 20 - 1) >> 20 }

    /// The bounds under which a policy is priced.
    private static func budgets(
        of policy: String, _ request: Request, _ header: ModelHeader
    ) throws(SwiftletError) -> [KVBudget?] {
        do {
            let parsed = try header.policy(policy, budget: nil)
            guard parsed.evicts else { return [nil] }
            let own: [KVBudget?] = parsed.statedBudget == nil ? [nil] : []
            return own + request.budgets.map(Optional.some)
        } catch {
            guard request.policies == nil else { throw error }
            return [nil]
        }
    }

    /// - Parameter refuses: whether a policy that does not suit the model is listed with the reason.
    private static func entry(
        _ policy: String, _ budget: KVBudget?, _ header: ModelHeader, _ request: Request, _ context: Int,
        refuses: Bool
    ) throws(SwiftletError) -> Entry {
        do {
            let sequence = try PlannedSequence(header, policy, budget, request)
            let cost = sequence.cost(context)
            let total = try? cost.get().totalBytes
            return Entry(
                policy: policy, budget: budget, cost: cost,
                fits: total.map { $0 <= request.memoryBytes } ?? false,
                longestContext: sequence.longestContext)
        } catch {
            guard refuses else { throw error }
            return Entry(
                policy: policy, budget: budget, cost: .failure(error), fits: false, longestContext: 0)
        }
    }
}

/// An empty sequence that is asked what it would hold.
private struct PlannedSequence {
    private let sequence: KVSequence
    private let header: ModelHeader
    private let request: MemoryPlan.Request

    init(
        _ header: ModelHeader, _ specification: String, _ budget: KVBudget?, _ request: MemoryPlan.Request
    ) throws(SwiftletError) {
        let policy = try header.policy(specification, budget: budget)
        let c = header.configuration
        self.header = header
        self.request = request
        sequence = try KVSequence(
            layout: try KVLayout(layers: c.cacheLayers, sharedBy: policy), format: policy.format ?? .f16,
            rope: c.rope, scale: c.attentionScale, policy: policy, pool: KVPagePool(),
            kernels: try Kernels.selected())
    }

    func cost(_ tokens: Int) -> Result<MemoryPlan.Cost, SwiftletError> {
        do {
            let cache = try sequence.forecast(reading: tokens, chunk: request.batchSize)
            let activations = header.configuration.activationBytes(
                reading: tokens, chunk: request.batchSize, sequence)
            return .success(
                MemoryPlan.Cost(
                    cache: cache, activationBytes: activations,
                    totalBytes: header.weightBytes + activations + cache.heldBytes * (request.users - 1)
                        + cache.peakBytes))
        } catch {
            return .failure(error)
        }
    }

    /// By bisection: more tokens need more memory. A share of a short prompt may be refused.
    var longestContext: Int {
        func exceeds(_ tokens: Int) -> Bool {
            switch cost(tokens) {
            case .success(let cost): cost.totalBytes > request.memoryBytes
            case .failure: false
            }
        }
        var (low, high) = (0, header.configuration.contextLength)
        while low < high {
            let middle = (low + high + 1) / 2
            if exceeds(middle) { high = middle - 1 } else { low = middle }
        }
        guard low > 0, case .success = cost(low) else { return 0 }
        return low
    }
}
