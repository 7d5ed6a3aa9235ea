import SwiftletText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A token that may be drawn.
struct Candidate: Hashable {
    let id: TokenID
    let logit: Float
    var probability = 0.0

    /// Larger logit first, then the lower id.
    static func isBefore(_ a: Candidate, _ b: Candidate) -> Bool {
        a.logit != b.logit ? a.logit > b.logit : a.id < b.id
    }
}

/// The tokens that are left with their probabilities, in no particular order; every filter keeps at least one.
///
/// The memory is reused from draw to draw.
struct Distribution {
    private(set) var candidates: [Candidate] = []

    // MARK: Filling

    /// Takes the k largest logits, of equal ones those with the lower ids; 0 takes all.
    ///
    /// - Parameter logits: NaN counts as −∞. If all are −∞, all are equally likely.
    /// - Complexity: one comparison per logit that is not among the k largest so far.
    mutating func fill(with logits: UnsafeBufferPointer<Float>, topK: Int) {
        candidates.removeAll(keepingCapacity: true)
        let count = topK > 0 ? min(topK, logits.count) : logits.count
        candidates.reserveCapacity(count)
        for id in 0..<count { candidates.append(Candidate(id: TokenID(id), logit: Self.clean(logits[id]))) }
        if count < logits.count { replaceSmallest(by: logits, from: count) }
        normalize()
    }

    /// Holds one token, which is certain.
    mutating func fill(only token: TokenID) {
        candidates.removeAll(keepingCapacity: true)
        candidates.append(Candidate(id: token, logit: 0, probability: 1))
    }

    /// Keeps a heap whose root is the worst candidate, and replaces that by every better logit.
    private mutating func replaceSmallest(by logits: UnsafeBufferPointer<Float>, from start: Int) {
        for root in stride(from: candidates.count / 2 - 1, through: 0, by: -1) { siftDown(root) }
        var worst = candidates[0].logit
        // Ids rise, so an equal logit never replaces; a NaN is greater than nothing.
        for id in start..<logits.count where logits[id] > worst {
            candidates[0] = Candidate(id: TokenID(id), logit: logits[id])
            siftDown(0)
            worst = candidates[0].logit
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var worst = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < candidates.count {
                if Candidate.isBefore(candidates[worst], candidates[child]) { worst = child }
            }
            if worst == parent { return }
            candidates.swapAt(parent, worst)
            parent = worst
        }
    }

    private static func clean(_ logit: Float) -> Float { logit.isNaN ? -.infinity : logit }

    // MARK: Filters

    /// Keeps the tokens whose surprise is nearest the entropy until they hold `mass` probability.
    ///
    /// Source: Meister et al., 2022, arXiv:2202.00666, §3.
    mutating func keepTypical(_ mass: Double) {
        guard mass < 1 else { return }
        candidates.sort(by: Candidate.isBefore)
        let surprise = candidates.map { $0.probability > 0 ? -log($0.probability) : .infinity }
        let entropy = zip(candidates, surprise).reduce(0) {
            $1.0.probability > 0 ? $0 + $1.0.probability * $1.1 : $0
        }
        let distance = surprise.map { abs($0 - entropy) }
        let order = candidates.indices.sorted {
            distance[$0] != distance[$1] ? distance[$0] < distance[$1] : $0 < $1
        }
        candidates = order.map { candidates[$0] }
        keepPrefix(holding: mass)
    }

    /// Keeps the smallest set of likeliest tokens with at least `mass` probability.
    ///
    /// Tokens that cannot belong to it, because all of their kind together have less than the rest, are dropped
    /// before sorting.
    ///
    /// Source: Holtzman et al., 2019, arXiv:1904.09751, §3.1.
    mutating func keepTopP(_ mass: Double) {
        guard mass < 1 else { return }
        let least = 0.5 * (1 - mass) / Double(candidates.count)
        candidates.removeAll { $0.probability < least }
        candidates.sort(by: Candidate.isBefore)
        keepPrefix(holding: mass)
    }

    /// Drops tokens below `share` of the likeliest one's probability.
    ///
    /// Source: Nguyen et al., 2024, arXiv:2407.01082.
    mutating func dropBelow(_ share: Double) {
        guard share > 0 else { return }
        let least = share * candidates.reduce(0) { max($0, $1.probability) }
        candidates.removeAll { $0.probability < least }
        normalize()
    }

    /// Divides the logits by `temperature`, above 0.
    mutating func applyTemperature(_ temperature: Double) {
        if temperature != 1 { normalize(temperature: temperature) }
    }

    /// One token, drawn by the probabilities.
    func draw(_ random: inout Xoshiro256) -> TokenID {
        var rest = random.nextUnit()
        var last: TokenID = 0
        for candidate in candidates where candidate.probability > 0 {
            rest -= candidate.probability
            last = candidate.id
            if rest < 0 { break }
        }
        return last  // also if the probabilities add up to a little less than 1
    }

    private mutating func keepPrefix(holding mass: Double) {
        var sum = 0.0
        let end = candidates.firstIndex { candidate in
            sum += candidate.probability
            return sum >= mass
        }
        if let end { candidates.removeSubrange((end + 1)...) }
        normalize()
    }

    /// `probability = exp((logit − largest) / temperature)`, divided by the sum.
    private mutating func normalize(temperature: Double = 1) {
        let best = candidates.reduce(-Float.infinity) { max($0, $1.logit) }
        var sum = 0.0
        for index in candidates.indices {
            let logit = candidates[index].logit
            // Equal infinities have no difference.
            let weight = logit == best ? 1 : exp((Double(logit) - Double(best)) / temperature)
            candidates[index].probability = weight
            sum += weight
        }
        for index in candidates.indices { candidates[index].probability /= sum }
    }
}
