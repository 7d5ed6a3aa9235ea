public import SwiftletCache
import SwiftletModels
public import SwiftletTensor

/// Caches of slots as files, as llama-server has them.
extension Scheduler {
    /// Writes what a slot's last request left to a file, which appears complete or not at all.
    ///
    /// For a policy that drops rows that is the cache after the prompt, which serves the same prompt again.
    ///
    /// - Throws: `.invalidArgument` for a slot that is not there, `.missing` if nothing of it is kept, `.unwritable`.
    public func saveSlot(_ index: Int, to path: String) async throws(SwiftletError) -> SlotFile {
        try await ordered { loop throws(SwiftletError) in try loop.saveSlot(index, to: path) }
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
        try await ordered { loop throws(SwiftletError) in
            try loop.restoreSlot(index, from: path, policy, format)
        }
    }

    /// Gives up what a slot's last request left.
    ///
    /// - Returns: its tokens.
    /// - Throws: `.invalidArgument` for a slot that is not there.
    public func eraseSlot(_ index: Int) async throws(SwiftletError) -> Int {
        try await ordered { loop throws(SwiftletError) in try loop.eraseSlot(index) }
    }

    private func ordered<Value: Sendable>(
        _ body: @escaping @Sendable (ServingLoop) throws(SwiftletError) -> Value
    ) async throws(SwiftletError) -> Value {
        let result: Result<Value, SwiftletError>? = await perform { loop in
            do throws(SwiftletError) {
                return .success(try body(loop))
            } catch {
                return .failure(error)
            }
        }
        guard let result else { throw SwiftletError(.busy, "the server is shutting down; try again later") }
        return try result.get()
    }
}

extension ServingLoop {
    private func check(slot index: Int) throws(SwiftletError) {
        guard slots.indices.contains(index) else {
            throw SwiftletError(
                .invalidArgument, "there is no slot \(index); expected 0 to \(slots.count - 1) (--parallel)")
        }
    }

    func saveSlot(_ index: Int, to path: String) throws(SwiftletError) -> SlotFile {
        try check(slot: index)
        guard let entry = slots[index].kept, kept.contains(entry) else {
            throw SwiftletError(
                .missing, "nothing is kept of the last request of slot \(index); send one, then save it")
        }
        try entry.session.sequence.checkSnapshot()
        let bytes = try PromptCacheFile.write(
            entry.session, logits: entry.logits ?? [], to: path, limit: .max)
        return SlotFile(tokenCount: entry.tokens.count, byteCount: bytes)
    }

    func restoreSlot(
        _ index: Int, from path: String, _ policy: KVPolicy, _ format: KVFormat?
    ) throws(SwiftletError) -> SlotFile {
        try check(slot: index)
        var options = Session.Options()
        options.contextLength = setup.contextLength
        options.cacheFormat = format ?? setup.options.cacheFormat
        options.policy = policy
        options.adapters = setup.options.adapters
        let sequence = try Session.sequence(setup.model, options, setup.kernels, setup.pool)
        let session = Session(setup.model, options, runner, sequence, ownsPool: false)
        try sequence.checkSnapshot()
        let file = try PromptCacheFile.open(path)
        guard file.about.key == session.promptCacheKey else {
            throw SwiftletError(
                .mismatch,
                "\(path) was saved with another model, cache policy or cache format; restore it with the same"
            )
        }
        try setup.model.check(file.about.tokens)
        let need = try sequence.mostBytes(
            reading: file.about.tokens.count, generating: 0, chunk: setup.options.batchSize)
        while heldBytes + promisedBytes + need > setup.memoryBytes {
            guard kept.removeOldest() else {
                throw SwiftletError(
                    .limit,
                    "\(path) needs \(need) bytes of cache, which do not fit beside the requests that run; try again "
                        + "later or give more memory (--kv-memory)")
            }
        }
        let logits = try PromptCacheFile.load(file, into: session, count: file.about.tokens.count)
        insert(PrefixCache.Entry(session, logits: logits.isEmpty ? nil : logits), slot: index)
        return SlotFile(tokenCount: session.tokens.count, byteCount: System.byteCount(of: path))
    }

    func eraseSlot(_ index: Int) throws(SwiftletError) -> Int {
        try check(slot: index)
        guard let entry = slots[index].kept, kept.contains(entry) else { return 0 }
        kept.remove(entry)
        slots[index].kept = nil
        return entry.tokens.count
    }
}
