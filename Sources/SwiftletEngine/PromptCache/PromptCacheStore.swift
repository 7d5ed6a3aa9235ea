import SwiftletCache
import SwiftletFormats
import SwiftletModels
public import SwiftletTensor
import SwiftletText
import Synchronization

/// A directory of saved caches: a prompt that was processed once is not computed again.
///
/// A file is found by a hash of everything that its bits depend on and of its tokens, so that several models,
/// policies and processes may share a directory. It appears complete or not at all, and is never changed. A file that
/// cannot be used is reported and the prompt is processed as without it.
///
/// ```swift
/// options.promptCache = try PromptCacheStore(directory: "caches") { print($0) }
/// let session = try Session(model, options)
/// ```
public final class PromptCacheStore: Sendable {
    /// 4 GiB.
    public static let defaultByteLimit = 4 << 30

    /// Where the files lie.
    public let directory: String
    /// Most bytes of all files; those that were not used for longest leave first.
    public let byteLimit: Int
    private let report: @Sendable (String) -> Void
    /// Tokens of files that were looked at; a file never changes.
    private let known = Mutex<[String: [TokenID]]>([:])

    /// Opens a directory, which is made if need be, and removes what killed processes left in it.
    ///
    /// - Parameters:
    ///   - byteLimit: most bytes of all files, above 0.
    ///   - report: receives a sentence whenever a file cannot be used or written; nothing is lost then but time.
    /// - Throws: `.unwritable` if there can be no such directory, `.unreadable` if it cannot be listed,
    ///   `.invalidArgument` for a limit below 1.
    public init(
        directory: String, byteLimit: Int = PromptCacheStore.defaultByteLimit,
        report: @escaping @Sendable (String) -> Void
    ) throws(SwiftletError) {
        guard byteLimit > 0 else {
            throw SwiftletError(
                .invalidArgument, "the size of the prompt cache is \(byteLimit) bytes; expected 1 or more")
        }
        try System.makeDirectory(directory)
        try AtomicFile.removeAbandoned(in: directory, suffix: PromptCacheFile.suffix)
        self.directory = directory
        self.byteLimit = byteLimit
        self.report = report
    }

    // MARK: Finding

    /// What the store knew about a prompt.
    struct Found {
        /// Logits after the prompt, if all of it was restored.
        var logits: [Float]?
        /// Whether some file holds the whole prompt, so that it need not be saved.
        var isComplete = false
        /// Files that hold a part of the prompt from its start and nothing else.
        var prefixes: [String] = []
    }

    /// A file that holds some of a prompt.
    private struct Candidate {
        let path: String
        /// All of its tokens.
        let tokens: [TokenID]
        /// How many of them begin the prompt.
        let common: Int

        /// Whether reading all of the file takes less time than to compute what is common.
        var isWorthwhile: Bool { common >= tokens.count / 16 }
    }

    /// Puts as much of `prompt` into a session as some file holds and the session's policy allows, if that is more
    /// than the session holds of it already.
    ///
    /// A full cache is cut to what is common and at least one token is left to process, which gives the logits, and
    /// from which a retrieval learns. What a compressed cache keeps depends on all of its prompt: it is restored for
    /// exactly that prompt, with the logits after it, and only into an empty session.
    func restore(_ session: Session, _ prompt: [TokenID]) -> Found {
        let isCuttable = session.sequence.prefixIsReusable
        guard session.sequence.rowsFollowFromTokens || session.tokens.isEmpty else { return Found() }
        let candidates = isCuttable ? sharing(prompt, session.promptCacheKey) : exact(prompt, session)
        var found = Found()
        for candidate in candidates where candidate.common == candidate.tokens.count {
            if candidate.common < prompt.count { found.prefixes.append(candidate.path) }
        }
        for candidate in candidates.sorted(by: { $0.common > $1.common }) where candidate.isWorthwhile {
            let count = isCuttable ? min(candidate.common, prompt.count - 1) : prompt.count
            if count > session.tokens.count {
                guard let logits = load(candidate, into: session, count: count) else { continue }
                System.touch(candidate.path)
                found.logits = isCuttable ? nil : logits
            }
            found.isComplete = candidate.common == prompt.count
            break
        }
        return found
    }

    private func exact(_ prompt: [TokenID], _ session: Session) -> [Candidate] {
        let path = path(prompt, session.promptCacheKey)
        guard System.kind(of: path) == .file,
            let tokens = reporting(
                path,
                { () throws(SwiftletError) in
                    try open(path, session.promptCacheKey).about.tokens
                }), tokens == prompt
        else { return [] }
        return [Candidate(path: path, tokens: tokens, common: prompt.count)]
    }

