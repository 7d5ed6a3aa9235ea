public import SwiftletCache
package import SwiftletModels
public import SwiftletTensor
public import SwiftletText

/// One growing text with its cache: feed it tokens, draw tokens from it.
///
/// Not safe for concurrent use; several sessions may share a model.
public final class Session {
    /// How a session computes.
    public struct Options: Sendable {
        /// Threads that share the work; `nil` is one per physical core.
        public var threadCount: Int?
        /// Most tokens in the context; `nil` is what the model was made for.
        public var contextLength: Int?
        /// Tokens of a prompt that are processed at a time.
        public var batchSize = 512
        /// Number formats of cached keys and values, unless the policy chooses them.
        public var cacheFormat = KVFormat.f16
        /// What the cache keeps, merges, shares and drops.
        public var policy = KVPolicy.full
        /// Where caches of prompts are kept on disk and found again; `nil` keeps none.
        public var promptCache: PromptCacheStore?
        /// How products with block formats treat their input.
        public var activations = ActivationPrecision.quantized
        /// What changes the weights of the model.
        public var adapters: [AdapterUse] = []

        /// Everything at its default.
        public init() {}

        /// Checks every range.
        ///
        /// - Throws: `.invalidArgument` naming the flag, the value and the range.
        public func validate() throws(SwiftletError) {
            try Self.check("the number of threads (-t)", threadCount, in: 1...1_024)
            try Self.check("the batch size (-b)", batchSize, in: 1...(1 << 20))
            try Self.check("the context length (-c)", contextLength, in: 1...(1 << 30))
        }

        private static func check(
            _ what: String, _ value: Int?, in range: ClosedRange<Int>
        ) throws(SwiftletError) {
            guard let value, !range.contains(value) else { return }
            throw SwiftletError(
                .invalidArgument,
                "\(what) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
        }
    }

    /// The model.
    public let model: Model
    /// Most tokens that the session may hold.
    public let contextLength: Int
    /// Tokens fed so far.
    public internal(set) var tokens: [TokenID] = []
    /// Tokens of the last ``feed(_:progress:)`` that came from the prompt cache on disk.
    public private(set) var restoredCount = 0
    /// The cache policy as it was written.
    let specification: String
    /// The cache when the last prompt was done.
    private(set) var afterPrompt: CacheReport.AfterPrompt?
    package let sequence: KVSequence
    package let runner: Runner
    /// Whether the pages of the sequence come from a pool of its own.
    private let ownsPool: Bool
    /// What the system says about free memory; tests say something else.
    var availableBytes: () -> Int? = { MemoryProbe.availableBytes }
    let promptCache: PromptCacheStore?
    /// What a file in the prompt cache has to be made with.
    lazy var promptCacheKey = PromptCacheKey(self).text
    private let batchSize: Int
    /// Generated tokens between two looks at the free memory.
    private static let growth = 256

    /// An empty session.
    ///
    /// - Throws: `.invalidArgument` for an option out of range, `.limit` if memory cannot hold a context.
    public convenience init(_ model: Model, _ options: Options = Options()) throws(SwiftletError) {
        try self.init(model, options, kernels: try Kernels.selected())
    }

    /// A session that computes with one instruction set.
    package convenience init(
        _ model: Model, _ options: Options, kernels: Kernels
    ) throws(SwiftletError) {
        try options.validate()
        let threads = options.threadCount ?? ThreadPool.defaultThreadCount
        let runner = Runner(
            model: model.network,
            compute: Compute(kernels: kernels, threadCount: threads, activations: options.activations))
        self.init(
            model, options, runner, try Self.sequence(model, options, kernels, Self.pool(for: options.policy))
        )
        if promptCache != nil { try sequence.checkSnapshot() }
    }

    /// A session that computes with what others use, too, but never at the same time.
    ///
    /// - Parameter sequence: empty, or what is to be gone on from; then ``tokens`` has to be set.
    init(
        _ model: Model, _ options: Options, _ runner: Runner, _ sequence: KVSequence, ownsPool: Bool = true
    ) {
        self.model = model
        self.runner = runner
        self.sequence = sequence
        self.ownsPool = ownsPool
        contextLength = options.contextLength ?? model.configuration.contextLength
        batchSize = options.batchSize
        promptCache = options.promptCache
        specification = options.policy.specification
    }

    /// Memory for the cache of one session: in large pages where rows are fetched singly, and none is dropped.
    private static func pool(for policy: KVPolicy) -> KVPagePool {
        KVPagePool(largePages: policy.retrieval != nil)
    }

    /// An empty cache as the options ask for it.
    static func sequence(
        _ model: Model, _ options: Options, _ kernels: Kernels, _ pool: KVPagePool
    ) throws(SwiftletError) -> KVSequence {
        guard !model.configuration.form.isBidirectional else {
            throw SwiftletError(
                .unsupported,
                "\(model.name) is an encoder: it turns texts into embeddings and writes none; choose another model"
            )
        }
        let sequence = try KVSequence(
            layout: try KVLayout(layers: model.network.cacheLayers, sharedBy: options.policy),
            format: options.policy.format ?? options.cacheFormat, rope: model.configuration.rope,
            scale: model.configuration.attentionScale, policy: options.policy, pool: pool, kernels: kernels)
        sequence.weightChanges = WeightChanges(options.adapters)
        return sequence
    }

