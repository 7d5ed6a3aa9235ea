public import SwiftletText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Draws tokens from logits through a fixed chain of stages.
///
/// Penalties change logits, the filters drop candidates, temperature flattens or sharpens what is left, and one
/// token is drawn. With temperature 0 the likeliest token after the penalties wins; ties go to the lower id.
public final class Sampler {
    /// The order in which stages run.
    public static let stageOrder = [
        "penalties", "top-k", "typical", "top-p", "min-p", "temperature", "draw",
    ]

    /// The settings.
    public let options: SamplingOptions
    /// The seed in use.
    public let seed: UInt64
    private var random: Xoshiro256
    private var history: [TokenID]
    private var candidates: [Candidate] = []

    /// A sampler at the start of a text.
    ///
    /// - Parameter history: tokens that the penalties already know, the prompt.
    public init(_ options: SamplingOptions, history: [TokenID] = []) {
        self.options = options
        seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        random = Xoshiro256(seed: seed)
        self.history = history
    }

    /// Adds a token to what the penalties know.
    public func accept(_ token: TokenID) { history.append(token) }

    /// Draws the next token.
    ///
    /// - Parameter logits: `[vocabulary]`. NaN counts as impossible.
    /// - Complexity: O(V) plus a sort of the candidates that top-k leaves.
    public func sample(_ logits: UnsafeBufferPointer<Float>) -> TokenID {
        if options.temperature == 0, !hasPenalties { return Self.likeliest(of: logits) }
        candidates.removeAll(keepingCapacity: true)
        for (id, logit) in logits.enumerated() {
            candidates.append(Candidate(id: TokenID(id), logit: logit.isNaN ? -.infinity : logit))
        }
        applyPenalties()
        if options.temperature == 0 { return likeliest() }
        applyTopK()
        var distribution = Distribution(candidates)
        distribution.keepTypical(options.typicalP)
        distribution.keepTopP(options.topP)
        distribution.dropBelow(options.minP)
        distribution.applyTemperature(options.temperature)
        return distribution.draw(&random)
    }

    private func likeliest() -> TokenID {
        var best = candidates[0]
        for candidate in candidates.dropFirst() where candidate.logit > best.logit { best = candidate }
        return best.id
    }

    /// The index of the largest logit, the lower one among equals.
    private static func likeliest(of logits: UnsafeBufferPointer<Float>) -> TokenID {
        var best = 0
        for index in logits.indices.dropFirst() where logits[index] > logits[best] || logits[best].isNaN {
            best = index
        }
        return TokenID(best)
    }

    private var hasPenalties: Bool {
        options.repeatPenalty != 1 || options.presencePenalty != 0 || options.frequencyPenalty != 0
    }

    private func applyPenalties() {
        guard hasPenalties else { return }
        let recent = options.repeatLastN < 0 ? history[...] : history.suffix(options.repeatLastN)
        var counts: [TokenID: Int] = [:]
        for token in recent { counts[token, default: 0] += 1 }
        for (token, count) in counts where candidates.indices.contains(Int(token)) {
            let logit = Double(candidates[Int(token)].logit)
            let scaled = logit > 0 ? logit / options.repeatPenalty : logit * options.repeatPenalty
            candidates[Int(token)].logit = Float(
                scaled - options.presencePenalty - Double(count) * options.frequencyPenalty)
        }
    }

    /// Leaves the candidates sorted, likeliest first.
    private func applyTopK() {
        let k = options.topK
        if k > 0, k < candidates.count { keepLargest(k) }
        candidates.sort(by: Candidate.isBefore)
    }

    /// Keeps the k best in one pass with a heap whose root is the worst kept.
    private func keepLargest(_ k: Int) {
        for root in stride(from: k / 2 - 1, through: 0, by: -1) { siftDown(root, k) }
        for index in k..<candidates.count where Candidate.isBefore(candidates[index], candidates[0]) {
            candidates[0] = candidates[index]
            siftDown(0, k)
        }
        candidates.removeSubrange(k...)
    }

