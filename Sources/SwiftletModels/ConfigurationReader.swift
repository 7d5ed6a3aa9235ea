import SwiftletFormats
package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Typed look-ups in `config.json`: an absent or null key takes the reference's default, a wrong type is an error.
struct ConfigurationReader {
    let json: JSON
    let source: String
    /// Other names of keys in this architecture's files, which come first.
    private let aliases: [String: String]

    init(_ directory: HuggingFaceDirectory, aliases: [String: String] = [:]) throws(SwiftletError) {
        json = try directory.config()
        source = "\(directory.path)/config.json"
        self.aliases = aliases
    }

    init(json: JSON, source: String) {
        self.json = json
        self.source = source
        aliases = [:]
    }

    /// Refuses a setting that changes the arithmetic, unless it has the one value that is implemented.
    func require(_ key: String, _ value: Bool) throws(SwiftletError) {
        guard let found = try bool(key), found != value else { return }
        throw SwiftletError(
            .unsupported, "\(source): '\(key)' is \(found), which is not supported; expected \(value)")
    }

    func int(_ key: String) throws(SwiftletError) -> Int? {
        guard let value = present(key) else { return nil }
        guard let int = value.int else { throw wrong(key, value, "an integer") }
        return int
    }

    func double(_ key: String) throws(SwiftletError) -> Double? {
        guard let value = present(key) else { return nil }
        guard let double = value.double, double.isFinite else { throw wrong(key, value, "a number") }
        return double
    }

    func bool(_ key: String) throws(SwiftletError) -> Bool? {
        guard let value = present(key) else { return nil }
        guard let bool = value.bool else { throw wrong(key, value, "true or false") }
        return bool
    }

    func string(_ key: String) throws(SwiftletError) -> String? {
        guard let value = present(key) else { return nil }
        guard let string = value.string else { throw wrong(key, value, "a string") }
        return string
    }

    func object(_ key: String) throws(SwiftletError) -> ConfigurationReader? {
        guard let value = present(key) else { return nil }
        guard value.kind == .object else { throw wrong(key, value, "an object") }
        return ConfigurationReader(json: value, source: "\(source), '\(key)'")
    }

    func strings(_ key: String) throws(SwiftletError) -> [String]? {
        guard let value = present(key) else { return nil }
        let strings = value.elements.compactMap(\.string)
        guard value.kind == .array, strings.count == value.count else { throw wrong(key, value, "strings") }
        return strings
    }

    func doubles(_ key: String) throws(SwiftletError) -> [Double]? {
        guard let value = present(key) else { return nil }
        let numbers = value.elements.compactMap(\.double)
        guard value.kind == .array, numbers.count == value.count, numbers.allSatisfy(\.isFinite) else {
            throw wrong(key, value, "numbers")
        }
        return numbers
    }

    func ints(_ key: String) throws(SwiftletError) -> [Int]? {
        guard let value = present(key) else { return nil }
        let numbers = value.elements.compactMap(\.int)
        guard value.kind == .array, numbers.count == value.count else {
            throw wrong(key, value, "integers")
        }
        return numbers
    }

    /// Whether the file says something under a key, be it null.
    func mentions(_ key: String) -> Bool { json[key] != nil || aliases[key].map { json[$0] != nil } == true }

    private func present(_ key: String) -> JSON? {
        if let alias = aliases[key], let value = json[alias], !value.isNull { return value }
        guard let value = json[key], !value.isNull else { return nil }
        return value
    }

    private func wrong(_ key: String, _ value: JSON, _ expected: String) -> SwiftletError {
        SwiftletError(.malformed, "\(source): '\(key)' is \(Self.describe(value)), expected \(expected)")
    }

    /// A number or truth value as itself, a string in quotes and shortened, anything else by its kind.
    private static func describe(_ value: JSON) -> String {
        if let int = value.int { return "\(int)" }
        if let double = value.double { return "\(double)" }
        if let bool = value.bool { return "\(bool)" }
        if let string = value.string { return "the string '\(string.prefix(40))'" }
        return "of type \(value.kind.rawValue)"
    }
}

/// What a ``Rope`` is made of.
package struct RopeParameters: Hashable, Sendable {
    /// θ of the paper.
    package var base: Double
    /// Dimensions of a head that turn.
    package var rotatedSize: Int
    package var scaling: Rope.Scaling

    package init(base: Double, rotatedSize: Int, scaling: Rope.Scaling = .none) {
        (self.base, self.rotatedSize, self.scaling) = (base, rotatedSize, scaling)
    }
}

extension ConfigurationReader {
    /// The nonlinearity under `hidden_act`, or another key.
    func activation(
        _ key: String = "hidden_act", default value: String = "silu"
    ) throws(SwiftletError) -> Activation {
        switch try string(key) ?? value {
        case "silu", "swish": return .silu
        case "gelu", "gelu_python": return .gelu
        case "gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_python_tanh":
            return .geluTanh
        case "relu": return .relu
        case "relu2": return .reluSquared
        case "quick_gelu": return .quickGelu
        case let other:
            throw SwiftletError(
                .unsupported,
                "\(source): the activation '\(other)' is not supported; expected silu, gelu, "
                    + "gelu_pytorch_tanh, gelu_new, quick_gelu, relu or relu2")
        }
    }

    /// The rotation of queries and keys.
    func rope(
        headSize: Int, contextLength: Int, defaultBase: Double = 10_000, defaultShare: Double = 1,
        layerType: String? = nil, pairing: Rope.Pairing = .halves
    ) throws(SwiftletError) -> Rope {
        let parameters = try ropeParameters(
            headSize: headSize, contextLength: contextLength, defaultBase: defaultBase,
            defaultShare: defaultShare, layerType: layerType)
        return Rope(
            base: parameters.base, rotatedSize: parameters.rotatedSize, scaling: parameters.scaling,
            pairing: pairing)
    }

