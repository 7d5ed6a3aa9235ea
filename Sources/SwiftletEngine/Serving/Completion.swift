public import SwiftletTensor

/// Everything that became of a ``GenerationRequest``.
public struct Completion: Sendable {
    /// One answer.
    public struct Choice: Sendable {
        /// All of its text.
        public var text = ""
        /// Its tokens.
        public var tokens: [GeneratedToken] = []
        /// How it ended.
        public var end: FinishedChoice
    }

    /// How the prompt was read.
    public var prompt = PromptProgress(total: 0, done: 0, reused: 0)
    /// Log-probabilities of the prompt, if asked for.
    public var promptLogprobs: [PromptLogprob] = []
    /// All answers, by their index.
    public var choices: [Choice] = []
}

extension Scheduler {
    /// Takes a request and waits for all of its answers.
    ///
    /// - Throws: what ``submit(_:)`` throws, and why the request failed on the way.
    public func complete(_ request: GenerationRequest) async throws(SwiftletError) -> Completion {
        var completion = Completion()
        var tokens = Array(repeating: [GeneratedToken](), count: max(request.choiceCount, 0))
        var ends: [FinishedChoice] = []
        for await event in try submit(request) {
            switch event {
            case .queued: continue
            case .prompt(let progress): completion.prompt = progress
            case .promptLogprobs(let scores): completion.promptLogprobs += scores
            case .token(let token): tokens[token.choice].append(token)
            case .finished(let end): ends.append(end)
            case .failed(let error): throw error
            }
        }
        guard ends.count == request.choiceCount else {  // the task was cancelled
            throw SwiftletError(.busy, "the request was cancelled before its answer had ended")
        }
        completion.choices = ends.sorted { $0.choice < $1.choice }.map { end in
            let own = tokens[end.choice]
            return Completion.Choice(text: own.map(\.text).joined() + end.text, tokens: own, end: end)
        }
        return completion
    }
}
