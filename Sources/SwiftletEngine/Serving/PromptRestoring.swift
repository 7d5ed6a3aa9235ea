import SwiftletText

/// A prompt that is looked for on the disk, with a session that one other thread has for itself meanwhile.
final class PromptRestoring: @unchecked Sendable {
    private var session: Session?
    private let prompt: [TokenID]
    private let store: PromptCacheStore
    private var found: PromptCacheStore.Found?

    /// - Parameter session: used by nobody else until ``take()``; it may hold a part of the prompt.
    init(_ session: Session, _ prompt: [TokenID], _ store: PromptCacheStore) {
        self.session = session
        self.prompt = prompt
        self.store = store
    }

    /// Reads what the disk has; called once.
    func run() { found = session.map { store.restore($0, prompt) } }

    /// The session and what was found, once, after ``run()``.
    func take() -> (session: Session, found: PromptCacheStore.Found)? {
        defer { session = nil }
        guard let session, let found else { return nil }
        return (session, found)
    }
}
