import Foundation
import SwiftletCache
import SwiftletModels
public import SwiftletTensor
import SwiftletText
import Synchronization

/// Writes answers to many requests at once: continuous batching on a thread of its own.
///
/// Every step is one trip through the model: a token of each answer that is being written, and some tokens of prompts
/// beside them. A request joins and leaves at any step, and gets the same tokens as if it were alone. Requests wait, in
/// the order in which they came, until a slot and the memory for their cache are free. Without requests the thread
/// sleeps.
///
/// ```swift
/// let scheduler = try Scheduler(model)
/// var request = GenerationRequest(id: "1", prompt: ids, options: GenerationOptions(defaultsOf: model))
/// request.options.maxTokens = 64
/// for await event in try scheduler.submit(request) {
///     if case .token(let token) = event { print(token.text, terminator: "") }
/// }
/// ```
public final class Scheduler: Sendable {
    /// The model.
    public let model: Model
    /// How it computes.
    public let options: Options
    /// Most tokens of one text.
    public let contextLength: Int
    /// Most bytes of all caches together.
    public let memoryBytes: Int

    private let kernels: Kernels
    let mailbox: Mailbox
    private let board: SnapshotBoard
    private let serial = Atomic<UInt64>(0)
    let pool: KVPagePool

    /// Starts the thread.
    ///
    /// - Throws: `.invalidArgument` for an option out of range, `.limit` if not even one token fits the memory,
    ///   `.unsupported` for formats that do not suit the model.
    public init(_ model: Model, _ options: Options = Options()) throws(SwiftletError) {
        try options.validate()
        self.model = model
        self.options = options
        kernels = try Kernels.selected()
        contextLength = options.contextLength ?? model.configuration.contextLength
        pool = KVPagePool()
        mailbox = Mailbox(freeSlots: options.slotCount)
        var session = Session.Options()
        session.cacheFormat = options.cacheFormat
        let full = try Session.sequence(model, session, kernels, pool)
        let least = try full.mostBytes(reading: 1, generating: 0, chunk: 1)
        let whole = try full.mostBytes(reading: contextLength, generating: 0, chunk: options.batchSize)
        // Kept prompts would never have room beside answers that may fill all slots; a page of each may be copied.
        let (all, overflow) = (whole + full.pageBytes).multipliedReportingOverflow(by: options.slotCount + 1)
        let free = MemoryProbe.availableBytes ?? .max
        memoryBytes = options.memoryBytes ?? min(overflow ? .max : all, free / 5 * 4)
        guard memoryBytes >= least else {
            throw SwiftletError(
                .limit,
                "the memory of all caches (--kv-memory) is \(memoryBytes) bytes, a single token needs \(least); give "
                    + "more")
        }
        board = SnapshotBoard(
            SchedulerSnapshot(
                memoryBytes: memoryBytes, slots: (0..<options.slotCount).map { SlotState(index: $0) }))
        start()
    }

    private func start() {
        let setup = ServingLoop.Setup(
            model: model, options: options, kernels: kernels, pool: pool, contextLength: contextLength,
            memoryBytes: memoryBytes, mailbox: mailbox, board: board)
        let thread = Thread { ServingLoop(setup).run() }
        thread.name = "swiftlet"
        thread.stackSize = 8 << 20
        thread.start()
    }

    deinit {
        mailbox.drain()
        mailbox.post { $0.cancelAll() }
    }

    // MARK: Requests

    /// Takes a request.
    ///
    /// - Returns: what becomes of it. Whoever stops reading, or whose task is cancelled, ends the request within a
    ///   step.
    /// - Throws: `.invalidArgument` for settings and tokens out of range; `.unsupported` for what the policy cannot do;
    ///   `.missing` for a model without tokenizer; `.limit` if it can never fit context, slots or memory; `.busy` if
    ///   too many requests wait, or after ``shutdown(timeout:)``.
    /// - Complexity: O(prompt); nothing is computed yet.
    public func submit(_ request: GenerationRequest) throws(SwiftletError) -> AsyncStream<GenerationEvent> {
        let need = try check(request)
        let serial = serial.add(1, ordering: .relaxed).newValue
        let (events, continuation) = AsyncStream.makeStream(of: GenerationEvent.self)
        continuation.onTermination = { [mailbox] reason in
            if case .cancelled = reason { mailbox.post { $0.cancel { $0.serial == serial } } }
        }
        let arrival = ContinuousClock.now
        let admission = mailbox.post(limit: options.queueLimit) { loop in
            loop.take(ServingJob(request, serial: serial, need, continuation, arrival: arrival))
        }
        switch admission {
        case .taken: return events
        case .full:
            throw SwiftletError(
                .busy,
                "\(mailbox.counts.waiting) requests are waiting already, which is the most; try again later")
        case .draining:
            throw SwiftletError(.busy, "the server is shutting down; try again later")
        }
    }

    /// Ends a request; its answers end as they are, with the reason ``FinishReason/cancelled``.
    public func cancel(_ requestID: String) {
        mailbox.post { $0.cancel { $0.request.id == requestID } }
    }

    /// Ends the thread: no request is taken any more, and this returns when all have ended.
    ///
    /// - Parameter timeout: requests that run longer are cancelled.
    public func shutdown(timeout: Duration = .zero) async {
        mailbox.drain()
        let alarm = Task { [mailbox] in
            try await Task.sleep(for: timeout)
            mailbox.post { $0.cancelAll() }
        }
        await withCheckedContinuation { continuation in mailbox.whenEnded { continuation.resume() } }
        alarm.cancel()
    }