    /// A session that goes on from where another one is, on its own.
    ///
    /// The two share memory and must not compute at the same time. The prompt cache on disk serves the other alone.
    ///
    /// - Parameter sequence: a fork of the other's.
    init(forking other: Session, sequence: KVSequence) {
        model = other.model
        contextLength = other.contextLength
        tokens = other.tokens
        specification = other.specification
        afterPrompt = other.afterPrompt
        self.sequence = sequence
        ownsPool = other.ownsPool
        runner = other.runner
        promptCache = nil
        batchSize = other.batchSize
    }

    /// Whether the prompt cache on disk can serve a prompt that only begins like a stored one.
    public var restoresPrefixes: Bool { sequence.prefixIsReusable }

    /// Bytes of cached rows.
    public var cacheBytes: Int { sequence.heldBytes }

    /// The most bytes of the cache ever held at once.
    public var peakCacheBytes: Int {
        max(ownsPool ? sequence.pool.peakBytes : 0, sequence.peakBytes)
    }

    /// Threads in use.
    public var threadCount: Int { runner.compute.pool.threadCount }

    /// Name of the instruction set in use.
    public var instructionSet: String { runner.compute.kernels.name }

    /// Processes tokens and returns the logits after the last one. What the prompt cache on disk holds of the text
    /// is not computed again, and what it does not hold is added to it.
    ///
    /// - Parameter progress: called with the tokens done; return false to stop.
    /// - Returns: `[vocabulary]`, or `nil` if it was stopped.
    /// - Throws: `.limit` if the tokens do not fit the context or memory, before anything is processed.
    public func feed(
        _ ids: [TokenID], progress: (Int) -> Bool = { _ in true }
    ) throws(SwiftletError) -> [Float]? {
        restoredCount = 0
        defer { notePrompt() }
        guard let promptCache else { return try process(ids, progress) }
        try reserve(ids)
        let (known, prompt) = (tokens.count, tokens + ids)
        let found = promptCache.restore(self, prompt)
        restoredCount = max(tokens.count - known, 0)
        if let logits = found.logits {
            _ = progress(ids.count)
            return logits
        }
        let offset = tokens.count - known
        guard let logits = try process(Array(prompt[tokens.count...]), { progress(max(offset + $0, 0)) })
        else { return nil }
        if !found.isComplete, known == 0 || sequence.rowsFollowFromTokens {
            promptCache.save(self, logits: logits, replacing: found.prefixes)
        }
        return logits
    }

    private func process(
        _ ids: [TokenID], _ progress: (Int) -> Bool
    ) throws(SwiftletError) -> [Float]? {
        var logits: [Float] = []
        let done = try prefill(ids, .last, progress) { logits = Array($1) }
        return done == ids.count ? logits : nil
    }

    /// Processes tokens and hands out the logits of every position, in order.
    public func feed(
        _ ids: [TokenID], emittingAll emit: (_ position: Int, _ logits: UnsafeBufferPointer<Float>) -> Void
    ) throws(SwiftletError) {
        defer { notePrompt() }
        try prefill(ids, .all, { _ in true }) { emit(Int($0), $1) }
    }

    /// Processes a first prompt without finishing it; see ``SharedPrompt``.
    ///
    /// - Returns: the logits after it, or `nil` if it was stopped.
    func read(_ ids: [TokenID], progress: (Int) -> Bool) throws(SwiftletError) -> [Float]? {
        try reserve(ids)
        var logits: [Float] = []
        let done = try runner.read(ids, sequence, chunk: batchSize, progress: progress) { logits = Array($1) }
        tokens += ids.prefix(done)
        return done == ids.count ? logits : nil
    }

    func notePrompt() {
        afterPrompt = CacheReport.AfterPrompt(
            tokenCount: tokens.count, meanRows: sequence.meanRowCount, bytes: sequence.heldBytes,
            peakBytes: peakCacheBytes, activationBytes: runner.workspaceBytes)
    }

    /// Processes tokens that a prompt is known to go on with, and lends the logits after each of them, in order.
    ///
    /// The cache is what it would be if the tokens had been generated. They go through the model one at a time
    /// where the policy or the number format acts on generated tokens, else a batch at a time.
    ///
    /// - Parameters:
    ///   - progress: called with the tokens done; return false to stop.
    ///   - body: receives `[vocabulary]` floats, valid during the call.
    /// - Returns: the tokens that were processed.
    /// - Throws: `.limit` if the tokens do not fit the context or memory, before anything is processed.
    @discardableResult
    package func follow(
        _ ids: [TokenID], progress: (Int) -> Bool = { _ in true },
        _ body: (UnsafeBufferPointer<Float>) -> Void
    ) throws(SwiftletError) -> Int {
        guard !ids.isEmpty else { return 0 }
        if sequence.onlyAppends {
            return try prefill(ids, .all, as: .verify, progress) { body($1) }
        }
        try reserve(ids)
        for (index, id) in ids.enumerated() {
            _ = try step(id, body)
            if !progress(index + 1) { return index + 1 }
        }
        return ids.count
    }

