import Foundation
import SwiftletText

@testable import SwiftletEngine

/// The sampler's chain once more, slow and obvious: dictionaries, full sorts, no shortcuts.
struct SamplerReference {
    var options: SamplingOptions
    var history: [TokenID] = []

    /// The probability of every token that may be drawn.
    func distribution(_ logits: [Float]) -> [TokenID: Double] {
        var left = penalized(logits).enumerated().map { (id: TokenID($0), logit: $1) }
        left.sort { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
        if options.temperature == 0 { return [left[0].id: 1] }
        if options.topK > 0 { left = Array(left.prefix(options.topK)) }
        if options.typicalP < 1 { left = typical(left) }
        if options.topP < 1 { left = prefix(left, probabilities(left), options.topP) }
        if options.minP > 0 {
            let p = probabilities(left)
            left = zip(left, p).filter { $1 >= options.minP * (p.max() ?? 0) }.map(\.0)
        }
        let p = probabilities(left, options.temperature)
        return Dictionary(uniqueKeysWithValues: zip(left.map(\.id), p)).filter { $0.value > 0 }
    }

    private func penalized(_ logits: [Float]) -> [Float] {
        let recent = options.repeatLastN < 0 ? history : Array(history.suffix(options.repeatLastN))
        return logits.enumerated().map { id, logit in
            if logit.isNaN { return -.infinity }
            let count = recent.count { $0 == TokenID(id) }
            guard count > 0 else { return logit }
            var value = Double(logit)
            value = value > 0 ? value / options.repeatPenalty : value * options.repeatPenalty
            value -= options.presencePenalty
            value -= Double(count) * options.frequencyPenalty
            return Float(value)
        }
    }

    private func typical(_ sorted: [(id: TokenID, logit: Float)]) -> [(id: TokenID, logit: Float)] {
        let p = probabilities(sorted)
        let entropy = p.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
        let distance = p.map { $0 > 0 ? abs(-log($0) - entropy) : .infinity }
        let order = sorted.indices.sorted { (distance[$0], $0) < (distance[$1], $1) }
        let kept = prefix(order.map { sorted[$0] }, order.map { p[$0] }, options.typicalP)
        return kept.sorted { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
    }

    private func prefix(
        _ list: [(id: TokenID, logit: Float)], _ p: [Double], _ mass: Double
    ) -> [(id: TokenID, logit: Float)] {
        var sum = 0.0
        var kept = 0
        repeat {
            sum += p[kept]
            kept += 1
        } while sum < mass && kept < list.count
        return Array(list.prefix(kept))
    }

    private func probabilities(
        _ list: [(id: TokenID, logit: Float)], _ temperature: Double = 1
    ) -> [Double] {
        let best = list.map(\.logit).max() ?? 0
        let weights = list.map {
            $0.logit == best ? 1 : exp((Double($0.logit) - Double(best)) / temperature)
        }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }
}

extension Sampler {
    /// Draws from an array.
    func sample(_ logits: [Float]) -> TokenID { logits.withUnsafeBufferPointer { sample($0) } }
}

extension Distribution {
    /// What the filters leave of an array, by token; without penalties.
    static func after(_ options: SamplingOptions, _ logits: [Float]) -> [TokenID: Double] {
        var distribution = Distribution()
        logits.withUnsafeBufferPointer { distribution.fill(with: $0, topK: options.topK) }
        distribution.keepTypical(options.typicalP)
        distribution.keepTopP(options.topP)
        distribution.dropBelow(options.minP)
        distribution.applyTemperature(options.temperature)
        let pairs = distribution.candidates.map { ($0.id, $0.probability) }
        return Dictionary(uniqueKeysWithValues: pairs).filter { $0.value > 0 }
    }
}
