import SwiftletTensor

/// The methods that drop hidden states in prefill.
extension KVComponent {
    /// PyramidInfer.
    static let pyramidInfer = KVComponent(
        "pyramidinfer", parts: [.selector, .layers, .heads, .merger, .hiddenRows, .positions],
        summary: "Drops context tokens between layers in prefill, and thins generated ones in blocks.",
        source: "PyramidInfer, Yang et al., 2024, arXiv:2405.12532",
        needs: "attention of the newest fifth of the prompt; attention rows of generated tokens",
        lowersPrefillMemory: true,
        options: [
            Option("decay", "share of the context that the last layer passes on, without a budget (0.9)"),
            Option("recent", "share of the tokens that counts as recent (0.2)"),
            Option("min", "context tokens that always stay (64)"),
            Option("sinks", "first tokens that stay (4)"),
            Option("block", "generated tokens that are thinned at once (16)"),
            Option("keep", "share of such a block that the first layer keeps (0.9)"),
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        var method = PyramidInfer()
        method.decay = try arguments.number("decay", default: method.decay, in: 0...1)
        method.recentRatio = try arguments.number("recent", default: method.recentRatio, in: 0...1)
        method.minimumContext = try arguments.integer(
            "min", default: method.minimumContext, in: 0...(1 << 30))
        method.sinks = try arguments.integer("sinks", default: method.sinks, in: 0...(1 << 30))
        method.blockLength = try arguments.integer("block", default: method.blockLength, in: 1...(1 << 30))
        method.generationKeep = try arguments.number("keep", default: method.generationKeep, in: 0...1)
        method.apply(to: &draft.policy, layers: draft.layers.count)
    }

    /// UNComp.
    static let uncomp = KVComponent(
        "uncomp", parts: [.selector, .heads, .hiddenRows],
        summary: "Gives heads of high effective rank more rows, by a profile; may drop hidden states.",
        source: "UNComp, Xiong et al., 2024, arXiv:2410.03090",
        needs: "a profile of the model; the newest queries; attention rows of generated tokens",
        lowersPrefillMemory: true,
        options: [
            Option("file", "path of the profile; the name may be left out"),
            Option("stage", "whether hidden states are dropped between groups of layers (false)"),
            Option("groups", "groups of KV heads (8)"),
            Option("window", "newest queries that are asked and rows that stay (8)"),
            Option("kernel", "odd number of neighbours that are pooled (7)"),
            Option("step", "tokens that a group of layers has fewer than the one before (512)"),
            Option("min", "tokens that every group of layers keeps (1536)"),
        ]
    ) { (draft, arguments) throws(SwiftletError) in
        guard let path = arguments.path("file") else {
            throw SwiftletError(
                .invalidArgument,
                "'uncomp' needs a profile, as in uncomp:profile.json; make one with: swiftlet kv profile --method "
                    + "uncomp")
        }
        if let layer = draft.layers.firstIndex(where: { $0.content == .state }) {
            throw SwiftletError(
                .invalidArgument,
                "'uncomp' ranks the heads of every layer, but layer \(layer) has none; choose another policy")
        }
        var settings = UNComp.Settings()
        settings.dropsHiddenRows = try arguments.flag("stage", default: false)
        settings.groups = try arguments.integer("groups", default: settings.groups, in: 1...1_024)
        settings.window = try arguments.integer("window", default: settings.window, in: 1...65_536)
        settings.kernel = try arguments.oddInteger("kernel", default: settings.kernel, in: 1...65_535)
        settings.stageStep = try arguments.integer("step", default: settings.stageStep, in: 0...(1 << 30))
        settings.stageMinimum = try arguments.integer(
            "min", default: settings.stageMinimum, in: 1...(1 << 30))
        UNComp.apply(
            settings, ranks: try draft.profiles.headRanks(at: path),
            kvHeads: draft.layers.map(\.kvHeadCount), to: &draft.policy)
    }
}