    /// Files that begin as `prompt` does.
    private func sharing(_ prompt: [TokenID], _ key: String) -> [Candidate] {
        let all = reporting(directory) { () throws(SwiftletError) in try System.names(in: directory) } ?? []
        let names = all.filter { $0.hasPrefix(key) && $0.hasSuffix(PromptCacheFile.suffix) }
        return names.compactMap { name in
            let path = "\(directory)/\(name)"
            let tokens = tokens(of: path, key)
            let common = PrefixCache.common(tokens, prompt)
            return common > 0 ? Candidate(path: path, tokens: tokens, common: common) : nil
        }
    }

    /// The tokens of a file; empty if it cannot be used.
    private func tokens(of path: String, _ key: String) -> [TokenID] {
        if let tokens = known.withLock({ $0[path] }) { return tokens }
        let found = reporting(path) { () throws(SwiftletError) in try open(path, key).about.tokens }
        guard let found else { return [] }
        known.withLock { known in
            if known.count >= Self.mostKnown { known = [:] }
            known[path] = found
        }
        return found
    }

    /// Files whose tokens are remembered.
    private static let mostKnown = 4_096

    private func open(
        _ path: String, _ key: String
    ) throws(SwiftletError) -> (reader: PromptCacheReader, about: PromptCacheFile.About) {
        let file = try PromptCacheFile.open(path)
        guard file.about.key == key else {
            throw SwiftletError(.malformed, "the saved cache is damaged: it has the name of another")
        }
        return file
    }

    /// Replaces what a session holds by the first `count` tokens of a file; on failure the session is empty.
    ///
    /// - Returns: the logits in the file, or `nil` if it cannot be used.
    private func load(_ candidate: Candidate, into session: Session, count: Int) -> [Float]? {
        reporting(candidate.path) { () throws(SwiftletError) in
            try session.truncate(to: 0)
            let file = try open(candidate.path, session.promptCacheKey)
            guard file.about.tokens == candidate.tokens else {
                throw SwiftletError(.malformed, "the saved cache is damaged: its tokens have changed")
            }
            return try PromptCacheFile.load(file, into: session, count: count)
        }
    }

    /// Runs `body`; what it throws is reported, and a damaged file is removed.
    private func reporting<Result>(
        _ path: String, _ body: () throws(SwiftletError) -> Result
    ) -> Result? {
        do {
            return try body()
        } catch {
            if error.code == .unreadable, System.kind(of: path) == nil { return nil }  // evicted meanwhile
            let isDamaged = error.code == .malformed
            if isDamaged { System.remove(path) }
            let message = error.message.hasPrefix(path) ? error.message : "\(path): \(error.message)"
            report(
                "\(message); \(isDamaged ? "it is removed" : "it is not used") and the prompt is read anew")
            return nil
        }
    }

    // MARK: Saving

    /// Keeps what a session holds, if that is possible.
    ///
    /// - Parameters:
    ///   - logits: after the last token.
    ///   - prefixes: files that the new one makes superfluous.
    func save(_ session: Session, logits: [Float], replacing prefixes: [String]) {
        do {
            try write(session, logits)
            for path in prefixes { System.remove(path) }
        } catch {
            report("the prompt is not kept in \(directory): \(error.message)")
        }
    }

    private func write(_ session: Session, _ logits: [Float]) throws(SwiftletError) {
        let path = path(session.tokens, session.promptCacheKey)
        try PromptCacheFile.write(
            session, logits: session.sequence.prefixIsReusable ? [] : logits, to: path,
            limit: byteLimit
        ) { makeRoom(for: $0, besides: path) }
    }

    private func path(_ tokens: [TokenID], _ key: String) -> String {
        "\(directory)/\(key)-\(PromptCacheKey.hash(of: tokens))\(PromptCacheFile.suffix)"
    }

    /// Removes the files that were not used for longest until so many bytes are free.
    private func makeRoom(for byteCount: Int, besides path: String) {
        let names = (try? System.names(in: directory)) ?? []
        let files = names.filter { $0.hasSuffix(PromptCacheFile.suffix) }.map { "\(directory)/\($0)" }
            .filter { $0 != path }
            .map { (path: $0, bytes: System.byteCount(of: $0), time: System.modificationTime(of: $0)) }
        var total = files.reduce(byteCount) { $0 + $1.bytes }
        for file in files.sorted(by: { ($0.time, $0.path) < ($1.time, $1.path) }) where total > byteLimit {
            if System.remove(file.path) { total -= file.bytes }
        }
    }
}