    // MARK: Looking inside

    /// What was done until now, and what is being done.
    public var snapshot: SchedulerSnapshot {
        var snapshot = board.snapshot
        (snapshot.waitingRequests, snapshot.refusedRequests) = mailbox.counts
        return snapshot
    }

    /// What the cache of a running answer holds now.
    ///
    /// - Returns: `nil` if it does not run.
    public func cacheView(of requestID: String, choice: Int = 0) async -> CacheTrace.Moment? {
        await perform { $0.view(of: requestID, choice: choice) } ?? nil
    }

    /// Bytes that the full cache of some tokens holds; `nil` after the end.
    public func fullCacheBytes(of tokenCount: Int) async -> Int? {
        await perform { $0.fullBytes(tokenCount) }
    }

    /// Does something between two steps; `nil` after the end.
    func perform<Result: Sendable>(_ body: @escaping @Sendable (ServingLoop) -> Result) async -> Result? {
        await withCheckedContinuation { continuation in
            let isTaken = mailbox.post { continuation.resume(returning: body($0)) }
            if !isTaken { continuation.resume(returning: nil) }
        }
    }

    // MARK: Memory

    /// Gives up all kept prompts.
    ///
    /// - Returns: how many there were; `nil` after the end.
    package func forgetPrompts() async -> Int? {
        await perform { loop in
            defer { loop.forgetPrompts() }
            return loop.kept.count
        }
    }

    /// Gives back memory that only speeds up what comes next, if nothing runs; what is kept of prompts stays.
    package func rest() {
        model.tokenizer?.forgetWords()
        mailbox.post { if $0.running.isEmpty { $0.runner.emptyWorkspace() } }
    }

    // MARK: Checks

    /// Refuses what cannot be done.
    ///
    /// - Returns: the most bytes that the cache of one choice ever holds.
    private func check(_ request: GenerationRequest) throws(SwiftletError) -> ServingJob.Need {
        try request.options.validate(for: model)
        try model.check(request.prompt)
        guard model.tokenizer != nil else {
            throw SwiftletError(.missing, "\(model.name) has no tokenizer, so it cannot write text")
        }
        try Self.check("the number of answers", request.choiceCount, 1...options.slotCount, .limit)
        if let slot = request.slot {
            try Self.check("the slot", slot, 0...options.slotCount - 1)
            try Self.check("the number of answers of one slot", request.choiceCount, 1...1)
        }
        let vocabulary = model.configuration.vocabularySize
        try Self.check("the number of likeliest tokens", request.topLogprobs ?? 0, 0...vocabulary)
        try Self.check(
            "the number of likeliest tokens of the prompt", request.promptLogprobs ?? 0, 0...vocabulary)
        if request.promptLogprobs != nil, request.policy.hiddenRows != nil {
            throw SwiftletError(
                .unsupported,
                "--kv-policy '\(request.policy.specification)' drops tokens of the prompt on their way through the "
                    + "model, so there are no log-probabilities for all of them; choose another policy")
        }
        guard !request.prompt.isEmpty else {
            throw SwiftletError(.invalidArgument, "there is no token to process; give a prompt")
        }
        guard request.prompt.count <= contextLength else {
            throw SwiftletError(
                .limit,
                "the prompt has \(request.prompt.count) tokens, the context holds \(contextLength); shorten it or "
                    + "raise -c")
        }
        return try need(of: request)
    }

    private func need(of request: GenerationRequest) throws(SwiftletError) -> ServingJob.Need {
        var options = Session.Options()
        options.policy = request.policy
        options.cacheFormat = request.cacheFormat ?? self.options.cacheFormat
        let sequence = try Session.sequence(model, options, kernels, pool)
        let prompt = request.prompt.count
        let generated = min(request.options.maxTokens ?? contextLength, contextLength - prompt)
        let chunk = self.options.batchSize
        let each = try sequence.mostBytes(reading: prompt, generating: generated, chunk: chunk)
        // Pages of a prompt are shared until they are written, which a policy that drops rows may do to all of them.
        let shared =
            request.policy.prefixIsReusable
            ? max(try sequence.forecast(reading: prompt, chunk: chunk).heldBytes - sequence.pageBytes, 0) : 0
        let others = (request.choiceCount - 1) * (each - shared)
        guard each + others <= memoryBytes else {
            throw SwiftletError(
                .limit,
                "\(prompt) tokens of the prompt and up to \(generated) after it, \(request.choiceCount) times, need "
                    + "\(each + others) bytes of cache, all caches together may hold \(memoryBytes) (--kv-memory); ask "
                    + "for fewer tokens, choose a policy that keeps less, or give more memory")
        }
        return ServingJob.Need(each: each, all: each + others, page: sequence.pageBytes)
    }

    private static func check(
        _ what: String, _ value: Int, _ range: ClosedRange<Int>, _ code: SwiftletError.Code = .invalidArgument
    ) throws(SwiftletError) {
        guard !range.contains(value) else { return }
        throw SwiftletError(
            code, "\(what) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
    }
}

/// The latest snapshot, for all threads.
final class SnapshotBoard: Sendable {
    private let state: Mutex<SchedulerSnapshot>

    init(_ snapshot: SchedulerSnapshot) { state = Mutex(snapshot) }

    var snapshot: SchedulerSnapshot {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
