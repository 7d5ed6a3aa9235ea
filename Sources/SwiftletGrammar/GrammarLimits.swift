import SwiftletTensor

/// Bounds that keep hostile grammars from taking all time or memory.
enum GrammarLimits {
    /// Bytes of a grammar's text.
    static let textBytes = 4 << 20
    /// How deep groups and schemas may nest.
    static let depth = 64
    /// Quantifiers behind one symbol.
    static let quantifiers = 3
    /// How deep rules are written out inside each other.
    static let inlining = 8
    /// The largest repetition count.
    static let repetitions = 1_000_000
    /// Repetitions that need more states than this are counted instead of written out.
    static let writtenOut = 64
    /// States before the parts are made deterministic.
    static let looseStates = 400_000
    /// Entries of the tables, states × classes of bytes.
    static let tableEntries = 6_000_000
    /// Steps to make one rule deterministic, beyond those that its size allows.
    static let steps = 2_000_000
    /// Places in the grammar where one text may be at once.
    static let places = 8192
    /// Ways on behind one part at once, such as the counts that an ambiguous repetition may have reached.
    static let returns = 512
    /// States of an automaton over scalars, for patterns that must hold together.
    static let scalarStates = 6000

    /// Keywords of schemas that are read, counting each time they are merged.
    static let schemaSteps = 100_000
    /// Choices that merged schemas may come to.
    static let schemaChoices = 256
    /// Rules that a schema may come to.
    static let schemaRules = 20_000
    /// Patterns of keys in one object.
    static let keyPatterns = 4

    /// An error about one of these.
    static func exceeded(_ what: String) -> SwiftletError {
        SwiftletError(.limit, "the grammar is too large: \(what); write it with fewer or shorter repetitions")
    }
}
