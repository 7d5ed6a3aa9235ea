public import SwiftletEngine
import SwiftletModels
public import SwiftletTensor
public import SwiftletText

/// Runs windows of a text through a model, each with a cache of its own.
public struct TextEvaluation {
    /// The model.
    public let model: Model
    /// What is read and what is scored.
    public let windows: TextWindows
    /// Called with the tokens that went through the model, of all windows and caches; return false to stop. What is
    /// complete by then is handed out, nothing after it.
    public var progress: (Int) -> Bool = { _ in true }
    private var done = 0
    private var isStopped = false

    /// - Parameter windows: of tokens that the model knows.
    public init(_ model: Model, _ windows: TextWindows) {
        (self.model, self.windows) = (model, windows)
    }

    /// Scores one window.
    ///
    /// - Parameters:
    ///   - options: how it is computed and cached; the context is made to fit the window.
    ///   - sink: receives every scored token with the logits that predicted it.
    /// - Returns: what became of the cache; `nil` if it was stopped, and then not all tokens were handed out.
    /// - Throws: `.limit` if memory cannot hold the window, errors of the policy.
    public mutating func score(
        _ window: TextWindows.Window, _ options: Session.Options, into sink: TextScorer.Sink
    ) throws(SwiftletError) -> CacheReport? {
        guard var scorer = try scorer(window, options) else { return nil }
        return try score(window.scored, &scorer, into: sink) ? scorer.session.cacheReport : nil
    }

    /// Scores one window with two caches side by side.
    ///
    /// - Parameter sink: receives every scored token with the logits of both.
    /// - Returns: what became of both caches; `nil` if it was stopped.
    /// - Throws: as ``score(_:_:into:)``.
    public mutating func compare(
        _ window: TextWindows.Window, _ left: Session.Options, _ right: Session.Options,
        into sink: (
            _ target: TokenID, _ left: UnsafeBufferPointer<Float>, _ right: UnsafeBufferPointer<Float>
        ) -> Void
    ) throws(SwiftletError) -> (CacheReport, CacheReport)? {
        guard var first = try scorer(window, left), var second = try scorer(window, right) else { return nil }
        let width = model.configuration.vocabularySize
        let scored = window.scored
        let batch = max(min(Self.heldLogits / width, Self.heldRows), 1)
        var rows = [Float](repeating: 0, count: min(batch, scored.count) * width)
        for start in stride(from: 0, to: scored.count, by: batch) {
            let tokens = Array(scored[start..<min(start + batch, scored.count)])
            var row = 0
            let isWhole = try score(tokens, &first) { _, logits in
                rows.withUnsafeMutableBufferPointer { rows in
                    _ = UnsafeMutableBufferPointer(rebasing: rows[(row * width)...]).update(
                        fromContentsOf: logits)
                }
                row += 1
            }
            row = 0
            guard isWhole else { return nil }
            let isComplete = try score(tokens, &second) { target, logits in
                rows.withUnsafeBufferPointer { rows in
                    sink(target, UnsafeBufferPointer(rebasing: rows[(row * width)...].prefix(width)), logits)
                }
                row += 1
            }
            guard isComplete else { return nil }
        }
        return (first.session.cacheReport, second.session.cacheReport)
    }

    /// Most logits of one cache that wait for the other's: 16 MiB, and a batch that keeps the cores busy.
    private static let heldLogits = 1 << 22
    private static let heldRows = 64

    private mutating func scorer(
        _ window: TextWindows.Window, _ options: Session.Options
    ) throws(SwiftletError) -> TextScorer? {
        guard !isStopped else { return nil }
        var options = options
        options.contextLength = windows.size
        let before = done
        let scorer = try TextScorer(try Session(model, options), prompt: window.prompt) {
            goesOn(before + $0)
        }
        done += window.promptCount
        return scorer
    }

    /// Whether all tokens were scored.
    private mutating func score(
        _ tokens: [TokenID], _ scorer: inout TextScorer, into sink: TextScorer.Sink
    ) throws(SwiftletError) -> Bool {
        let before = done
        let count = try scorer.score(tokens, progress: { goesOn(before + $0) }, into: sink)
        done += count
        return count == tokens.count
    }

    /// Tells the progress.
    private mutating func goesOn(_ done: Int) -> Bool {
        if !progress(done) { isStopped = true }
        return !isStopped
    }
}
