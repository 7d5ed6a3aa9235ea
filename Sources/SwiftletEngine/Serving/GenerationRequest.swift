public import SwiftletCache
public import SwiftletText

/// What a ``Scheduler`` is asked to write.
public struct GenerationRequest: Sendable {
    /// A name for reports and for ``Scheduler/cacheView(of:choice:)``; should be unique.
    public var id: String
    /// The prompt, at least one token.
    public var prompt: [TokenID]
    /// What to write and when to stop. Choice `i` draws with the seed plus `i`.
    public var options: GenerationOptions
    /// What the cache keeps.
    public var policy = KVPolicy.full
    /// Number formats of cached rows, unless the policy chooses them; `nil` takes those of the scheduler.
    public var cacheFormat: KVFormat?
    /// What changes the weights of the model; `nil` takes what the scheduler was made with.
    public var adapters: [AdapterUse]?
    /// How many answers; they share the prompt's cache, and each takes a slot.
    public var choiceCount = 1
    /// The slot that has to do it; `nil` is any. A request for a slot that is busy lets others go before.
    public var slot: Int?
    /// How many of the likeliest tokens are told beside every generated one, with log-probabilities; `nil` tells none
    /// and no log-probability either.
    public var topLogprobs: Int?
    /// Whether these are the probabilities after biases, penalties, filters and temperature, with which tokens are drawn.
    public var logprobsAreDrawn = false
    /// How many are told beside the tokens of the prompt, which is then read in full; `nil` tells nothing.
    public var promptLogprobs: Int?
    /// Whether caches of earlier prompts are used for this one, and its own is kept for others.
    public var cachesPrompt = true
    /// Whether rows that take in others are noted, and the last event shows what the cache holds.
    public var tracesCache = false

    /// Plain text with the full cache.
    public init(id: String, prompt: [TokenID], options: GenerationOptions = GenerationOptions()) {
        self.id = id
        self.prompt = prompt
        self.options = options
    }
}
