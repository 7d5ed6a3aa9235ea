public import SwiftletTensor

/// The prompt that a policy prepares for.
public struct KVPrompt: Hashable, Sendable {
    /// Tokens that the sequence has seen when the prompt ends.
    public var length: Int
    /// Tokens seen before the prompt.
    public var start: Int
    /// Layers of the model.
    public var layerCount: Int
    /// Rows per layer and KV head on average, if the user gave a budget.
    public var budget: Int?
    /// The layer whose cache each layer reads.
    public var owners: [Int]

    /// Describes a prompt.
    public init(length: Int, start: Int, layerCount: Int, budget: Int?, owners: [Int]) {
        self.length = length
        self.start = start
        self.layerCount = layerCount
        self.budget = budget
        self.owners = owners
    }
}

/// Drops rows of the residual stream between layers, in layer-major prefill: deeper layers compute and cache less.
///
/// One value per sequence.
public protocol KVHiddenRowRule: Sendable {
    /// Called before a prompt; plans what each layer keeps.
    ///
    /// - Throws: `.invalidArgument` if the budget cannot be met.
    mutating func prepare(for prompt: KVPrompt) throws(SwiftletError)
    /// What must be recorded for ``survivors(after:positions:)``.
    func needs(promptLength: Int) -> KVEvidence
    /// Rows that go on to the next layer, ascending, or `nil` for all. The last row must survive: its logits are
    /// the answer.
    ///
    /// - Parameter positions: of the rows that went through the layer.
    mutating func survivors(after layer: KVLayerView, positions: [Int32]) -> [Int]?
    /// How many of so many rows ``survivors(after:positions:)`` will let through after a layer that stores its rows;
    /// asked after ``prepare(for:)``.
    func survivorCount(after layer: Int, of count: Int) -> Int
}

extension KVHiddenRowRule {
    /// At most all.
    public func survivorCount(after layer: Int, of count: Int) -> Int { count }
}
