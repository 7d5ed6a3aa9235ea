public import SwiftletTensor

/// Which positions the rows of a compressed cache have.
public enum KVPositionRule: Hashable, Sendable {
    /// Kept rows keep the rotation of the token that they came from.
    case original
    /// Kept rows are renumbered without gaps, up to the newest token, and their keys rotated again.
    case slot
}

/// What a cache keeps, drops, merges and shares: a composition of parts that are chosen apart.
///
/// Without a selector every row is kept. Parts are values; ``KVSequence`` copies them per layer.
public struct KVPolicy: Sendable {
    /// Ranks rows; `nil` keeps all.
    public var selector: (any KVSelector)?
    /// Divides the budget over layers.
    public var layers: any KVLayerAllocator = UniformLayers()
    /// Divides a layer's budget over its KV heads; `nil` gives every head the same.
    public var heads: (any KVHeadAllocator)?
    /// Folds evicted rows into kept ones.
    public var merger: (any KVMerger)?
    /// Drops rows of the residual stream between layers.
    public var hiddenRows: (any KVHiddenRowRule)?
    /// Chooses the rows that generated tokens attend to; `nil` is all.
    package var retrieval: (any KVRetrieval)?
    /// Positions of kept rows.
    public var positions = KVPositionRule.original
    /// Overrides when rows leave during generation.
    public var decodeRule: KVDecodeRule?
    /// The layer whose slot each layer reads; `nil` shares nothing.
    public var owners: [Int]?
    /// Number formats of cached rows, if the policy chooses them.
    public var format: KVFormat?
    /// Whether keys and values are rotated before they are stored.
    public var rotates = false
    /// Bound of the cache; `nil` is a fifth of the prompt.
    public var budget: KVBudget?
    /// The specification that this policy was read from; `full` for the full cache.
    public var specification = "full"

    /// The full cache.
    public init() {}

    /// Every row is kept.
    public static let full = KVPolicy()

    /// The budget of policies that name none.
    public static let defaultBudget = KVBudget.share(0.2)

    /// The bound, or the default where none is set.
    public var effectiveBudget: KVBudget { budget ?? Self.defaultBudget }

    /// The bound that is kept to; `nil` if every row stays, or where a method's own plan says what leaves.
    public var statedBudget: KVBudget? {
        budget == nil && selector?.boundsGeneration == false || !evicts ? nil : effectiveBudget
    }

    /// Whether rows or hidden rows may be dropped.
    public var evicts: Bool { (selector != nil || hiddenRows != nil) && budget != .share(1) }

    /// Whether the cache of a prefix may serve another continuation: not if what survives depends on tokens
    /// behind the prefix.
    public var prefixIsReusable: Bool { !evicts && format?.ages != true }

    /// When rows leave during generation.
    ///
    /// A share bounds the prompt, rows and bytes bound everything: under these, methods that were published for
    /// prompts alone rank again now and then. Renumbering rewrites keys, and so do rows that leave a page of groups:
    /// that is done for many tokens at once.
    var effectiveDecodeRule: KVDecodeRule {
        if let decodeRule { return decodeRule }
        switch selector?.decodeRule ?? .append {
        case .append where selector != nil && !effectiveBudget.isShare:
            return .periodic(interval: 512)
        case .everyStep where positions == .slot || format?.isGrouped == true: return .periodic(interval: 64)
        case let rule: return rule
        }
    }

    /// Whether the first prompt goes through the model layer by layer: rows are then dropped before the next
    /// layer adds its own, so that the full cache never exists.
    var wantsLayerMajor: Bool { hiddenRows != nil || (selector != nil && layers.isStatic) }

    /// What has to be recorded while a prompt is read.
    func needs(promptLength: Int) -> KVEvidence {
        var needs = hiddenRows?.needs(promptLength: promptLength) ?? KVEvidence()
        guard let selector else { return needs }
        needs.formUnion(selector.needs(promptLength: promptLength))
        needs.formUnion(layers.needs(promptLength: promptLength))
        return needs
    }

    /// What has to be recorded while tokens are generated.
    func decodeNeeds(promptLength: Int) -> KVEvidence {
        guard let selector, effectiveDecodeRule != .append else { return KVEvidence() }
        return selector.decodeNeeds(promptLength: promptLength)
    }

    /// Refuses parts that cannot work together, or with these layers.
    public func validate(layers shapes: [KVLayerShape]) throws(SwiftletError) {
        func refuse(_ reason: String) throws(SwiftletError) {
            throw SwiftletError(.invalidArgument, "--kv-policy '\(specification)' cannot work: \(reason)")
        }
        if selector == nil {
            if merger != nil { try refuse("there is nothing to merge without a selector such as h2o") }
            if heads != nil { try refuse("a budget per head needs a selector such as snapkv") }
            if !(layers is UniformLayers) {
                try refuse("a budget per layer needs a selector such as snapkv")
            }
            if positions == .slot { try refuse("rows are renumbered only where a selector drops some") }
        }
        if let selector, let heads, heads.readsScores, !selector.comparesAcrossHeads {
            try refuse("scores of this selector cannot be compared across heads; use snapkv, h2o or expected")
        }
        if evicts, let layer = shapes.firstIndex(where: \.isWindowed) {
            let window = shapes[layer].window ?? 0
            if shapes.allSatisfy(\.isWindowed) {
                try refuse(
                    "layer \(layer) has a sliding window of \(window) tokens, and no layer is without one; rows that no "
                        + "token sees any more leave by themselves")
            }
            if hiddenRows != nil {
                try refuse(
                    "it drops tokens between layers, but layer \(layer) needs the last \(window) of them; leave out the "
                        + "stages or choose another policy")
            }
        }
        if let retrieval {
            if selector != nil || hiddenRows != nil {
                try refuse("a retrieval fetches rows that a selector would drop; choose one of them")
            }
            if rotates { try refuse("a retrieval looks at keys as they are; leave out rotate") }
            if format?.ages == true {
                try refuse("a retrieval copies single rows, which kivi and age do not allow; choose q8_0")
            }
            try retrieval.validate(layers: shapes)
        }
        if positions == .slot, hiddenRows != nil || selector?.allowsRenumbering == false {
            try refuse("this selector goes by the positions of rows, so they cannot be renumbered")
        }
        if let budget, let selector, !selector.boundsGeneration, !budget.isShare {
            try refuse(
                "the budget \(budget) is a bound, but generated tokens are thinned by a fixed share; give a share "
                    + "of the prompt such as 60%")
        }
        if format?.isGrouped == true, [.everyStep, .own].contains(effectiveDecodeRule) {
            try refuse(
                "rows that leave at every step would have whole pages of kivi codes decoded and coded again; drop "
                    + "many at once, as with decode=64, or choose q4_0")
        }
        if selector != nil, hiddenRows != nil, merger != nil {
            try refuse("a merger needs the rows that the prompt's layers dropped")
        }
    }
}
