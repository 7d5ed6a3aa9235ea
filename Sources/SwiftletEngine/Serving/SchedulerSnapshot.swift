/// What a ``Scheduler`` has done since it was started, and what it does now.
public struct SchedulerSnapshot: Hashable, Sendable {
    /// What a cache policy holds.
    public struct PolicyUse: Hashable, Sendable {
        /// Requests that ran under it and have ended.
        public var finishedRequests = 0
        /// Answers that are running now.
        public var running = 0
        /// Bytes that they hold.
        public var heldBytes = 0
        /// Bytes that full caches of the same tokens would hold.
        public var fullBytes = 0
    }

    // Since the start.

    /// Requests that were taken.
    public var submittedRequests = 0
    /// Requests that ended on their own.
    public var finishedRequests = 0
    /// Requests whose reader went away.
    public var cancelledRequests = 0
    /// Requests that failed on the way.
    public var failedRequests = 0
    /// Requests that were not taken because the queue was full.
    public var refusedRequests = 0
    /// Tokens of prompts that went through the model.
    public var promptTokens = 0
    /// Tokens of prompts that were in the cache of an earlier request.
    public var reusedTokens = 0
    /// Tokens of prompts that came from the disk.
    public var restoredTokens = 0
    /// Requests whose prompt was looked up among the kept ones.
    public var prefixLookups = 0
    /// Those of them that found a part of it.
    public var prefixHits = 0
    /// Tokens that were written.
    public var generatedTokens = 0
    /// Time in which prompts were read, summed over requests that ran side by side.
    public var promptSeconds = 0.0
    /// Time in which answers were written, summed over answers that ran side by side.
    public var generationSeconds = 0.0
    /// Trips through the model.
    public var steps = 0
    /// Time in steps.
    public var busySeconds = 0.0

    // Now.

    /// Requests that wait.
    public var waitingRequests = 0
    /// Requests whose prompt is being read or whose answers are being written.
    public var runningRequests = 0
    /// Answers that take part in every step.
    public var generatingChoices = 0
    /// Most bytes that all caches may hold.
    public var memoryBytes = 0
    /// Bytes that they hold, kept prompts included.
    public var heldBytes = 0
    /// The most bytes that they held at any time.
    public var peakBytes = 0
    /// Bytes promised to running requests, but not held yet.
    public var promisedBytes = 0
    /// Prompts that are kept.
    public var keptPrompts = 0
    /// Bytes that they refer to; some may be shared.
    public var keptBytes = 0
    /// By the names of a policy's parts, such as `pyramid+snapkv`; `other` once there are many.
    public var policies: [String: PolicyUse] = [:]
    /// All slots.
    public var slots: [SlotState] = []

    /// Bytes that running answers save against full caches.
    public var savedBytes: Int { policies.values.reduce(0) { $0 + max($1.fullBytes - $1.heldBytes, 0) } }
}

/// What one slot of a ``Scheduler`` does.
public struct SlotState: Hashable, Sendable {
    /// What it is busy with.
    public enum Activity: String, Hashable, Sendable {
        /// Nothing.
        case idle
        /// Reads a prompt.
        case prompt
        /// Writes.
        case generating
    }

    /// Its number.
    public var index: Int
    /// What it is busy with.
    public var activity = Activity.idle
    /// The request; that of the last one if it is idle.
    public var request: String?
    /// Which of the request's answers.
    public var choice = 0
    /// The policy of the request's cache.
    public var policy: String?
    /// Tokens of the prompt.
    public var promptTokens = 0
    /// Those that are in the cache.
    public var processedTokens = 0
    /// Those that came from another cache.
    public var reusedTokens = 0
    /// Tokens written.
    public var generatedTokens = 0
    /// Most tokens to write; `nil` goes on to the end of the context.
    public var maxTokens: Int?
    /// Bytes that the cache holds.
    public var heldBytes = 0
    /// Tokens of the kept prompt that ``Scheduler/saveSlot(_:to:)`` would write; 0 for none.
    public var keptTokens = 0
}

/// A slot's cache in a file.
public struct SlotFile: Hashable, Sendable {
    /// Tokens in it.
    public var tokenCount: Int
    /// Bytes of the file.
    public var byteCount: Int
}
