public import SwiftletText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Predictions sorted into bins of equal width by their probability: how many there are, how many came true, and the
/// sum of what was promised.
public struct CalibrationBins: Sendable, Equatable {
    /// Predictions per bin.
    public internal(set) var count: [Int]
    /// Predictions that came true.
    public internal(set) var hits: [Int]
    /// Sum of the probabilities.
    public internal(set) var confidence: [Double]

    /// Empty bins, at least one.
    public init(_ bins: Int) {
        precondition(bins > 0, "\(bins) bins")
        count = [Int](repeating: 0, count: bins)
        hits = count
        confidence = [Double](repeating: 0, count: bins)
    }

    /// The bin of a probability: bin m of M holds `m/M < p ≤ (m+1)/M`, and bin 0 holds 0, too.
    ///
    /// - Parameter p: NaN goes to bin 0, what is above 1 to the last.
    public static func index(of p: Double, bins: Int) -> Int {
        let scaled = p * Double(bins)
        if !(scaled > 1) { return 0 }
        return scaled >= Double(bins) ? bins - 1 : Int(scaled.rounded(.up)) - 1
    }

    /// Adds a prediction.
    public mutating func add(_ p: Double, isHit: Bool) {
        let bin = Self.index(of: p, bins: count.count)
        count[bin] += 1
        confidence[bin] += p
        if isHit { hits[bin] += 1 }
    }

    /// Adds the predictions of another one.
    public mutating func merge(_ other: CalibrationBins) {
        precondition(count.count == other.count.count, "\(count.count) bins and \(other.count.count)")
        for bin in count.indices {
            count[bin] += other.count[bin]
            hits[bin] += other.hits[bin]
            confidence[bin] += other.confidence[bin]
        }
    }

    /// Hits less what was promised, per bin.
    public var deviations: [Double] { zip(hits, confidence).map { Double($0) - $1 } }

    /// Share of a bin's predictions that came true; `nil` for an empty bin.
    public func accuracy(_ bin: Int) -> Double? {
        count[bin] > 0 ? Double(hits[bin]) / Double(count[bin]) : nil
    }

    /// Mean probability of a bin's predictions; `nil` for an empty bin.
    public func meanConfidence(_ bin: Int) -> Double? {
        count[bin] > 0 ? confidence[bin] / Double(count[bin]) : nil
    }

    /// `Σ |count/N| · |accuracy − mean confidence| = Σ |hits − confidence| / N`; 0 if N is.
    public func error(per total: Int) -> Double {
        total > 0 ? deviations.reduce(0) { $0 + abs($1) } / Double(total) : 0
    }
}

/// Calibration of next-token predictions, added up position by position: does what is promised come true?
///
/// **ECE** looks at the likeliest token of each position, **classwise ECE** at every token of the vocabulary by itself,
/// **Full-ECE** at all of them together: of all pairs of position and token that got probability p, a share of p
/// should be the text's next token. Nothing is kept of a position but its share in the sums.
///
/// Source: Liu et al., 2024, arXiv:2406.11345 (Full-ECE); Guo et al., 2017, arXiv:1706.04599 (ECE); Nixon et al., 2019,
/// arXiv:1904.01685 (classwise ECE). The first leaves N open; here it is the number of positions, as in the others.
public struct Calibration: Sendable {
    /// All tokens of the vocabulary.
    public private(set) var all: CalibrationBins
    /// The likeliest token of each position, of equal ones the first.
    public private(set) var top: CalibrationBins
    /// Negative log probability of the text's token.
    public private(set) var loss = Mean()
    /// `Σ (p − [is the token])²` over the vocabulary.
    public private(set) var brier = Mean()
    /// Size of the vocabulary; 0 before the first position.
    public private(set) var classCount = 0
    /// What probabilities are taken at: `softmax(logits / temperature)`.
    public let temperature: Double
    /// Hits less confidence of every class and bin, `[classes, bins]`; empty before the first position.
    private var cells: [Double] = []
    private let keepsClasses: Bool
    private var weights: [Double] = []

    /// No positions.
    ///
    /// - Parameters:
    ///   - bins: at least 1.
    ///   - temperature: above 0.
    ///   - keepsClasses: whether ``classwiseError`` is wanted; it needs ``classBytes(vocabulary:bins:)``.
    public init(bins: Int = 10, temperature: Double = 1, keepsClasses: Bool = false) {
        precondition(temperature > 0, "a temperature of \(temperature)")
        all = CalibrationBins(bins)
        top = CalibrationBins(bins)
        self.temperature = temperature
        self.keepsClasses = keepsClasses
    }

