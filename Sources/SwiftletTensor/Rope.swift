#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Rotary position embedding: by which angle each pair of dimensions turns per position.
///
/// The frequencies are fixed when a request is admitted; a cached key carries the rotation of its own position.
/// Source: Su et al., 2021, arXiv:2104.09864, §3.2.
public struct Rope: Hashable, Sendable {
    /// Which two dimensions one angle rotates.
    public enum Pairing: Hashable, Sendable {
        /// Dimension `i` with `i + pairs`, as in Hugging Face checkpoints.
        case halves
        /// Dimension `2i` with `2i + 1`, as in GGUF files of the Llama family.
        case adjacent
    }

    /// How the frequencies of a model trained on short contexts are stretched.
    public enum Scaling: Hashable, Sendable {
        /// Unchanged frequencies.
        case none
        /// Every frequency divided by `factor` (position interpolation; Chen et al., 2023, arXiv:2306.15595).
        case linear(factor: Double)
        /// Llama 3.1: low frequencies divided by `factor`, high ones kept, a linear blend between.
        case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalContext: Int)
        /// YaRN (Peng et al., 2023, arXiv:2309.00071, §3.2–3.4): a blend by the number of rotations within the
        /// original context. `attentionFactor` multiplies cosine and sine.
        case yarn(
            factor: Double, betaFast: Double, betaSlow: Double, originalContext: Int, attentionFactor: Double,
            truncate: Bool)
        /// Explicit divisors, one per pair.
        case divisors([Float])
        /// LongRoPE (Ding et al., 2024, arXiv:2402.13753): divisors for prompts up to the original context, and for
        /// longer ones. `attentionFactor` multiplies cosine and sine.
        case longRope(short: [Float], long: [Float], originalContext: Int, attentionFactor: Double)
        /// A base that grows with prompts longer than the training's context.
        case dynamic(factor: Double, originalContext: Int)
    }

    /// What a rotation that depends on the length of the prompt is made from.
    private struct Recipe: Hashable {
        let base: Double
        let rotatedSize: Int
        let scaling: Scaling
    }

    /// Radians per position, one entry per pair.
    public let frequencies: [Double]
    /// Which dimensions form a pair.
    public let pairing: Pairing
    /// Multiplies cosine and sine; 1 except under YaRN.
    public let attentionFactor: Double
    private let recipe: Recipe?

    /// Whether the frequencies depend on the length of the first prompt.
    package var adapts: Bool { recipe != nil }

    /// The same rotation with another factor on cosine and sine.
    package func withMagnitude(_ factor: Double) -> Rope {
        Rope(frequencies: frequencies, pairing: pairing, attentionFactor: factor)
    }

    private init(frequencies: [Double], pairing: Pairing, attentionFactor: Double) {
        self.frequencies = frequencies
        self.pairing = pairing
        self.attentionFactor = attentionFactor
        recipe = nil
    }

    /// The rotation for a first prompt of `length` tokens.
    package func fitted(to length: Int) -> Rope {
        guard let recipe else { return self }
        return Rope(
            base: recipe.base, rotatedSize: recipe.rotatedSize, scaling: recipe.scaling, pairing: pairing,
            length: length)
    }

    /// Number of rotated pairs; `2 × pairs` dimensions of a head turn, the others stay.
    public var pairs: Int { frequencies.count }

    /// Creates the frequencies `base^(−2i/rotatedSize)` and stretches them.
    ///
    /// - Parameters:
    ///   - base: θ of the paper, 10,000 there.
    ///   - rotatedSize: even number of dimensions that turn, at most the head size.
    ///   - scaling: how to stretch for contexts longer than the training's.
    ///   - pairing: layout of the pairs in the checkpoint.
    ///   - length: tokens of the first prompt, by which some scalings go.
    public init(
        base: Double, rotatedSize: Int, scaling: Scaling = .none, pairing: Pairing = .halves, length: Int = 0
    ) {
        precondition(rotatedSize >= 0 && rotatedSize % 2 == 0, "rotated size \(rotatedSize) is not even")
        let plain = (0..<rotatedSize / 2).map { pow(base, -Double(2 * $0) / Double(rotatedSize)) }
        self.pairing = pairing
        switch scaling {
        case .longRope, .dynamic:
            recipe = Recipe(base: base, rotatedSize: rotatedSize, scaling: scaling)
        case .none, .linear, .llama3, .yarn, .divisors: recipe = nil
        }
        switch scaling {
        case .none:
            frequencies = plain
            attentionFactor = 1
        case .linear(let factor):
            frequencies = plain.map { $0 / factor }
            attentionFactor = 1
        case .llama3(let factor, let lowFactor, let highFactor, let originalContext):
            frequencies = plain.map {
                Self.llama3Frequency(
                    $0, factor: factor, lowFactor: lowFactor, highFactor: highFactor,
                    originalContext: Double(originalContext))
            }
            attentionFactor = 1
        case .yarn(let factor, let betaFast, let betaSlow, let originalContext, let attention, let truncate):
            let ramp = Self.yarnRamp(
                base: base, rotatedSize: rotatedSize, betaFast: betaFast, betaSlow: betaSlow,
                originalContext: Double(originalContext), truncate: truncate)
            frequencies = zip(plain, ramp).map { $0 / factor * $1 + $0 * (1 - $1) }
            attentionFactor = attention
        case .divisors(let divisors):
            precondition(divisors.count == plain.count, "\(divisors.count) divisors for \(plain.count) pairs")
            frequencies = zip(plain, divisors).map { $0 / Double($1) }
            attentionFactor = 1
        case .longRope(let short, let long, let originalContext, let attention):
            let divisors = length > originalContext ? long : short
            precondition(divisors.count == plain.count, "\(divisors.count) divisors for \(plain.count) pairs")
            frequencies = zip(plain, divisors).map { $0 / Double($1) }
            attentionFactor = attention
        case .dynamic(let factor, let originalContext):
            let stretch =
                factor * Double(max(length, originalContext)) / Double(originalContext) - (factor - 1)
            let exponent = rotatedSize > 2 ? Double(rotatedSize) / Double(rotatedSize - 2) : 1
            let grown = base * pow(stretch, exponent)
            frequencies = plain.indices.map { pow(grown, -Double(2 * $0) / Double(rotatedSize)) }
            attentionFactor = 1
        }
    }

    /// Writes cosine and sine of every pair at `positions`, both `[positions.count, pairs]`.
    ///
    /// Angles are formed in `Double`, so long contexts lose no precision.
    package func table(
        _ positions: UnsafeBufferPointer<Int32>, cosine: UnsafeMutablePointer<Float>,
        sine: UnsafeMutablePointer<Float>
    ) {
        for (row, position) in positions.enumerated() {
            for pair in 0..<pairs {
                let angle = Double(position) * frequencies[pair]
                cosine[row * pairs + pair] = Float(cos(angle) * attentionFactor)
                sine[row * pairs + pair] = Float(sin(angle) * attentionFactor)
            }
        }
    }

    /// Moves a rotated key by `distance` positions; its magnitude stays.
    ///
    /// - Parameter key: `[size]` with `size ≥ 2 × pairs`.
    package func turn(_ key: inout [Float], by distance: Int) {
        for pair in 0..<pairs {
            let angle = Double(distance) * frequencies[pair]
            let (cosine, sine) = (cos(angle), sin(angle))
            let first = pairing == .halves ? pair : 2 * pair
            let second = pairing == .halves ? pair + pairs : 2 * pair + 1
            let (x, y) = (Double(key[first]), Double(key[second]))
            key[first] = Float(x * cosine - y * sine)
            key[second] = Float(y * cosine + x * sine)
        }
    }

    /// YaRN's factor on cosine and sine: `0.1·m·ln(factor) + 1`, at least 1 (§3.4).
    package static func yarnMagnitude(_ factor: Double, _ multiplier: Double) -> Double {
        factor <= 1 ? 1 : 0.1 * multiplier * log(factor) + 1
    }

    private static func llama3Frequency(
        _ frequency: Double, factor: Double, lowFactor: Double, highFactor: Double, originalContext: Double
    ) -> Double {
        let turns = originalContext * frequency / (2 * Double.pi)  // within the original context
        if turns < lowFactor { return frequency / factor }
        if turns > highFactor { return frequency }
        let blend = (turns - lowFactor) / (highFactor - lowFactor)
        return (1 - blend) * frequency / factor + blend * frequency
    }

    /// Share of interpolation per pair: 0 for fast pairs, 1 for slow ones, linear between.
    private static func yarnRamp(
        base: Double, rotatedSize: Int, betaFast: Double, betaSlow: Double, originalContext: Double,
        truncate: Bool
    ) -> [Double] {
        func pairIndex(turns: Double) -> Double {
            Double(rotatedSize) * log(originalContext / (turns * 2 * .pi)) / (2 * log(base))
        }
        var low = pairIndex(turns: betaFast)
        var high = pairIndex(turns: betaSlow)
        if truncate {
            low = low.rounded(.down)
            high = high.rounded(.up)
        }
        low = max(low, 0)
        high = min(high, Double(rotatedSize - 1))
        if low == high { high += 0.001 }
        return (0..<rotatedSize / 2).map { min(max((Double($0) - low) / (high - low), 0), 1) }
    }
}
