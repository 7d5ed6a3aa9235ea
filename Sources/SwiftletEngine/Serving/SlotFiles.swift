import Dispatch
public import SwiftletCache
public import SwiftletTensor

/// Caches of slots as files, as llama-server has them; they are written and read beside the steps.
extension Scheduler {
    /// Writes what a slot's last request left to a file, which appears complete or not at all; returns when it is on
    /// the disk.
    ///
    /// For a policy that drops rows that is the cache after the prompt, which serves the same prompt again.
    ///
    /// - Throws: `.invalidArgument` for a slot that is not there, `.missing` if nothing of it is kept, `.unwritable`.
    public func saveSlot(_ index: Int, to path: String) async throws(SwiftletError) -> SlotFile {
        try await ordered { loop, done in loop.saveSlot(index, to: path, done) }
    }

    /// Reads a file that ``saveSlot(_:to:)`` wrote; requests that begin with its tokens need not read them again.
    ///
    /// - Parameters:
    ///   - policy: that of the request which was saved.
    ///   - format: number formats of its cache, unless the policy chooses them; `nil` is the scheduler's.
    /// - Throws: `.invalidArgument` for a slot that is not there; `.mismatch` for a file of another model, policy or
    ///   format; `.limit` without memory; `.unreadable`, `.malformed`.
    public func restoreSlot(
        _ index: Int, from path: String, policy: KVPolicy = .full, format: KVFormat? = nil
    ) async throws(SwiftletError) -> SlotFile {
        try await ordered { loop, done in loop.restoreSlot(index, from: path, policy, format, done) }
    }

    /// Gives up what a slot's last request left.
    ///
    /// - Returns: its tokens.
    /// - Throws: `.invalidArgument` for a slot that is not there.
    public func eraseSlot(_ index: Int) async throws(SwiftletError) -> Int {
        try await ordered { loop, done in loop.eraseSlot(index, done) }
    }

    /// Begins something between two steps and waits until it says that it is done.
    private func ordered<Value: Sendable>(
        _ body: @escaping @Sendable (ServingLoop, @escaping SlotResult<Value>) -> Void
    ) async throws(SwiftletError) -> Value {
        let result: Result<Value, SwiftletError> = await withCheckedContinuation { continuation in
            let isTaken = mailbox.post { loop in body(loop) { continuation.resume(returning: $0) } }
            if !isTaken { continuation.resume(returning: .failure(Self.isEnding)) }
        }
        return try result.get()
    }

    fileprivate static var isEnding: SwiftletError {
        SwiftletError(.busy, "the server is shutting down; try again later")
    }
}

/// Hears once what has become of an order.
typealias SlotResult<Value> = @Sendable (Result<Value, SwiftletError>) -> Void

extension ServingLoop {
    private func check(slot index: Int) throws(SwiftletError) {
        guard slots.indices.contains(index) else {
            throw SwiftletError(
                .invalidArgument, "there is no slot \(index); expected 0 to \(slots.count - 1) (--parallel)")
        }
    }

    /// Calls `done` if `body` fails, which otherwise sees to it itself.
    private func attempt<Value>(_ done: SlotResult<Value>, _ body: () throws(SwiftletError) -> Void) {
        do throws(SwiftletError) { try body() } catch { done(.failure(error)) }
    }

    // MARK: Saving

    func saveSlot(_ index: Int, to path: String, _ done: @escaping SlotResult<SlotFile>) {
        attempt(done) { () throws(SwiftletError) in
            try check(slot: index)
            guard let entry = slots[index].kept, kept.contains(entry) else {
                throw SwiftletError(
                    .missing, "nothing is kept of the last request of slot \(index); send one, then save it")
            }
            try entry.session.sequence.checkSnapshot()
            let writing = SlotWriting(entry, to: path)
            beginFile(0)  // nobody writes into kept pages
            saver.async { [mailbox = setup.mailbox] in
                let result = writing.run()
                mailbox.post { $0.endFile(0) }
                done(result)
            }
        }
    }

    // MARK: Restoring

    func restoreSlot(
        _ index: Int, from path: String, _ policy: KVPolicy, _ format: KVFormat?,
        _ done: @escaping SlotResult<SlotFile>
    ) {
        attempt(done) { () throws(SwiftletError) in
            try check(slot: index)
            var options = Session.Options()
            options.contextLength = setup.contextLength
            options.cacheFormat = format ?? setup.options.cacheFormat
            options.policy = policy
            options.adapters = setup.options.adapters
            let sequence = try Session.sequence(setup.model, options, setup.kernels, setup.pool)
            try sequence.checkSnapshot()
            let session = Session(setup.model, options, runner, sequence, ownsPool: false)
            let reading = SlotReading(session, path, chunk: setup.options.batchSize)
            read(reading.open, growingBy: 0, done) { loop, need in
                loop.load(reading, need, into: index, done)
            }
        }
    }

    /// Makes room for the cache of an open file, and reads the rest of it.
    private func load(
        _ reading: SlotReading, _ need: Int, into index: Int, _ done: @escaping SlotResult<SlotFile>
    ) {
        attempt(done) { () throws(SwiftletError) in
            while heldBytes + promisedBytes + need > setup.memoryBytes {
                guard kept.removeOldest() else { throw reading.noRoom(need) }
            }
            read(reading.load, growingBy: need, done) { loop, file in
                if let entry = reading.take() { loop.insert(entry, slot: index) }
                done(.success(file))
            }
        }
    }

    /// Reads from a file beside the steps, then goes on between two of them.
    ///
    /// - Parameters:
    ///   - bytes: what caches may grow by meanwhile.
    ///   - done: hears of failures, and if there are no more steps.
    private func read<Value: Sendable, End>(
        _ body: @escaping @Sendable () throws(SwiftletError) -> Value, growingBy bytes: Int,
        _ done: @escaping SlotResult<End>, then: @escaping @Sendable (ServingLoop, Value) -> Void
    ) {
        beginFile(bytes)
        restorer.async { [mailbox = setup.mailbox] in
            let result = Result { () throws(SwiftletError) in try body() }
            let isTaken = mailbox.post { loop in
                loop.endFile(bytes)
                switch result {
                case .success(let value): then(loop, value)
                case .failure(let error): done(.failure(error))
                }
            }
            if !isTaken { done(.failure(Scheduler.isEnding)) }
        }
    }

    // MARK: Erasing

    func eraseSlot(_ index: Int, _ done: SlotResult<Int>) {
        attempt(done) { () throws(SwiftletError) in
            try check(slot: index)
            guard let entry = slots[index].kept, kept.contains(entry) else { return done(.success(0)) }
            kept.remove(entry)
            slots[index].kept = nil
            done(.success(entry.tokens.count))
        }
    }
}
