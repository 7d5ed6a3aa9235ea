import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletText

/// A hash of everything but the tokens that the bits of a cache depend on.
struct PromptCacheKey {
    /// 32 hexadecimal digits.
    let text: String

    /// Model, vocabulary, arithmetic, layers and their sharing, number formats, rotation, policy and adapters.
    ///
    /// The arithmetic counts because sums have another order on another instruction set. Of the policy the settings
    /// count, whatever the words that it was written in, and what it read from files. A policy that only chooses which
    /// rows are read shares the files of the full cache.
    init(_ session: Session) {
        var hash = Fingerprint()
        hash.combine(Release.name)
        hash.combine(session.model.fingerprint)
        if let tokenizer = session.model.tokenizer { Self.combine(tokenizer, into: &hash) }
        hash.combine(session.instructionSet)
        hash.combine("\(session.runner.compute.activations)")
        let sequence = session.sequence
        for (shape, owner) in zip(sequence.layout.layers, sequence.layout.owners) {
            hash.combine("\(shape)")
            hash.combine(owner)
        }
        hash.combine("\(sequence.format)")
        for frequency in sequence.rope.frequencies { hash.combine(frequency.bitPattern) }
        hash.combine("\(sequence.rope.pairing)")
        hash.combine(sequence.rope.attentionFactor.bitPattern)
        hash.combine(sequence.policy.settings)
        if let changes = sequence.weightChanges { hash.combine(changes.identity) }
        text = hash.hexadecimal
    }

    private static let sampledTokens = 512

    /// Takes in the size of a vocabulary and some of its tokens, evenly spread.
    private static func combine(_ tokenizer: Tokenizer, into hash: inout Fingerprint) {
        let size = tokenizer.vocabularySize
        hash.combine(size)
        for id in stride(from: 0, to: size, by: max(size / sampledTokens, 1)) {
            hash.combine(tokenizer.bytes(of: TokenID(clamping: id)))
        }
    }

    /// The hash of a list of tokens, 32 hexadecimal digits.
    static func hash(of tokens: [TokenID]) -> String {
        var hash = Fingerprint()
        for token in tokens { hash.combine(Int(token)) }
        return hash.hexadecimal
    }
}

extension KVPolicy {
    /// All settings, whatever the words that they were written in.
    var settings: String {
        var policy = self
        policy.specification = ""
        return String(reflecting: policy)
    }
}
