import SwiftletTensor

/// Allocators and mergers by name, and the methods that are known under one name for several parts.
extension KVComponent {
    static let allocators: [KVComponent] = [pyramid, exempt, zigzag, variance, adakv, merge]
    static let methods: [KVComponent] = [pyramidkv, zigzagkv, d2o]

    static let betaOption = Option("beta", "how much less the last layer keeps than the mean; default: 20")

    static let pyramid = KVComponent(
        "pyramid", parts: [.layers], summary: "Gives lower layers more than higher ones.",
        source: "PyramidKV, Cai et al., 2024, arXiv:2406.02069", lowersPrefillMemory: true,
        options: [betaOption]
    ) { (draft, arguments) throws(SwiftletError) in
        draft.policy.layers = PyramidLayers(
            beta: try arguments.number("beta", default: 20, in: 1...1_000))
    }

    static let exempt = KVComponent(
        "exempt", parts: [.layers], summary: "Lets the first and last layers keep everything.",
        source: "skip_layers of Knorm, Devoto et al., 2024, arXiv:2406.11430", lowersPrefillMemory: true,
        options: [
            Option("bottom", "lowest layers that keep every row; default: 2"),
            Option("top", "highest layers that keep every row; default: 0"),
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        draft.policy.layers = ExemptLayers(
            bottom: try arguments.integer("bottom", default: 2, in: 0...1_000),
            top: try arguments.integer("top", default: 0, in: 0...1_000))
    }

    static let pyramidkv = KVComponent(
        "pyramidkv", parts: [.layers, .selector], summary: "Is pyramid+snapkv.",
        source: "PyramidKV, Cai et al., 2024, arXiv:2406.02069", needs: "the newest queries",
        lowersPrefillMemory: true, options: [betaOption] + snapOptions(window: 64, kernel: 5)
    ) { (draft, arguments) throws(SwiftletError) in
        try pyramid.add(&draft, &arguments)
        try addSnapKV(&draft, &arguments)
    }

    static let zigzagOptions = [
        Option("tau", "share of attention that a layer has to keep; default: 0.9"),
        Option("bound", "share of the budget that every layer gets; default: 0.2"),
    ]

    static let zigzag = KVComponent(
        "zigzag", parts: [.layers],
        summary: "Gives layers that need more rows to keep their attention more of the budget.",
        source: "ZigZagKV, Zhong et al., 2024, arXiv:2412.09036", needs: "the newest queries",
        options: zigzagOptions + [Option("queries", "newest queries that are asked; default: 32")]
    ) { (draft, arguments) throws(SwiftletError) in try addZigZag(&draft, &arguments) }

    private static func addZigZag(
        _ draft: inout KVPolicyDraft, _ arguments: inout KVArguments
    ) throws(SwiftletError) {
        draft.policy.layers = UncertaintyLayers(
            threshold: try arguments.number("tau", default: 0.9, in: 0.01...1),
            window: try arguments.integer("queries", default: 32, in: 1...1_000_000),
            boundRatio: try arguments.number("bound", default: 0.2, in: 0...1))
    }

    static let zigzagkv = KVComponent(
        "zigzagkv", parts: [.layers, .selector], summary: "Is zigzag+snapkv:window=32,kernel=1.",
        source: "ZigZagKV, Zhong et al., 2024, arXiv:2412.09036", needs: "the newest queries",
        options: zigzagOptions + [Option("queries", "newest queries that are asked; default: 32")]
            + snapOptions(window: 32, kernel: 1)
    ) { (draft, arguments) throws(SwiftletError) in
        try addZigZag(&draft, &arguments)
        try addSnapKV(&draft, &arguments, window: 32, kernel: 1)
    }

    static let exemptOption = Option(
        "exempt", "whether the first two layers and the last keep every row; default: true")

    static let variance = KVComponent(
        "variance", parts: [.layers], summary: "Gives layers with evenly spread attention more.",
        source: "D2O, Wan et al., 2024, arXiv:2406.13035", needs: "sums of attention over all queries",
        options: [exemptOption]
    ) { (draft, arguments) throws(SwiftletError) in try addVariance(&draft, &arguments) }

    private static func addVariance(
        _ draft: inout KVPolicyDraft, _ arguments: inout KVArguments
    ) throws(SwiftletError) {
        let exempts = try arguments.flag("exempt", default: true)
        draft.policy.layers = VarianceLayers(
            exemptBottom: exempts ? 2 : 0, exemptTop: exempts ? 1 : 0)
    }

    static let mergeOptions = [
        Option("mode", "paper or reference; default: paper"),
        Option("beta", "weight of the newest similarity in the threshold; default: 0.7"),
        Option("self", "weight of the kept row itself; default: e"),
        Option("keys", "whether keys are merged, too; default: true"),
    ]

    static let merge = KVComponent(
        "merge", parts: [.merger], summary: "Folds evicted rows into the most similar kept ones.",
        source: "D2O, Wan et al., 2024, arXiv:2406.13035", lowersPrefillMemory: true,
        options: mergeOptions
    ) { (draft, arguments) throws(SwiftletError) in try addMerger(&draft, &arguments) }

    private static func addMerger(
        _ draft: inout KVPolicyDraft, _ arguments: inout KVArguments
    ) throws(SwiftletError) {
        draft.policy.merger = CompensationMerger(
            mode: try arguments.choice(
                "mode", default: .paper, from: ["paper": .paper, "reference": .reference]),
            beta: try arguments.number("beta", default: 0.7, in: 0...1),
            selfWeight: try arguments.number("self", default: 2.718281828459045, in: 0.001...1_000),
            mergesKeys: try arguments.flag("keys", default: true))
    }

    static let d2o = KVComponent(
        "d2o", parts: [.layers, .selector, .merger],
        summary: "Is variance+h2o:sinks=4,recent=0.25+merge.",
        source: "D2O, Wan et al., 2024, arXiv:2406.13035", needs: "sums of attention over all queries",
        options: [
            exemptOption, Option("recent", "share of the budget for the newest rows; default: 0.25"),
            Option("sinks", "first rows that stay; default: 4"),
        ] + mergeOptions + [KVPolicyDraft.decodeOption]
    ) { (draft, arguments) throws(SwiftletError) in
        try addVariance(&draft, &arguments)
        try addMerger(&draft, &arguments)
        let recent = try arguments.number("recent", default: 0.25, in: 0...1)
        let sinks = try arguments.integer("sinks", default: 4, in: 0...1_000_000)
        try draft.select(by: HeavyHitterSelector(recentShare: recent, sinks: sinks), &arguments)
    }

    static let adakv = KVComponent(
        "adakv", parts: [.heads],
        summary: "Lets the heads of a layer compete for its rows; every head's memory is its own.",
        source: "AdaKV, Feng et al., 2024, arXiv:2407.11550", lowersPrefillMemory: true,
        options: [Option("alpha", "share of the budget that is every head's own; default: 0.2")]
    ) { (draft, arguments) throws(SwiftletError) in
        draft.policy.heads = AdaptiveHeads(
            safeguard: try arguments.number("alpha", default: 0.2, in: 0...1))
    }
}
