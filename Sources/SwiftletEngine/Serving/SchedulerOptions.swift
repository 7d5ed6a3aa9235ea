public import SwiftletCache
public import SwiftletTensor

extension Scheduler {
    /// How a scheduler computes, and what it may hold.
    public struct Options: Sendable {
        /// Answers that are written at the same time (`--parallel`).
        public var slotCount = 4
        /// Most tokens of one text; `nil` is what the model was made for.
        public var contextLength: Int?
        /// Most rows of prompts in one step while nothing is being written.
        public var batchSize = 512
        /// Most rows of prompts in one step beside answers that are being written: fewer rows, smaller gaps.
        public var chunkSize = 64
        /// Threads that share the work; `nil` is one per physical core.
        public var threadCount: Int?
        /// Most bytes of all caches, kept prompts included (`--kv-memory`); `nil` is what the full caches of all slots
        /// and one more take, but no more than four fifths of the memory that is free.
        public var memoryBytes: Int?
        /// Most requests that wait.
        public var queueLimit = 512
        /// Number formats of cached rows, unless request or policy choose them.
        public var cacheFormat = KVFormat.f16
        /// Whether caches of finished requests are kept for others that begin alike.
        public var keepsPrompts = true
        /// Most bytes of them; `nil` leaves only the bound of all caches.
        public var keptPromptBytes: Int?
        /// Where caches of prompts are kept on disk and found again; `nil` keeps none.
        public var promptCache: PromptCacheStore?
        /// What changes the weights of the model for requests that do not say so themselves.
        public var adapters: [AdapterUse] = []
        /// How products with block formats treat their input.
        public var activations = ActivationPrecision.quantized

        /// Everything at its default.
        public init() {}

        /// Checks every range.
        ///
        /// - Throws: `.invalidArgument` naming the flag, the value and the range.
        public func validate() throws(SwiftletError) {
            try Self.check("the number of slots (--parallel)", slotCount, 1...1_024)
            try Self.check("the context length (-c)", contextLength, 1...(1 << 30))
            try Self.check("the batch size (-b)", batchSize, 1...(1 << 20))
            try Self.check("the rows of prompts beside answers", chunkSize, 1...(1 << 20))
            try Self.check("the number of threads (-t)", threadCount, 1...1_024)
            try Self.check("the memory of all caches (--kv-memory)", memoryBytes, 1...(1 << 60))
            try Self.check("the length of the queue", queueLimit, 0...(1 << 20))
            try Self.check("the memory of kept prompts", keptPromptBytes, 0...(1 << 60))
        }

        private static func check(
            _ what: String, _ value: Int?, _ range: ClosedRange<Int>
        ) throws(SwiftletError) {
            guard let value, !range.contains(value) else { return }
            throw SwiftletError(
                .invalidArgument,
                "\(what) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
        }
    }
}
