import SwiftletCache
import SwiftletModels
public import SwiftletTensor
import SwiftletText

/// Learns about a model what a cache method needs to know, from pieces of a text.
///
/// ```swift
/// let calibration = try KVCalibration(text: bytes, named: "wiki.txt", model: model)
/// let profile = try calibration.kvsharer(borrowers: 7, threshold: 0.5)
/// try profile?.write(to: "map.json")
/// ```
public struct KVCalibration: Sendable {
    /// What a calibration reads and how it computes.
    public struct Options: Sendable {
        /// Pieces of the text; `nil` is 32.
        public var samples: Int?
        /// Tokens of each; `nil` is 4096 for UNComp, 64 for KVSharer, or what text and context allow.
        public var tokens: Int?
        /// Where the pieces begin.
        public var seed = 1
        /// Threads that share the work; `nil` is one per physical core.
        public var threadCount: Int?

        /// Everything at its default.
        public init() {}
    }

    private let model: Model
    private let text: [TokenID]
    private let prefix: [TokenID]
    private let name: String
    private let textFingerprint: String
    private let options: Options

    /// Most pieces of a text.
    static let sampleLimit = 100_000

    /// Tokenises a text.
    ///
    /// - Parameters:
    ///   - text: the bytes.
    ///   - name: what a person calls it, for the profile and for errors.
    /// - Throws: `.invalidArgument` for options out of range, `.missing` if the model has no tokenizer.
    public init(
        text: [UInt8], named name: String, model: Model, options: Options = Options()
    ) throws(SwiftletError) {
        guard let tokenizer = model.tokenizer else {
            throw SwiftletError(.missing, "\(model.name) has no tokenizer, so no text can be read")
        }
        let tokens = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
        prefix = tokenizer.bos.map { tokens.first == $0 ? [$0] : [] } ?? []
        self.text = Array(tokens.dropFirst(prefix.count))
        self.model = model
        self.name = name
        self.options = options
        var hash = Fingerprint()
        hash.combine(text)
        textFingerprint = hash.hexadecimal
        try Self.check("--samples", options.samples, in: 1...Self.sampleLimit)
        try Self.check("--tokens", options.tokens, in: 2...(1 << 20))
        try Self.check("--seed", options.seed, in: 0...Int.max)
        try Self.check("-t", options.threadCount, in: 1...1_024)
        try model.check(tokens)
    }

    private static func check(
        _ flag: String, _ value: Int?, in range: ClosedRange<Int>
    ) throws(SwiftletError) {
        guard let value, !range.contains(value) else { return }
        throw SwiftletError(
            .invalidArgument, "\(flag) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
    }

    // MARK: Methods

    /// The effective ranks of all heads, for UNComp.
    ///
    /// - Parameters:
    ///   - rank: eigenvalues that count; `nil` is a quarter of the head size.
    ///   - progress: called with the work done and its total; return false to stop.
    /// - Returns: `nil` if it was stopped.
    public func uncomp(
        rank: Int? = nil, progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> KVProfile? {
        let c = model.configuration
        let rank = rank ?? UNCompSpectrum.defaultRank(headSize: c.headSize)
        try Self.check("--rank", rank, in: 1...c.headSize)
        let samples = try samples(defaultTokens: 4_096)
        let calibration = UNCompCalibration(model: model.network, compute: try compute(), rank: rank)
        var sums = [[Double]](repeating: Array(repeating: 0, count: c.headCount), count: c.layerCount)
        let total = samples.count * c.layerCount
        for (index, sample) in samples.enumerated() {
            let ranks = try calibration.effectiveRanks(of: sample) {
                progress(index * c.layerCount + $0, total)
            }
            guard let ranks else { return nil }
            for layer in sums.indices {
                for head in sums[layer].indices { sums[layer][head] += ranks[layer][head] }
            }
        }
        let means = sums.map { $0.map { $0 / Double(samples.count) } }
        return profile(samples, .uncomp(UNCompProfile(rank: rank, ranks: means)))
    }

    /// A map of layers that share caches, for KVSharer.
    ///
    /// - Parameters:
    ///   - borrowers: layers that shall read another layer's cache.
    ///   - threshold: least similarity, exclusive, of the final hidden states with the original's.
    ///   - order: which pairs of layers are tried first.
    ///   - progress: called before every trial with the trials so far and the borrowers found; return false to stop.
    /// - Returns: `nil` if it was stopped.
    public func kvsharer(
        borrowers: Int, threshold: Double = 0.5, order: KVSharerStrategy.Order = .dissimilar,
        progress: (_ trials: Int, _ borrowers: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> KVProfile? {
        let layers = model.configuration.layerCount
        try Self.check("the number of layers that borrow", borrowers, in: 0...(layers - 1))
        guard (-1...1).contains(threshold) else {
            throw SwiftletError(.invalidArgument, "--threshold is \(threshold); expected -1 to 1")
        }
        let samples = try samples(defaultTokens: 64)
        let calibration = KVSharerCalibration(
            model: model.network, compute: try compute(), texts: samples)
        let found = try calibration.find(
            target: borrowers, threshold: threshold, similarFirst: order == .similar, progress: progress)
        return found.map {
            profile(samples, .kvsharer(KVSharerStrategy($0.search, threshold: threshold, order: order)))
        }
    }

    private func compute() throws(SwiftletError) -> Compute {
        Compute(
            kernels: try Kernels.selected(),
            threadCount: options.threadCount ?? ThreadPool.defaultThreadCount)
    }

    private func profile(_ samples: [[TokenID]], _ content: KVProfile.Content) -> KVProfile {
        KVProfile(
            subject: KVProfile.Subject(model),
            provenance: KVProfile.Provenance(
                text: name, textFingerprint: textFingerprint, samples: samples.count,
                tokens: samples.first?.count ?? 0, seed: options.seed, creator: Release.name),
            content: content)
    }

    // MARK: Samples

    /// Pieces of the text of equal length at random places, each behind the token that begins a text.
    private func samples(defaultTokens: Int) throws(SwiftletError) -> [[TokenID]] {
        let available = text.count + prefix.count
        let length = min(
            options.tokens ?? min(defaultTokens, available), model.configuration.contextLength)
        guard length >= 2, length <= available else {
            throw SwiftletError(
                .invalidArgument,
                "\(name) has \(available) tokens, a piece takes \(max(length, 2)); give a longer text or lower "
                    + "--tokens")
        }
        let pieceLength = length - prefix.count
        let places = text.count - pieceLength + 1
        let count = min(options.samples ?? 32, places)
        var random = Xoshiro256(seed: UInt64(options.seed))
        var starts: Set<Int> = []
        while starts.count < count { starts.insert(Int.random(in: 0..<places, using: &random)) }
        return starts.sorted().map { prefix + text[$0..<$0 + pieceLength] }
    }
}
