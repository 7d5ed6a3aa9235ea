import SwiftletTensor

extension DecoderForm {
    /// Checks numbers and sizes that no file's shapes check.
    ///
    /// - Throws: `.malformed`, naming `source` and the value.
    func validate(_ c: DecoderConfiguration, source: String) throws(SwiftletError) {
        let factors = [
            ("embedding factor", embeddingScale), ("residual factor", residualScale),
            ("logit factor", logitScale), ("attention factor", c.attentionScale),
        ]
        for (name, value) in factors where !value.isFinite {
            throw SwiftletError(.malformed, "\(source): the \(name) is \(value); expected a finite number")
        }
        let limits = [("logit cap", logitCap), ("score cap", scoreCap), ("limit", projectionLimit)]
        for case (let name, let value?) in limits where !(value.isFinite && value > 0) {
            throw SwiftletError(.malformed, "\(source): the \(name) is \(value); expected a positive number")
        }
        if case .slopes(let slopes) = position, slopes.count != c.headCount {
            throw SwiftletError(
                .malformed, "\(source): \(slopes.count) ALiBi slopes for \(c.headCount) heads")
        }
        if case .learned(let count, let offset) = position, count <= 0 || count > 1 << 28 || offset < 0 {
            throw SwiftletError(.malformed, "\(source): a table of \(count) positions")
        }
        try experts?.validate(c, source: source)
        try latent?.validate(source: source)
        try convolution?.validate(c, source: source)
    }
}

extension ExpertForm {
    fileprivate func validate(_ c: DecoderConfiguration, source: String) throws(SwiftletError) {
        guard (1...1 << 14).contains(count), (1...count).contains(used), (1...1 << 28).contains(innerSize),
            (0...1 << 28).contains(sharedSize), scale.isFinite
        else {
            throw SwiftletError(
                .malformed,
                "\(source): \(used) of \(count) experts of width \(innerSize), beside one of \(sharedSize); expected "
                    + "positive numbers and no more used than there are")
        }
        guard layers.count == c.layerCount else {
            throw SwiftletError(
                .malformed, "\(source): lists \(layers.count) kinds of layers for \(c.layerCount) layers")
        }
        guard (1...count).contains(groups), count % groups == 0, (1...groups).contains(usedGroups),
            usedGroups * (count / groups) >= used
        else {
            throw SwiftletError(
                .malformed,
                "\(source): \(used) experts from \(usedGroups) of \(groups) groups of \(count) experts; expected groups "
                    + "of equal size that hold enough")
        }
    }
}

extension ConvolutionForm {
    fileprivate func validate(_ c: DecoderConfiguration, source: String) throws(SwiftletError) {
        guard (1...1 << 10).contains(size) else {
            throw SwiftletError(
                .malformed, "\(source): a convolution over \(size) tokens; expected 1 to \(1 << 10)")
        }
        guard layers.count == c.layerCount else {
            throw SwiftletError(
                .malformed, "\(source): lists \(layers.count) kinds of layers for \(c.layerCount) layers")
        }
    }
}

extension LatentForm {
    fileprivate func validate(source: String) throws(SwiftletError) {
        let sizes = [rank, queryRank ?? 1, plainSize, rotatedSize, valueSize]
        guard sizes.allSatisfy({ (1...1 << 16).contains($0) }), rotatedSize % 2 == 0 else {
            throw SwiftletError(
                .malformed,
                "\(source): latent attention of sizes \(sizes); expected positive numbers and an even number of rotated "
                    + "dimensions")
        }
    }
}
