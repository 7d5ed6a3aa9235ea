import SwiftletCache
import SwiftletTensor

/// What a slot holds on its way to a file: a fork that one other thread has for itself.
///
/// What forks share is not written by any of them, so that a fork may be read while the others go on.
final class SlotWriting: @unchecked Sendable {
    private var session: Session?
    private let logits: [Float]
    private let path: String

    init(_ entry: PrefixCache.Entry, to path: String) {
        session = entry.session.fork()
        logits = entry.logits ?? []
        self.path = path
    }

    /// Writes the file and lets go of the fork; called once.
    func run() -> Result<SlotFile, SwiftletError> {
        defer { session = nil }
        return Result { () throws(SwiftletError) in
            guard let session else { throw SwiftletError(.busy, "\(path) has been written already") }
            let bytes = try PromptCacheFile.write(session, logits: logits, to: path, limit: .max)
            return SlotFile(tokenCount: session.tokens.count, byteCount: bytes)
        }
    }
}

/// A slot's file on its way into a session that one other thread has for itself until ``take()``.
final class SlotReading: @unchecked Sendable {
    private let session: Session
    private let path: String
    private let chunk: Int
    private var file: (reader: PromptCacheReader, about: PromptCacheFile.About)?
    private var logits: [Float]?

    /// - Parameters:
    ///   - session: an empty one, used by nobody else.
    ///   - chunk: tokens of a prompt that go through the model at a time.
    init(_ session: Session, _ path: String, chunk: Int) {
        self.session = session
        self.path = path
        self.chunk = chunk
    }

    /// Opens the file and looks whether it suits the session.
    ///
    /// - Returns: the most bytes that its cache holds.
    func open() throws(SwiftletError) -> Int {
        let file = try PromptCacheFile.open(path)
        guard file.about.key == session.promptCacheKey else {
            throw SwiftletError(
                .mismatch,
                "\(path) was saved with another model, cache policy or cache format; restore it with the same"
            )
        }
        try session.model.check(file.about.tokens)
        self.file = file
        return try session.sequence.mostBytes(
            reading: file.about.tokens.count, generating: 0, chunk: chunk)
    }

    /// Reads the rest of a file that was opened.
    func load() throws(SwiftletError) -> SlotFile {
        guard let file else { throw SwiftletError(.missing, "\(path) has not been opened") }
        logits = try PromptCacheFile.load(file, into: session, count: file.about.tokens.count)
        self.file = nil
        return SlotFile(tokenCount: session.tokens.count, byteCount: System.byteCount(of: path))
    }

    /// What was read, for those who keep it.
    func take() -> PrefixCache.Entry? {
        logits.map { PrefixCache.Entry(session, logits: $0.isEmpty ? nil : $0) }
    }

    /// Why the cache of the file cannot be held.
    func noRoom(_ need: Int) -> SwiftletError {
        SwiftletError(
            .limit,
            "\(path) needs \(need) bytes of cache, which do not fit beside the requests that run; try again "
                + "later or give more memory (--kv-memory)")
    }
}
