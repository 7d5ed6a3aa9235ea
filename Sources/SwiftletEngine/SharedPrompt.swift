package import SwiftletCache
import SwiftletModels
package import SwiftletTensor
package import SwiftletText

extension Session {
    /// Another session with the same past, on its own from here on.
    ///
    /// The two share memory and must not compute at the same time.
    package func fork() -> Session { Session(forking: self, sequence: KVSequence(forking: sequence)) }
}

/// A first prompt that is read once, and from which sessions with several budgets of one policy go on.
///
/// They hold the same rows and give the same logits as sessions that read the prompt themselves. Where a budget has
/// a say in how the prompt is read, it is read again for each.
package final class SharedPrompt {
    /// A session after the prompt, with the logits of its last token.
    package struct Start {
        package let session: Session
        /// `[vocabulary]`.
        package let logits: [Float]
    }

    private let model: Model
    private let options: Session.Options
    private let prompt: [TokenID]
    private let reader: Start?  // nil: every budget reads for itself

    /// Reads a prompt, if budgets can share that.
    ///
    /// - Parameters:
    ///   - options: with the policy; its budget does not matter.
    ///   - isCancelled: asked after every piece of the prompt.
    /// - Returns: `nil` if it was cancelled.
    /// - Throws: what ``Session/feed(_:progress:)`` throws.
    package init?(
        _ model: Model, _ options: Session.Options, prompt: [TokenID], isCancelled: () -> Bool = { false }
    ) throws(SwiftletError) {
        self.model = model
        self.options = options
        self.prompt = prompt
        var widest = options
        if widest.policy.budget == .share(1) { widest.policy.budget = nil }
        let session = try Session(model, widest)
        guard session.sequence.promptServesBudgets else {
            reader = nil
            return
        }
        guard let logits = try session.read(prompt, progress: { _ in !isCancelled() }) else { return nil }
        reader = Start(session: session, logits: logits)
    }

    /// A session after the prompt, compressed to a budget.
    ///
    /// - Parameter budget: `nil` for a policy that has none.
    /// - Throws: `.invalidArgument` for a budget below what the policy keeps in any case; `.limit` without memory.
    package func start(budget: KVBudget?) throws(SwiftletError) -> Start {
        guard let reader else {
            var options = options
            options.policy.budget = budget
            let session = try Session(model, options)
            return Start(session: session, logits: try session.feed(prompt) ?? [])
        }
        let sequence = KVSequence(forking: reader.session.sequence, budget: budget)
        let session = Session(forking: reader.session, sequence: sequence)
        try sequence.finishReadPrompt(session.runner.compute)
        session.notePrompt()
        return Start(session: session, logits: reader.logits)
    }
}
