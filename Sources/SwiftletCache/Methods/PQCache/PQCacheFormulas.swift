/// The settings of PQCache that its formulas read, with the defaults of its reference implementation.
///
/// Source: Zhang et al., 2024, arXiv:2407.12820; §-numbers in this folder are those of the paper where given.
package struct PQCacheSettings: Hashable, Sendable {
    /// Share of the prompt behind the sinks that a decode step attends to.
    package var ratio = 0.2
    /// Share of those tokens that is the recent window; the rest is fetched.
    package var localFraction = 0.5
    /// Tokens at the start that are always attended to.
    package var sinks = 32
    /// Sub-spaces per key, a divisor of the head size.
    package var subspaces = 2
    /// Bits per code: `2^bits` centroids per sub-space.
    package var bits = 6
    /// How long k-means runs.
    package var limits = KMeans.Limits(iterations: 10)
    /// Seed of the rows that the centroids start from.
    package var seed: UInt64 = 4321

    package init() {}

    /// Centroids per sub-space.
    package var clusters: Int { 1 << bits }

    /// What a prompt of `length` tokens is read with; `nil` where attention stays full: there is nothing to cluster,
    /// or everything would be read.
    package func budget(promptLength length: Int) -> PQCacheBudget? {
        length - sinks > clusters && ratio < 1
            ? PQCacheBudget(
                promptLength: length, sinks: sinks, ratio: ratio, localFraction: localFraction) : nil
    }
}

/// How many tokens a decode step reads; fixed once per prompt.
package struct PQCacheBudget: Hashable, Sendable {
    /// Tokens at the start that are always read.
    package let sinks: Int
    /// Newest tokens that are always read, the current one not counted.
    package let local: Int
    /// Tokens fetched from between.
    package let fetched: Int

    package init(sinks: Int, local: Int, fetched: Int) {
        self.sinks = sinks
        self.local = local
        self.fetched = fetched
    }

    /// `n = length − sinks` tokens share out: `trunc(n·ratio·localFraction)` to the window and
    /// `trunc(n·ratio·(1 − localFraction))` to fetching, each at least 1 while `ratio` is positive.
    package init(promptLength length: Int, sinks: Int, ratio: Double, localFraction: Double) {
        let count = Double(max(length - sinks, 0))
        let least = ratio > 0 ? 1 : 0
        self.sinks = sinks
        local = max(Int(count * ratio * localFraction), least)
        fetched = max(Int(count * ratio * (1 - localFraction)), least)
    }

    /// Tokens between sinks and window when `cached` tokens are cached: what can be fetched.
    package func candidates(cached: Int) -> Int { max(cached - local - sinks, 0) }

    /// Tokens that a step attends to once there are as many candidates as it fetches.
    package var attended: Int { sinks + local + fetched + 1 }
}

/// Sizes of a model's cache under PQCache, in bytes.
package struct PQCacheSizes: Hashable, Sendable {
    package let codeBitsPerToken: Int
    package let codes, centroids, full, resident: Int
    /// Codes of a token as a share of its key.
    package let codesOverKeys: Double

    /// - Parameters:
    ///   - length: tokens of the prompt.
    ///   - layers: layers that own a cache.
    ///   - bytesPerElement: of keys, values and centroids.
    package init(
        _ settings: PQCacheSettings, length: Int, layers: Int, kvHeads: Int, headSize: Int,
        bytesPerElement: Int
    ) {
        let budget = PQCacheBudget(
            promptLength: length, sinks: settings.sinks, ratio: settings.ratio,
            localFraction: settings.localFraction)
        let heads = layers * kvHeads
        let row = 2 * headSize * bytesPerElement
        codeBitsPerToken = settings.subspaces * settings.bits
        codesOverKeys = Double(codeBitsPerToken) / Double(8 * headSize * bytesPerElement)
        codes = max(length - settings.sinks, 0) * heads * codeBitsPerToken / 8
        centroids = heads * settings.clusters * headSize * bytesPerElement
        full = length * heads * row
        resident = (budget.sinks + budget.local) * heads * row
    }
}

/// How many iterations of k-means hide behind the prefill of a layer on another device.
///
/// The engine runs k-means on the threads that compute prefill, where nothing hides; it uses a fixed limit.
package struct PQCacheSchedule: Hashable, Sendable {
    /// Seconds of a layer's prefill of `n` tokens: `c₂·n² + c₁·n + c₀`, highest power first.
    package var prefill: [Double]
    /// Seconds of three iterations, `c₁·n + c₀`.
    package var threeIterations: [Double]
    /// Seconds of one more iteration, `c₁·n + c₀`.
    package var perIteration: [Double]

    package init(prefill: [Double], threeIterations: [Double], perIteration: [Double]) {
        self.prefill = prefill
        self.threeIterations = threeIterations
        self.perIteration = perIteration
    }

    /// `trunc((prefill − threeIterations) / perIteration + 3)`, within 3…300.
    package func iterations(tokens: Int) -> Int {
        func value(_ coefficients: [Double]) -> Double {
            coefficients.reduce(0) { $0 * Double(tokens) + $1 }
        }
        let fitting = (value(prefill) - value(threeIterations)) / value(perIteration) + 3
        return fitting > 3 ? Int(min(fitting, 300)) : 3
    }
}