    /// Processes tokens; if memory runs out on the way, the session is as before.
    @discardableResult
    private func prefill(
        _ ids: [TokenID], _ wanted: Runner.Wanted, as phase: KVPhase? = nil, _ progress: (Int) -> Bool,
        _ emit: Runner.Emit
    ) throws(SwiftletError) -> Int {
        try reserve(ids)
        do {
            let done = try runner.prefill(
                ids, sequence, chunk: batchSize, phase: phase ?? (tokens.isEmpty ? .prefill : .laterTurn),
                wanted: wanted, progress: progress, emit: emit)
            tokens += ids.prefix(done)
            return done
        } catch {
            try takeBack()
            throw error
        }
    }

    /// Forgets what is not in `tokens`; everything, if rows that these need have left a sliding window.
    private func takeBack() throws(SwiftletError) {
        if !sequence.canTruncate(to: tokens.count) { tokens = [] }
        try sequence.truncate(to: tokens.count)
    }

    /// Processes one generated token, for which the context has room, and lends the logits after it.
    ///
    /// - Throws: `.limit` if memory runs out; the session is as before.
    package func step<Result>(
        _ token: TokenID, _ body: (UnsafeBufferPointer<Float>) -> Result
    ) throws(SwiftletError) -> Result? {
        precondition(tokens.count < contextLength, "\(tokens.count) tokens fill the context")
        if tokens.count.isMultiple(of: Self.growth) {
            try checkMemory(Self.growth * bytesPerToken, tokens.count + Self.growth)
        }
        var result: Result?
        do {
            try runner.decode([(sequence, token)]) { result = body($1) }
        } catch {
            try takeBack()
            throw error
        }
        tokens.append(token)
        return result
    }

    /// Whether ``truncate(to:)`` can go back to a position: not if rows that the next token would see have left the
    /// sliding window of a layer.
    public func canTruncate(to position: Int) -> Bool {
        (0...tokens.count).contains(position) && sequence.canTruncate(to: position)
    }

    /// Takes back the tokens from `position` on.
    ///
    /// - Throws: `.invalidArgument` if there are fewer tokens; `.unsupported` if ``canTruncate(to:)`` is false.
    public func truncate(to position: Int) throws(SwiftletError) {
        guard (0...tokens.count).contains(position) else {
            throw SwiftletError(
                .invalidArgument, "cannot go back to token \(position) of \(tokens.count)")
        }
        guard sequence.canTruncate(to: position) else {
            throw SwiftletError(
                .unsupported,
                "cannot go back to token \(position) of \(tokens.count): rows before it have left the sliding window of "
                    + "a layer; begin again at 0")
        }
        try sequence.truncate(to: position)
        tokens.removeSubrange(position...)
    }

    /// Refuses what cannot fit before any work is done.
    private func reserve(_ ids: [TokenID]) throws(SwiftletError) {
        guard !ids.isEmpty else {
            throw SwiftletError(.invalidArgument, "there is no token to process; give a prompt")
        }
        try model.check(ids)
        guard ids.count <= contextLength - tokens.count else {
            throw SwiftletError(
                .limit,
                "the prompt has \(ids.count) tokens"
                    + (tokens.isEmpty ? "" : " after \(tokens.count) of the conversation")
                    + ", the context holds \(contextLength); shorten it or raise -c")
        }
        var activations = activationBytes(rows: min(batchSize, ids.count))
        if sequence.readsLayerMajor {
            activations += ids.count * model.configuration.hiddenSize * MemoryLayout<Float>.stride
        }
        let cache = try sequence.bytesNeeded(reading: ids.count) - sequence.heldBytes
        try checkMemory(cache + max(activations - runner.workspaceBytes, 0), tokens.count + ids.count)
    }

    private func checkMemory(_ bytes: Int, _ tokenCount: Int) throws(SwiftletError) {
        try MemoryProbe.check(
            need: bytes, available: availableBytes(), purpose: "a context of \(tokenCount) tokens")
    }

    /// About as many bytes as the activations of so many tokens need at once.
    private func activationBytes(rows: Int) -> Int {
        let c = model.configuration
        let row = 3 * c.hiddenSize + 2 * (c.headCount + c.kvHeadCount) * c.headSize + 2 * c.innerSize
        return (rows * row + c.vocabularySize) * MemoryLayout<Float>.stride
    }

    /// Bytes of cached rows per token, over all layers.
    private var bytesPerToken: Int {
        sequence.layout.layers.indices.filter(sequence.layout.ownsSlot).reduce(0) { sum, layer in
            let shape = sequence.layout.layers[layer]
            guard shape.content != .state else { return sum }  // of which only the last few stay
            return sum + (sequence.format.rowBytes(shape) ?? 0) + shape.kvHeadCount
                * MemoryLayout<Int32>.stride
        }
    }
}