    private func siftDown(_ start: Int, _ count: Int) {
        var parent = start
        while true {
            var worst = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < count {
                if Candidate.isBefore(candidates[worst], candidates[child]) { worst = child }
            }
            if worst == parent { return }
            candidates.swapAt(parent, worst)
            parent = worst
        }
    }
}

/// A token that may be drawn.
struct Candidate: Hashable {
    let id: TokenID
    var logit: Float

    /// Larger logit first, then the lower id.
    static func isBefore(_ a: Candidate, _ b: Candidate) -> Bool {
        a.logit != b.logit ? a.logit > b.logit : a.id < b.id
    }
}

/// Candidates with probabilities, likeliest first; every filter keeps at least one.
struct Distribution {
    private(set) var candidates: [Candidate]
    private(set) var probabilities: [Double] = []

    init(_ sorted: [Candidate]) {
        candidates = sorted
        normalize()
    }

    /// Keeps the smallest leading set with at least `mass` probability.
    ///
    /// Source: Holtzman et al., 2019, arXiv:1904.09751, §3.1.
    mutating func keepTopP(_ mass: Double) {
        guard mass < 1 else { return }
        keep(prefixHolding(mass, of: Array(candidates.indices)))
    }

    /// Drops candidates below `share` of the likeliest one's probability.
    ///
    /// Source: Nguyen et al., 2024, arXiv:2407.01082.
    mutating func dropBelow(_ share: Double) {
        guard share > 0, let best = probabilities.first else { return }
        keep(candidates.indices.filter { $0 == 0 || probabilities[$0] >= share * best })
    }

    /// Keeps the candidates whose surprise is nearest the entropy until they hold `mass` probability.
    ///
    /// Source: Meister et al., 2022, arXiv:2202.00666, §3.
    mutating func keepTypical(_ mass: Double) {
        guard mass < 1 else { return }
        let surprise = probabilities.map { $0 > 0 ? -log($0) : .infinity }
        let entropy = zip(probabilities, surprise).reduce(0) { $1.0 > 0 ? $0 + $1.0 * $1.1 : $0 }
        let distance = surprise.map { abs($0 - entropy) }
        let order = candidates.indices.sorted {
            distance[$0] != distance[$1] ? distance[$0] < distance[$1] : $0 < $1
        }
        keep(prefixHolding(mass, of: order).sorted())
    }

    /// Divides the logits by `temperature`.
    mutating func applyTemperature(_ temperature: Double) {
        for index in candidates.indices {
            candidates[index].logit = Float(Double(candidates[index].logit) / temperature)
        }
        normalize()
    }

    /// Draws one candidate.
    func draw(_ random: inout Xoshiro256) -> TokenID {
        var rest = random.nextUnit()
        for (candidate, probability) in zip(candidates, probabilities) {
            rest -= probability
            if rest < 0 { return candidate.id }
        }
        return candidates[0].id
    }

    private func prefixHolding(_ mass: Double, of order: [Int]) -> [Int] {
        var sum = 0.0
        var kept: [Int] = []
        for index in order {
            kept.append(index)
            sum += probabilities[index]
            if sum >= mass { break }
        }
        return kept
    }

    private mutating func keep(_ indices: [Int]) {
        candidates = indices.map { candidates[$0] }
        normalize()
    }

    private mutating func normalize() {
        guard let best = candidates.first?.logit else { return }
        probabilities = candidates.map {
            $0.logit == best ? 1 : exp(Double($0.logit) - Double(best))
        }
        let sum = probabilities.reduce(0, +)
        for index in probabilities.indices { probabilities[index] /= sum }
    }
}

/// The xoshiro256** generator: seeded draws are the same on every platform.
///
/// Source: Blackman and Vigna, 2018, arXiv:1805.01407.
struct Xoshiro256: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    init(seed: UInt64) {
        var seeds = seed
        func next() -> UInt64 {
            seeds &+= 0x9E37_79B9_7F4A_7C15
            var z = seeds
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        state = (next(), next(), next(), next())
    }

    mutating func next() -> UInt64 {
        func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
        let result = rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, 45)
        return result
    }

    /// Uniform in [0, 1).
    mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
