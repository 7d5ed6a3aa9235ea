import SwiftletTensor

/// The selectors by name.
extension KVComponent {
    static let selectors: [KVComponent] = [
        streaming, h2o, observed, snapkv, tova, knorm, expected, random,
    ]

    static let streaming = KVComponent(
        "streaming", parts: [.selector], summary: "Keeps the first rows and the newest ones.",
        source: "StreamingLLM, Xiao et al., 2023, arXiv:2309.17453", lowersPrefillMemory: true,
        options: [Option("sinks", "first rows that stay; default: 4"), KVPolicyDraft.decodeOption]
    ) { (draft, arguments) throws(SwiftletError) in
        let sinks = try arguments.integer("sinks", default: 4, in: 0...1_000_000)
        try draft.select(by: StreamingSelector(sinks: sinks), &arguments)
    }

    static let h2o = KVComponent(
        "h2o", parts: [.selector], summary: "Keeps the rows with the most attention of all queries so far.",
        source: "H2O, Zhang et al., 2023, arXiv:2306.14048", needs: "sums of attention over all queries",
        lowersPrefillMemory: true,
        options: [
            Option("recent", "share of the budget for the newest rows; default: 0.5"),
            Option("sinks", "first rows that stay; default: 0"), KVPolicyDraft.decodeOption,
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        let recent = try arguments.number("recent", default: 0.5, in: 0...1)
        let sinks = try arguments.integer("sinks", default: 0, in: 0...1_000_000)
        try draft.select(by: HeavyHitterSelector(recentShare: recent, sinks: sinks), &arguments)
    }

    static let observed = KVComponent(
        "observed", parts: [.selector],
        summary: "Keeps the rows with the most attention per query that could see them.",
        source: "the observed-attention form of H2O in kvpress", needs: "sums of attention over all queries",
        lowersPrefillMemory: true, options: [KVPolicyDraft.decodeOption]
    ) { (draft, arguments) throws(SwiftletError) in
        try draft.select(by: ObservedAttentionSelector(), &arguments)
    }

    static let snapkv = KVComponent(
        "snapkv", parts: [.selector],
        summary:
            "Keeps the rows that the newest queries attend to, pooled over neighbours, and these queries.",
        source: "SnapKV, Li et al., 2024, arXiv:2404.14469", needs: "the newest queries",
        lowersPrefillMemory: true, options: snapOptions(window: 64, kernel: 5)
    ) { (draft, arguments) throws(SwiftletError) in try addSnapKV(&draft, &arguments) }

    static func snapOptions(window: Int, kernel: Int) -> [Option] {
        [
            Option("window", "newest queries that are asked; default: \(window)"),
            Option("kernel", "rows that are pooled, odd; default: \(kernel)"),
            Option("pooling", "avg or max; default: avg"), KVPolicyDraft.decodeOption,
        ]
    }

    static func addSnapKV(
        _ draft: inout KVPolicyDraft, _ arguments: inout KVArguments, window: Int = 64, kernel: Int = 5
    ) throws(SwiftletError) {
        let window = try arguments.integer("window", default: window, in: 1...1_000_000)
        let kernel = try arguments.oddInteger("kernel", default: kernel, in: 1...1_001)
        let pooling = try arguments.choice(
            "pooling", default: SnapKVSelector.Pooling.average, from: ["avg": .average, "max": .maximum])
        try draft.select(
            by: SnapKVSelector(window: window, kernel: kernel, pooling: pooling), &arguments)
    }

    static let tova = KVComponent(
        "tova", parts: [.selector],
        summary: "Keeps the rows that the newest query attends to, the same for all heads.",
        source: "TOVA, Oren et al., 2024, arXiv:2401.06104", needs: "the newest query",
        lowersPrefillMemory: true, options: [KVPolicyDraft.decodeOption]
    ) { (draft, arguments) throws(SwiftletError) in try draft.select(by: TOVASelector(), &arguments) }

    static let knorm = KVComponent(
        "knorm", parts: [.selector], summary: "Keeps the rows with the shortest keys.",
        source: "Devoto et al., 2024, arXiv:2406.11430", lowersPrefillMemory: true,
        options: [KVPolicyDraft.decodeOption]
    ) { (draft, arguments) throws(SwiftletError) in try draft.select(by: KeyNormSelector(), &arguments) }

    static let expected = KVComponent(
        "expected", parts: [.selector],
        summary: "Keeps the rows that future queries are expected to attend to.",
        source: "Expected Attention, Devoto et al., 2025, arXiv:2510.00636",
        needs: "mean and covariance of the queries", lowersPrefillMemory: true,
        options: [
            Option("sinks", "first rows that stay; default: 4"),
            Option("future", "positions ahead that are averaged; default: 512"),
            Option("covariance", "whether the covariance counts; default: true"),
            Option("vnorm", "whether scores are multiplied by the value's length; default: true"),
            Option("epsilon", "added to scores before that; default: 0"), KVPolicyDraft.decodeOption,
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        let selector = ExpectedAttentionSelector(
            sinks: try arguments.integer("sinks", default: 4, in: 0...1_000_000),
            future: try arguments.integer("future", default: 512, in: 1...1_000_000),
            usesCovariance: try arguments.flag("covariance", default: true),
            usesValueNorm: try arguments.flag("vnorm", default: true),
            epsilon: try arguments.number("epsilon", default: 0, in: 0...1))
        try draft.select(by: selector, &arguments)
    }

    static let random = KVComponent(
        "random", parts: [.selector], summary: "Keeps random rows: the control of an experiment.",
        source: "the usual control", lowersPrefillMemory: true,
        options: [Option("seed", "of the choice; default: 0"), KVPolicyDraft.decodeOption]
    ) { (draft, arguments) throws(SwiftletError) in
        let seed = try arguments.integer("seed", default: 0, in: 0...Int.max)
        try draft.select(by: RandomSelector(seed: UInt64(seed)), &arguments)
    }
}
