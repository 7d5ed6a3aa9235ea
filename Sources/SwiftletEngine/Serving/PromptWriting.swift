import SwiftletText

/// A prompt on its way to the disk: a fork that one other thread has for itself.
///
/// What forks share is not written by any of them, so that a fork may be read while the others go on.
final class PromptWriting: @unchecked Sendable {
    private var session: Session?
    private let logits: [Float]
    private let store: PromptCacheStore
    private let prefixes: [String]

    /// - Parameters:
    ///   - session: used by nobody else.
    ///   - logits: after its last token.
    ///   - prefixes: files that the new one makes superfluous.
    init(_ session: Session, _ logits: [Float], _ store: PromptCacheStore, replacing prefixes: [String]) {
        self.session = session
        self.logits = logits
        self.store = store
        self.prefixes = prefixes
    }

    /// Writes the file and lets go of the fork; called once.
    func run() {
        if let session { store.save(session, logits: logits, replacing: prefixes) }
        session = nil
    }
}
