package import SwiftletTensor

/// The sizes of a model of random weights, which runs as fast as a trained one of its shape.
package struct SyntheticShape: Hashable, Sendable {
    /// Width of the residual stream.
    package var hiddenSize: Int
    /// Width of the feed-forward block.
    package var innerSize: Int
    package var layerCount: Int
    package var headCount: Int
    package var kvHeadCount: Int
    package var headSize: Int
    package var vocabularySize = 2_048
    package var contextLength = 2_048
    package var ropeBase = 10_000
    /// Whether the output matrix is the embedding matrix.
    package var tiesEmbeddings = false
    /// Sliding window of all layers, or `nil`.
    package var window: Int?

    /// Names of known shapes, smallest first: llama2.c's 15M, SmolLM2 135M and 360M, Llama 3.2 1B, TinyLlama
    /// 1.1B and Llama 2 7B.
    package static let names = ["15m", "135m", "360m", "1b", "1.1b", "7b"]

    private init(_ hidden: Int, _ inner: Int, layers: Int, heads: Int, kvHeads: Int, vocabulary: Int) {
        (hiddenSize, innerSize, layerCount) = (hidden, inner, layers)
        (headCount, kvHeadCount, headSize) = (heads, kvHeads, hidden / heads)
        vocabularySize = vocabulary
    }

    private static func named(_ name: String) -> SyntheticShape? {
        var shape: SyntheticShape
        switch name {
        case "15m": shape = .init(288, 768, layers: 6, heads: 6, kvHeads: 6, vocabulary: 32_000)
        case "135m": shape = .init(576, 1_536, layers: 30, heads: 9, kvHeads: 3, vocabulary: 49_152)
        case "360m": shape = .init(960, 2_560, layers: 32, heads: 15, kvHeads: 5, vocabulary: 49_152)
        case "1b": shape = .init(2_048, 8_192, layers: 16, heads: 32, kvHeads: 8, vocabulary: 128_256)
        case "1.1b": shape = .init(2_048, 5_632, layers: 22, heads: 32, kvHeads: 4, vocabulary: 32_000)
        case "7b": shape = .init(4_096, 11_008, layers: 32, heads: 32, kvHeads: 32, vocabulary: 32_000)
        default: return nil
        }
        shape.tiesEmbeddings = ["15m", "135m", "360m", "1b"].contains(name)
        switch name {
        case "15m": shape.contextLength = 256
        case "135m", "360m": (shape.contextLength, shape.ropeBase) = (8_192, 100_000)
        case "1b": (shape.contextLength, shape.ropeBase) = (131_072, 500_000)
        case "7b": shape.contextLength = 4_096
        default: break
        }
        return shape
    }

    /// Reads a name, numbers such as `hidden=64,layers=2,heads=4`, or a name with numbers to change.
    ///
    /// The numbers are `hidden`, `inner`, `layers`, `heads`, `kv-heads`, `head-size`, `vocab`, `context`,
    /// `rope-base`, `window` and `tied` (0 or 1). Without a name, the first, the third and the fourth are
    /// needed; `inner` is four times `hidden`, `kv-heads` is `heads` and `head-size` their quotient.
    ///
    /// - Throws: `.invalidArgument` with what is wrong; sizes are checked by ``configuration(_:)``.
    package init(_ text: String) throws(SwiftletError) {
        var parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let name = parts.first.map(String.init) ?? ""
        let base = Self.named(name)
        if base != nil { parts.removeFirst() }
        let numbers = try Self.numbers(parts, text: text)
        func needed(_ key: String) throws(SwiftletError) -> Int {
            if let number = numbers[key] { return number }
            throw Self.wrong(text, "'\(key)' is missing")
        }
        if let base {
            self = base
        } else {
            let (hidden, heads) = (try needed("hidden"), try needed("heads"))
            self.init(
                hidden, 4 * hidden, layers: try needed("layers"),
                heads: heads, kvHeads: heads, vocabulary: 2_048)
        }
        let headsChanged = numbers["hidden"] != nil || numbers["heads"] != nil
        hiddenSize = numbers["hidden"] ?? hiddenSize
        innerSize = numbers["inner"] ?? innerSize
        layerCount = numbers["layers"] ?? layerCount
        headCount = numbers["heads"] ?? headCount
        kvHeadCount = numbers["kv-heads"] ?? kvHeadCount
        headSize = numbers["head-size"] ?? (headsChanged ? hiddenSize / headCount : headSize)
        vocabularySize = numbers["vocab"] ?? vocabularySize
        contextLength = numbers["context"] ?? contextLength
        ropeBase = numbers["rope-base"] ?? ropeBase
        window = numbers["window"] ?? window
        tiesEmbeddings = numbers["tied"].map { $0 == 1 } ?? tiesEmbeddings
    }

    private static let keys = [
        "hidden", "inner", "layers", "heads", "kv-heads", "head-size", "vocab", "context", "rope-base",
        "window", "tied",
    ]

    private static func numbers(_ parts: [Substring], text: String) throws(SwiftletError) -> [String: Int] {
        var numbers: [String: Int] = [:]
        for part in parts {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(sides.first ?? "")
            guard sides.count == 2, keys.contains(key) else { throw wrong(text, "'\(part)' is not known") }
            // Tokenizers end at 2^22 tokens.
            let limits = key == "tied" ? 0...1 : 1...(key == "vocab" ? 1 << 22 : 1 << 28)
            guard let number = Int(sides[1]), limits.contains(number) else {
                throw wrong(
                    text, "'\(part)' is not a number from \(limits.lowerBound) to \(limits.upperBound)")
            }
            guard numbers.updateValue(number, forKey: key) == nil else {
                throw wrong(text, "'\(key)' appears twice")
            }
        }
        return numbers
    }

    private static func wrong(_ text: String, _ problem: String) -> SwiftletError {
        SwiftletError(
            .invalidArgument,
            "shape '\(text)': \(problem); expected \(names.joined(separator: ", ")), or numbers such as "
                + "hidden=64,layers=2,heads=4 (\(keys.joined(separator: ", "))).")
    }

    /// The configuration of a model of this shape.
    ///
    /// - Parameter architecture: `llama`, `mistral`, `qwen2` or `qwen3`.
    /// - Throws: `.malformed` if the sizes do not fit together.
    package func configuration(_ architecture: String) throws(SwiftletError) -> DecoderConfiguration {
        guard headSize % 2 == 0, headSize <= 1 << 14, layerCount <= 1 << 14 else {
            throw SwiftletError(
                .invalidArgument,
                "synthetic model: \(layerCount) layers with heads of \(headSize); expected an even head "
                    + "size, both at most \(1 << 14).")
        }
        let rope = Rope(
            base: Double(ropeBase), rotatedSize: headSize,
            pairing: architecture.hasPrefix("qwen") ? .halves : .adjacent)
        var configuration = DecoderConfiguration(
            architecture: architecture, vocabularySize: vocabularySize, hiddenSize: hiddenSize,
            innerSize: innerSize, layerCount: layerCount, headCount: headCount, kvHeadCount: kvHeadCount,
            headSize: headSize, contextLength: contextLength, normEpsilon: 1e-5, rope: rope,
            windows: Array(repeating: window, count: layerCount), tiesEmbeddings: tiesEmbeddings)
        configuration.hasQueryKeyValueBias = architecture == "qwen2"
        if architecture == "qwen3" { configuration.form.headNorm = .perHead }
        return try configuration.validated(source: "synthetic model")
    }
}
