public import SwiftletTensor

extension KVPolicy {
    /// Reads a specification: components joined by `+`, each `NAME` or `NAME:setting=value,…`.
    ///
    /// - Parameters:
    ///   - text: such as `kvsharer:map.json+snapkv:window=32+q8_0`; a backslash before `+`, `:`, `,` or `=` makes
    ///     it part of a name or a path.
    ///   - budget: the bound, or `nil` for the default.
    ///   - layers: shapes of the model's layers.
    ///   - profiles: reads files that components name.
    /// - Throws: `.invalidArgument` for an unknown component or setting (with the nearest name) and for
    ///   combinations that cannot work (with the reason); what `profiles` throws.
    public init(
        parsing text: String, budget: KVBudget?, layers: [KVLayerShape], profiles: any KVProfileReader
    ) throws(SwiftletError) {
        var draft = KVPolicyDraft(layers: layers, profiles: profiles)
        draft.policy.budget = budget
        draft.policy.specification = text
        var deciders: [KVComponent.Part: String] = [:]
        let pieces = KVPolicySyntax.split(text, at: "+")
        guard !pieces.isEmpty else {
            throw SwiftletError(
                .invalidArgument,
                "--kv-policy is empty; expected components such as snapkv+q8_0, see 'swiftlet kv list'")
        }
        for piece in pieces {
            let parts = KVPolicySyntax.split(piece, at: ":")
            let component = try Self.component(named: parts.first ?? "")
            for part in component.parts {
                if let other = deciders.updateValue(component.name, forKey: part) {
                    throw SwiftletError(
                        .invalidArgument,
                        "--kv-policy '\(text)' cannot work: '\(other)' and '\(component.name)' both decide "
                            + "\(part.phrase); keep one of them")
                }
            }
            var arguments = KVArguments(
                component: component.name, text: parts.dropFirst().joined(separator: ":"))
            try component.add(&draft, &arguments)
            try arguments.finish(known: component.options.map(\.name))
        }
        self = draft.policy
        try validate(layers: layers)
    }

    private static func component(named name: String) throws(SwiftletError) -> KVComponent {
        if let component = KVComponent.all.first(where: { $0.name == name }) { return component }
        let names = KVComponent.all.map(\.name)
        throw SwiftletError(
            .invalidArgument,
            "--kv-policy has an unknown component '\(name)'\(Spelling.suggestion(for: name, from: names)); "
                + "'swiftlet kv list' shows all")
    }
}

extension KVComponent.Part {
    /// What the part decides, in words.
    public var phrase: String {
        switch self {
        case .selector: "which rows stay"
        case .layers: "the budget of each layer"
        case .heads: "the budget of each head"
        case .merger: "how evicted rows are merged"
        case .hiddenRows: "which rows of the residual stream go on"
        case .positions: "the positions of rows"
        case .format: "the number format"
        case .rotation: "how rows are rotated"
        case .sharing: "which layers share a cache"
        case .retrieval: "which rows are read"
        }
    }
}