    /// Bytes that classwise ECE needs; saturates.
    public static func classBytes(vocabulary: Int, bins: Int) -> Int {
        let cells = vocabulary.multipliedReportingOverflow(by: bins)
        let bytes = cells.partialValue.multipliedReportingOverflow(by: MemoryLayout<Double>.stride)
        return cells.overflow || bytes.overflow ? .max : bytes.partialValue
    }

    /// Positions added.
    public var positionCount: Int { loss.count }
    /// Bins.
    public var binCount: Int { all.count.count }

    // MARK: Adding

    /// Adds a position from its logits, `[vocabulary]`.
    ///
    /// - Parameter target: the text's next token, one of the vocabulary.
    /// - Complexity: one exponential per token of the vocabulary.
    public mutating func add(_ logits: UnsafeBufferPointer<Float>, target: TokenID) {
        begin(logits.count)
        var best = -Float.infinity
        for logit in logits where logit > best { best = logit }
        var sum = 0.0
        for (index, logit) in logits.enumerated() {
            let weight = exp((Double(logit) - Double(best)) / temperature)
            weights[index] = weight
            sum += weight
        }
        for index in weights.indices { weights[index] /= sum }
        let logP = (Double(logits[Int(target)]) - Double(best)) / temperature - log(sum)
        addWeights(target, logProbability: logP)
    }

    /// Adds a position from its probabilities, `[vocabulary]`, which need not add up to 1 exactly.
    public mutating func add(probabilities: [Float], target: TokenID) {
        begin(probabilities.count)
        for (index, p) in probabilities.enumerated() { weights[index] = Double(p) }
        addWeights(target, logProbability: log(weights[Int(target)]))
    }

    private mutating func begin(_ vocabulary: Int) {
        if classCount == 0 {
            classCount = vocabulary
            weights = [Double](repeating: 0, count: vocabulary)
            if keepsClasses { cells = [Double](repeating: 0, count: vocabulary * binCount) }
        }
        precondition(vocabulary == classCount, "\(vocabulary) tokens after \(classCount)")
    }

    /// Adds the probabilities in ``weights``.
    private mutating func addWeights(_ target: TokenID, logProbability: Double) {
        let target = Int(target)
        let bins = Double(binCount)
        var (best, tail, tailCount, squares) = (0, 0.0, 0, 0.0)
        // Nearly all tokens belong to the first bin; their sum is added once.
        for (index, p) in weights.enumerated() {
            squares += p * p
            if p > weights[best] { best = index }
            if p * bins > 1 {
                all.add(p, isHit: index == target)
            } else {
                tail += p
                tailCount += 1
            }
        }
        let hitBin = CalibrationBins.index(of: weights[target], bins: binCount)
        all.count[0] += tailCount
        all.confidence[0] += tail
        if !(weights[target] * bins > 1) { all.hits[0] += 1 }
        top.add(weights[best], isHit: best == target)
        if keepsClasses {
            for (index, p) in weights.enumerated() {
                cells[index * binCount + CalibrationBins.index(of: p, bins: binCount)] -= p
            }
            cells[target * binCount + hitBin] += 1
        }
        loss.add(-logProbability)
        brier.add(squares - 2 * weights[target] + 1)
    }

    /// Adds the positions of another one with as many bins and the same vocabulary.
    public mutating func merge(_ other: Calibration) {
        guard other.classCount > 0 else { return }
        begin(other.classCount)
        all.merge(other.all)
        top.merge(other.top)
        for index in cells.indices { cells[index] += other.cells[index] }
        loss.merge(other.loss)
        brier.merge(other.brier)
    }

    // MARK: Results

    /// Full-ECE, from 0 to 2.
    public var fullError: Double { all.error(per: positionCount) }
    /// Full-ECE divided by the pairs of position and token, not by the positions.
    public var fullErrorPerPair: Double { all.error(per: positionCount * max(classCount, 1)) }
    /// Expected calibration error of the likeliest token.
    public var topError: Double { top.error(per: positionCount) }
    /// Mean of the calibration errors of all classes; `nil` if the classes were not kept.
    public var classwiseError: Double? {
        guard keepsClasses else { return nil }
        guard positionCount > 0 else { return 0 }
        return cells.reduce(0) { $0 + abs($1) } / Double(classCount) / Double(positionCount)
    }
    /// Share of positions whose likeliest token is the text's.
    public var accuracy: Double {
        positionCount > 0 ? Double(top.hits.reduce(0, +)) / Double(positionCount) : 0
    }
}
