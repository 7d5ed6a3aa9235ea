public import SwiftletTensor

/// What one decoder layer asks of a cache.
public struct KVLayerShape: Hashable, Sendable {
    /// What a row of a layer is.
    public enum Content: Hashable, Sendable {
        /// A key and a value, which queries attend to.
        case keyAndValue
        /// A key whose last numbers are its value (latent attention), which is stored once if the formats allow it.
        case keyWithValue
        /// What later tokens are computed from by themselves, such as the inputs of a short convolution: rows without
        /// values that are not rotated and are stored exactly, whatever the format of the cache.
        case state
    }

    /// What its rows are.
    public package(set) var content = Content.keyAndValue
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
    /// The rotation of this layer's keys and queries, if it is not that of the sequence; one without pairs rotates
    /// nothing.
    public var rope: Rope?
    /// Scores are bent to `cap·tanh(score / cap)` before the softmax; `nil` leaves them.
    public var scoreCap: Float?
    /// What a position of distance costs every query head, `[headCount]` (ALiBi); `nil` costs nothing.
    package var slopes: Vector?
    /// How many positions ahead a query sees: 0 for a causal layer, as many as there are for an encoder.
    public var lookahead = 0

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

    /// A layer whose tokens see the states of the last `window` tokens, their own included.
    public static func states(of size: Int, window: Int) -> KVLayerShape {
        var shape = KVLayerShape(headCount: 1, kvHeadCount: 1, keySize: size, valueSize: 0, window: window)
        shape.content = .state
        return shape
    }

    /// Whether rows leave by themselves, once no later token sees them; policies leave such layers alone.
    public var isWindowed: Bool { window != nil }

    /// Query heads per KV head.
    public var group: Int { headCount / kvHeadCount }

    /// The window as the kernels take it: 0 sees everything, and no two positions are further apart than the
    /// largest number.
    var kernelWindow: Int32 { Int32(clamping: window ?? 0) }

    /// The cap as the kernels take it: 0 for none.
    var kernelCap: Float { scoreCap ?? 0 }

    /// The slopes from a query head on, as long as this shape lives.
    func slopes(from head: Int) -> UnsafePointer<Float>? { slopes.map { $0.data + head } }
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
    /// The different rotations of the layers; `nil` is that of the sequence.
    package let ropes: [Rope?]
    /// For every layer the place of its rotation among ``ropes``.
    package let ropeIndices: [Int]

    /// Every layer owns a slot.
    public init(layers: [KVLayerShape]) {
        self.layers = layers
        owners = Array(layers.indices)
        (ropes, ropeIndices) = Self.ropes(of: layers)
    }

    private static func ropes(of layers: [KVLayerShape]) -> ([Rope?], [Int]) {
        var ropes: [Rope?] = []
        let indices = layers.map { layer in
            if let index = ropes.firstIndex(of: layer.rope) { return index }
            ropes.append(layer.rope)
            return ropes.count - 1
        }
        return (ropes, indices)
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
            guard owner == layer || layers[layer].content != .state else {
                throw SwiftletError(
                    .invalidArgument,
                    "layer \(layer) keeps states of its own instead of keys and values, which no layer can share"
                )
            }
            guard layers[owner] == layers[layer] else {
                throw SwiftletError(
                    .invalidArgument,
                    "layer \(layer) cannot share the cache of layer \(owner): their heads or windows differ")
            }
        }
        self.layers = layers
        self.owners = owners
        (ropes, ropeIndices) = Self.ropes(of: layers)
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

    /// Those of them whose rows a policy drops: all without a window, or all that attend if every layer has one.
    public var policyLayers: [Int] {
        let open = storingLayers.filter { !layers[$0].isWindowed }
        return open.isEmpty ? storingLayers.filter { layers[$0].content != .state } : open
    }

    /// Whether `layer` stores rows of its own.
    public func ownsSlot(_ layer: Int) -> Bool { owners[layer] == layer }
}
