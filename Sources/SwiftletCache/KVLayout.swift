public import SwiftletTensor

/// What one decoder layer asks of a cache.
public struct KVLayerShape: Hashable, Sendable {
    /// Query heads; a multiple of ``kvHeadCount``.
    public var headCount: Int
    /// Key–value heads; query head `h` reads KV head `h / (headCount / kvHeadCount)`.
    public var kvHeadCount: Int
    /// Elements of a key row.
    public var keySize: Int
    /// Elements of a value row.
    public var valueSize: Int
    /// Sliding window: a row is visible while `query position − row position < window`; `nil` sees everything.
    public var window: Int?

    /// Describes one layer.
    public init(headCount: Int, kvHeadCount: Int, keySize: Int, valueSize: Int, window: Int? = nil) {
        precondition(
            kvHeadCount > 0 && headCount % kvHeadCount == 0, "\(headCount) heads over \(kvHeadCount) KV heads"
        )
        self.headCount = headCount
        self.kvHeadCount = kvHeadCount
        self.keySize = keySize
        self.valueSize = valueSize
        self.window = window
    }

    /// Query heads per KV head.
    public var group: Int { headCount / kvHeadCount }

    /// The window as the kernels take it: 0 sees everything, and no two positions are further apart than the
    /// largest number.
    var kernelWindow: Int32 { Int32(clamping: window ?? 0) }
}

/// Which cache slot each layer uses: the layer → slot table.
///
/// Normally every layer owns a slot. Under sharing (KVSharer) a *borrower* reads the slot of an earlier layer,
/// stores nothing and needs no key and value projections.
public struct KVLayout: Hashable, Sendable {
    /// The shape of each layer, by its place in the plan.
    public let layers: [KVLayerShape]
    /// For every layer the layer whose slot it reads; an owner reads its own.
    public let owners: [Int]

    /// Every layer owns a slot.
    public init(layers: [KVLayerShape]) {
        self.layers = layers
        owners = Array(layers.indices)
    }

    /// Layers share slots: layer `i` reads the slot of layer `owners[i]`.
    ///
    /// - Throws: `.invalidArgument` unless `owners[i] ≤ i`, the owner owns itself and both shapes are equal.
    public init(layers: [KVLayerShape], owners: [Int]) throws(SwiftletError) {
        guard owners.count == layers.count else {
            throw SwiftletError(
                .invalidArgument,
                "the sharing map has \(owners.count) entries, the model has \(layers.count) layers")
        }
        for (layer, owner) in owners.enumerated() {
            guard (0...layer).contains(owner), owners[owner] == owner else {
                throw SwiftletError(
                    .invalidArgument,
                    "the sharing map sends layer \(layer) to \(owner), which is not an earlier layer that "
                        + "keeps its own cache")
            }
            guard layers[owner] == layers[layer] else {
                throw SwiftletError(
                    .invalidArgument,
                    "layer \(layer) cannot share the cache of layer \(owner): their heads or windows differ")
            }
        }
        self.layers = layers
        self.owners = owners
    }

    /// Layers share slots as a policy says.
    public init(layers: [KVLayerShape], sharedBy policy: KVPolicy) throws(SwiftletError) {
        if let owners = policy.owners {
            try self.init(layers: layers, owners: owners)
        } else {
            self.init(layers: layers)
        }
    }

    /// The layers that store rows of their own.
    public var storingLayers: [Int] { owners.indices.filter(ownsSlot) }

    /// Whether `layer` stores rows of its own.
    public func ownsSlot(_ layer: Int) -> Bool { owners[layer] == layer }
}
