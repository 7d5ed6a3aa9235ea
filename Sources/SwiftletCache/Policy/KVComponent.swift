public import SwiftletTensor

/// A named part of a cache policy: what `--kv-policy` and `swiftlet kv list` know about it.
public struct KVComponent: Sendable {
    /// What a component decides; a policy has at most one component for each.
    public enum Part: String, CaseIterable, Hashable, Sendable {
        case selector, layers, heads, merger, hiddenRows, positions, format, rotation, sharing, retrieval
    }

    /// A setting.
    public struct Option: Hashable, Sendable {
        /// As in `name=value`.
        public var name: String
        /// What it does, with its default.
        public var help: String

        /// Describes a setting.
        public init(_ name: String, _ help: String) {
            self.name = name
            self.help = help
        }
    }

    /// As in `--kv-policy name`.
    public var name: String
    /// The parts that it decides.
    public var parts: [Part]
    /// What it does, in a sentence.
    public var summary: String
    /// Authors, year and identifier of the publication, or what it is.
    public var source: String
    /// The evidence that it records, in words.
    public var needs: String
    /// Whether it holds fewer bytes during the first prompt, too, and not only after it.
    public var lowersPrefillMemory: Bool
    /// The settings.
    public var options: [Option]
    /// Adds the component to a policy.
    public var add: @Sendable (inout KVPolicyDraft, inout KVArguments) throws(SwiftletError) -> Void

    /// Describes a component.
    public init(
        _ name: String, parts: [Part], summary: String, source: String, needs: String = "nothing",
        lowersPrefillMemory: Bool = false, options: [Option] = [],
        add: @escaping @Sendable (inout KVPolicyDraft, inout KVArguments) throws(SwiftletError) -> Void
    ) {
        self.name = name
        self.parts = parts
        self.summary = summary
        self.source = source
        self.needs = needs
        self.lowersPrefillMemory = lowersPrefillMemory
        self.options = options
        self.add = add
    }
}

/// Where components find files about a model.
public protocol KVProfileReader {
    /// The layer whose slot each layer reads.
    func sharingMap(at path: String) throws(SwiftletError) -> [Int]
    /// Effective rank of every query head, `[layers][heads]`.
    func headRanks(at path: String) throws(SwiftletError) -> [[Double]]
}

/// A policy while its components are put together.
public struct KVPolicyDraft {
    /// What has been chosen so far.
    public var policy = KVPolicy()
    /// Shapes of the model's layers.
    public let layers: [KVLayerShape]
    /// Files about the model.
    public let profiles: any KVProfileReader

    init(layers: [KVLayerShape], profiles: any KVProfileReader) {
        self.layers = layers
        self.profiles = profiles
    }

    /// Sets the selector, and takes the setting that all selectors have: `decode=every|append|N`.
    public mutating func select(
        by selector: any KVSelector, _ arguments: inout KVArguments
    ) throws(SwiftletError) {
        policy.selector = selector
        guard let text = arguments.word("decode") else { return }
        switch (text, Int(text)) {
        case ("every", _): policy.decodeRule = .everyStep
        case ("append", _): policy.decodeRule = .append
        case (_, let interval?) where interval > 0: policy.decodeRule = .periodic(interval: interval)
        default: throw arguments.refusal("decode", text, "every, append or a number of rows above 0")
        }
    }

    /// The setting that ``select(by:_:)`` takes.
    public static let decodeOption = KVComponent.Option(
        "decode", "when rows leave during generation: every (step), append (never), or so many rows at once")
}
