/// In which order prefill visits tokens and layers.
public enum KVPrefillOrder: Hashable, Sendable {
    /// A chunk of tokens goes through all layers, then the next chunk.
    case chunked
    /// All tokens go through one layer before the next, so that hidden rows can be dropped between layers.
    case layerMajor
}

/// What a sequence is doing; told to policies, never guessed from the number of rows.
public enum KVPhase: Hashable, Sendable {
    /// The first prompt of a sequence.
    case prefill
    /// A prompt that continues a sequence.
    case laterTurn
    /// One generated token.
    case decode
    /// Several proposed tokens, some of which may be taken back.
    case verify
}

/// Decides which cached rows one attention layer keeps.
///
/// A policy is a value: every layer of every sequence has its own copy, so what it remembers between calls
/// cannot leak. It sees evidence and answers with a selection; it never touches storage.
public protocol KVPolicy: Sendable {
    /// Name in flags, metrics and saved caches, such as `"streaming"`.
    static var identifier: String { get }
    /// What must be recorded during attention for ``select(from:budget:)`` to work; each item costs memory.
    var needs: KVEvidence { get }
    /// The prefill order that the policy relies on.
    var prefillOrder: KVPrefillOrder { get }
    /// Rows to keep: one ascending list for all KV heads or one per head, at most `budget` per head on average.
    mutating func select(from layer: KVLayerView, budget: Int) -> KVSelection
    /// Rows of the residual stream that go on to the next layer, ascending; asked in layer-major prefill only.
    /// The last row must survive: its logits are the answer. `nil` keeps all.
    mutating func hiddenRows(after layer: KVLayerView, positions: [Int32]) -> [Int]?
}

extension KVPolicy {
    /// Chunk by chunk.
    public var prefillOrder: KVPrefillOrder { .chunked }

    /// All rows go on.
    public mutating func hiddenRows(after layer: KVLayerView, positions: [Int32]) -> [Int]? { nil }
}

/// Keeps every row: the full cache.
public struct FullPolicy: KVPolicy {
    /// `full`.
    public static let identifier = "full"

    /// The full cache has no settings.
    public init() {}

    /// Nothing needs recording.
    public var needs: KVEvidence { KVEvidence() }

    /// Every row of every head.
    public func select(from layer: KVLayerView, budget: Int) -> KVSelection {
        .perHead((0..<layer.shape.kvHeadCount).map { Array(layer.positions(ofHead: $0).indices) })
    }
}
