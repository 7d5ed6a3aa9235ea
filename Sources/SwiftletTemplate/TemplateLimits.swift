/// What one rendering may use, so that a hostile template ends in an error instead of a hang or a crash.
public struct TemplateLimits: Sendable, Hashable {
    /// Evaluated nodes, compared values, visited characters in slow operations.
    public var steps: Int
    /// Bytes of UTF-8 that may be written.
    public var outputBytes: Int
    /// Bytes of all texts and lists made on the way, freed ones included.
    public var valueBytes: Int
    /// How deep expressions, statements and macro calls may nest in each other while they run.
    public var depth: Int

    /// Limits that no honest chat template reaches, even with a megabyte of conversation.
    public init(
        steps: Int = 20_000_000, outputBytes: Int = 64 << 20, valueBytes: Int = 512 << 20, depth: Int = 250
    ) {
        self.steps = steps
        self.outputBytes = outputBytes
        self.valueBytes = valueBytes
        self.depth = depth
    }

    /// The most bytes of source of a template.
    static let sourceBytes = 256 << 10
    /// How deep the syntax tree of an expression, or blocks, may be.
    static let syntaxDepth = 200
    /// How deep lists and dictionaries may nest.
    static let valueDepth = 600
    /// The most numbers of a `range`.
    static let rangeCount = 100_000
}