    /// What the rotation is made of, from `rope_parameters` or from the older `rope_theta` and `rope_scaling`.
    ///
    /// - Parameter layerType: which of several rotations, where each kind of layers has its own.
    func ropeParameters(
        headSize: Int, contextLength: Int, defaultBase: Double = 10_000, defaultShare: Double = 1,
        layerType: String? = nil
    ) throws(SwiftletError) -> RopeParameters {
        let (older, newest) = (try object("rope_scaling"), try object("rope_parameters"))
        let own = if let layerType { try newest?.object(layerType) } else { ConfigurationReader?.none }
        let newer = own ?? newest
        let parameters = older.flatMap { $0.json.count > 0 ? $0 : nil } ?? newer
        let (inner, outer) = (try parameters?.double("rope_theta"), try double("rope_theta"))
        let base = inner ?? outer ?? defaultBase
        let (innerShare, outerShare) = (
            try parameters?.double("partial_rotary_factor"), try double("partial_rotary_factor")
        )
        let partial = innerShare ?? outerShare ?? defaultShare
        guard base > 1, partial > 0, partial <= 1 else {
            throw SwiftletError(
                .malformed,
                "\(source): RoPE base \(base) and rotary share \(partial); expected a base above 1 and a share "
                    + "in 0…1")
        }
        let rotated = Int(Double(headSize) * partial)
        guard rotated % 2 == 0 else {
            throw SwiftletError(
                .unsupported, "\(source): \(rotated) rotated dimensions per head; expected an even number")
        }
        let scaling =
            try parameters?.ropeScaling(contextLength: contextLength, pairs: rotated / 2, outer: self)
            ?? Rope.Scaling.none
        return RopeParameters(base: base, rotatedSize: rotated, scaling: scaling)
    }

    /// Reads this object as RoPE parameters; `outer` holds keys that older files keep at the top level.
    private func ropeScaling(
        contextLength: Int, pairs: Int, outer: ConfigurationReader
    ) throws(SwiftletError) -> Rope.Scaling {
        let (newer, older) = (try string("rope_type"), try string("type"))
        let type = newer ?? older ?? "default"
        func positive(_ key: String, default value: Double? = nil) throws(SwiftletError) -> Double {
            guard let found = try double(key) ?? value, found > 0 else {
                throw SwiftletError(
                    .malformed, "\(source): RoPE type '\(type)' needs a positive '\(key)'")
            }
            return found
        }
        let key = "original_max_position_embeddings"
        let (top, nested) = (try outer.int(key), try int(key))
        let originalContext = top ?? nested ?? contextLength
        guard originalContext > 0 else {
            throw SwiftletError(
                .malformed, "\(source): '\(key)' is \(originalContext), expected a positive number")
        }
        switch type {
        case "default": return .none
        case "linear": return .linear(factor: try positive("factor"))
        case "llama3":
            let (low, high) = (try positive("low_freq_factor"), try positive("high_freq_factor"))
            guard low < high else {
                throw SwiftletError(
                    .malformed, "\(source): 'low_freq_factor' \(low) is not below 'high_freq_factor' \(high)"
                )
            }
            return .llama3(
                factor: try positive("factor"), lowFactor: low, highFactor: high,
                originalContext: originalContext)
        case "yarn":
            let factor = try positive("factor", default: Double(contextLength) / Double(originalContext))
            return .yarn(
                factor: factor, betaFast: try nonzero("beta_fast") ?? 32,
                betaSlow: try nonzero("beta_slow") ?? 1, originalContext: originalContext,
                attentionFactor: try yarnAttentionFactor(factor), truncate: try bool("truncate") ?? true)
        case "longrope", "su":
            return try longRope(
                pairs: pairs, stretch: Double(contextLength) / Double(originalContext), originalContext)
        case "dynamic":
            return .dynamic(factor: try positive("factor"), originalContext: contextLength)
        default:
            throw SwiftletError(
                .unsupported,
                "\(source): the RoPE type '\(type)' is not supported; expected default, linear, dynamic, llama3, "
                    + "yarn or longrope")
        }
    }

    private func longRope(
        pairs: Int, stretch: Double, _ originalContext: Int
    ) throws(SwiftletError) -> Rope.Scaling {
        var factors: [[Float]] = []
        for key in ["short_factor", "long_factor"] {
            let numbers = try doubles(key) ?? []
            guard numbers.count == pairs, numbers.allSatisfy({ $0 > 0 }) else {
                throw SwiftletError(
                    .malformed,
                    "\(source): '\(key)' has \(numbers.count) entries; expected \(pairs) positive numbers")
            }
            factors.append(numbers.map { Float($0) })
        }
        let factor = try double("factor") ?? stretch
        let plain = factor <= 1 ? 1 : (1 + log(factor) / log(Double(originalContext))).squareRoot()
        return .longRope(
            short: factors[0], long: factors[1], originalContext: originalContext,
            attentionFactor: try double("attention_factor") ?? plain)
    }

    /// A number; null and 0 count as absent.
    private func nonzero(_ key: String) throws(SwiftletError) -> Double? {
        let value = try double(key)
        return value == 0 ? nil : value
    }

    private func yarnAttentionFactor(_ factor: Double) throws(SwiftletError) -> Double {
        if let given = try double("attention_factor") { return given }
        if let mscale = try nonzero("mscale"), let all = try nonzero("mscale_all_dim") {
            return Rope.yarnMagnitude(factor, mscale) / Rope.yarnMagnitude(factor, all)
        }
        return Rope.yarnMagnitude(factor, 1)
    }
}
