import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletText

/// What a session holds as a file.
extension PromptCacheFile {
    /// Writes everything that a session holds.
    ///
    /// - Parameters:
    ///   - logits: after the last token, where the cache serves exactly its tokens; otherwise empty.
    ///   - limit: most bytes.
    ///   - prepare: called with the bytes before the file appears under its name.
    /// - Returns: the bytes of the file.
    @discardableResult
    static func write(
        _ session: Session, logits: [Float], to path: String, limit: Int, prepare: (Int) -> Void = { _ in }
    ) throws(SwiftletError) -> Int {
        let sequence = session.sequence
        var writer = try PromptCacheWriter(path: path, sections: 2 + sequence.snapshotParts, limit: limit)
        var state = KVStateCoder()
        var about = About(key: session.promptCacheKey, tokens: session.tokens)
        try about.code(&state)
        try writer.add(.about, state.bytes)
        state = KVStateCoder()
        var row = logits
        try state.code(&row, "logits", count: 0...row.count)
        try writer.add(.logits, state.bytes)
        try sequence.snapshot { part throws(SwiftletError) in try writer.add(.part, part) }
        prepare(writer.byteCount)
        try writer.commit()
        return writer.byteCount
    }

    /// Opens a file and reads what it is about.
    static func open(
        _ path: String
    ) throws(SwiftletError) -> (reader: PromptCacheReader, about: About) {
        var reader = try PromptCacheReader(path: path)
        var state = KVStateCoder(reading: try reader.next(.about))
        var about = About(key: "", tokens: [])
        try about.code(&state)
        try state.finish()
        return (reader, about)
    }

    /// Replaces what a session holds by the first `count` tokens of a file; on failure the session is empty.
    ///
    /// - Parameter file: what ``open(_:)`` returned.
    /// - Returns: the logits in the file.
    static func load(
        _ file: (reader: PromptCacheReader, about: About), into session: Session, count: Int
    ) throws(SwiftletError) -> [Float] {
        var (reader, about) = file
        try session.truncate(to: 0)
        let parts = session.sequence.snapshotParts
        guard reader.sections == 1 + parts else {
            throw SwiftletError(
                .malformed,
                "the saved cache is damaged: it has \(reader.sections - 1) parts, expected \(parts)")
        }
        var logits: [Float] = []
        var state = KVStateCoder(reading: try reader.next(.logits))
        let width = session.model.configuration.vocabularySize
        let isCuttable = session.sequence.prefixIsReusable
        try state.code(&logits, "logits", count: isCuttable ? 0...0 : width...width)
        try state.finish()
        try session.sequence.restore(length: about.tokens.count, keeping: count) { () throws(SwiftletError) in
            try reader.next(.part, available: session.availableBytes())
        }
        session.tokens = Array(about.tokens.prefix(count))
        return logits
    }
}
