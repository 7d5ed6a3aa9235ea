import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

/// Options in one expression.
func samplingOptions(_ change: (inout SamplingOptions) -> Void) -> SamplingOptions {
    var options = SamplingOptions()
    change(&options)
    return options
}

@Suite struct SamplerTests {
    /// Logits with ties, infinities and NaN.
    private static func logits(_ random: inout SplitMix64) -> [Float] {
        let count = Int.random(in: 1...30, using: &random)
        let wild = Int.random(in: 0..<3, using: &random) == 0
        return (0..<count).map { _ in
            if wild, Int.random(in: 0..<4, using: &random) == 0 {
                return [-.infinity, .nan, -.greatestFiniteMagnitude, 0].randomElement(using: &random) ?? 0
            }
            return Float(Int.random(in: -12...12, using: &random)) / 4
        }
    }

    private static func options(_ random: inout SplitMix64) -> SamplingOptions {
        func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }
        var options = SamplingOptions()
        options.temperature = pick([0, 1e-300, 1e-3, 0.5, 1, 1, 2, 1e9])
        options.topK = pick([0, 0, 1, 2, 3, 7, 29, 30, 1_000])
        // Sums of probabilities differ in the last bits, so no mass that a tie could hit exactly.
        options.topP = pick([1, 1, 0, 0.123, 0.517, 0.9031])
        options.typicalP = pick([1, 1, 1, 0, 0.217, 0.6043, 0.95013])
        options.minP = pick([0, 0, 0.0503, 0.3007, 1])
        return options
    }

    @Test("every stage agrees with the reference", arguments: 0..<40 as Range<UInt64>)
    func reference(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<25 {
            let logits = Self.logits(&random)
            var options = Self.options(&random)
            if options.temperature == 0 { options.temperature = 1 }
            let expected = SamplerReference(options: options).distribution(logits)
            let found = Distribution.after(options, logits)
            #expect(Set(found.keys) == Set(expected.keys), "\(logits) \(options)")
            for (id, p) in expected {
                #expect(abs((found[id] ?? -1) - p) < 1e-12, "token \(id) of \(logits), \(options)")
            }
        }
    }

    @Test("draws and penalties agree with the reference", arguments: 0..<40 as Range<UInt64>)
    func draws(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var options = Self.options(&random)
        options.repeatLastN = [-1, 0, 1, 2, 5, 64].randomElement(using: &random) ?? 0
        options.repeatPenalty = [0.5, 1, 1.3, 8].randomElement(using: &random) ?? 1
        options.presencePenalty = [0, 0.75, -1].randomElement(using: &random) ?? 0
        options.frequencyPenalty = [0, 0.5, -0.25].randomElement(using: &random) ?? 0
        options.seed = seed
        let prompt = (0..<Int.random(in: 0...8, using: &random)).map { _ in
            TokenID.random(in: -1...10, using: &random)
        }
        let sampler = Sampler(options, history: prompt)
        var reference = SamplerReference(options: options, history: prompt)
        for _ in 0..<25 {
            let logits = Self.logits(&random)
            let token = sampler.sample(logits)
            let allowed = reference.distribution(logits)
            #expect(allowed[token] != nil, "\(token) of \(logits), \(options), \(reference.history)")
            if allowed.count == 1 { #expect(allowed.keys.first == token) }
            sampler.accept(token)
            reference.history.append(token)
        }
    }

    @Test("greedy with penalties is exactly the reference", arguments: 0..<30 as Range<UInt64>)
    func greedyPenalties(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for lastN in [-1, 0, 1, 3, 64] {
            let options = samplingOptions {
                $0.temperature = 0
                $0.repeatLastN = lastN
                $0.repeatPenalty = 1.5
                $0.presencePenalty = 0.25
                $0.frequencyPenalty = 0.5
            }
            let sampler = Sampler(options)
            var reference = SamplerReference(options: options)
            for _ in 0..<20 {
                let logits = random.floats(8, in: -1...1)
                let token = sampler.sample(logits)
                #expect([token] == Array(reference.distribution(logits).keys))
                sampler.accept(token)
                reference.history.append(token)
            }
        }
    }

    @Test("greedy takes the lower id among equals and never NaN", arguments: [false, true])
    func greedy(penalties: Bool) {
        let inf = Float.infinity
        let cases: [([Float], TokenID)] = [
            ([1], 0), ([1, 1], 0), ([0, 2, 2, 1], 1), ([.nan, -5], 1), ([-5, .nan], 0), ([.nan, .nan], 0),
            ([-inf, -inf], 0), ([.nan, -inf], 0), ([-inf, .nan, -3], 2), ([.nan, .nan, -inf], 0),
            ([inf, inf], 0), ([0, inf], 1), ([-0.0, 0], 0),
        ]
        for (logits, expected) in cases {
            var options = SamplingOptions.greedy
            if penalties { options.presencePenalty = 1 }
            #expect(Sampler(options, history: [99]).sample(logits) == expected, "\(logits)")
        }
    }

    @Test("a single token, all impossible, infinite logits")
    func extremes() {
        let options = samplingOptions {
            $0.topP = 0
            $0.typicalP = 0
            $0.minP = 1
        }
        #expect(Sampler(options).sample([3]) == 0)
        #expect(Distribution.after(SamplingOptions(), [-.infinity, .nan]) == [0: 0.5, 1: 0.5])
        #expect(Distribution.after(SamplingOptions(), [1, .infinity, .infinity]) == [1: 0.5, 2: 0.5])
        #expect(Distribution.after(samplingOptions { $0.temperature = 1e-40 }, [10, 5]) == [0: 1])
        let hot = Distribution.after(samplingOptions { $0.temperature = 1e9 }, [10, -10, -.infinity])
        #expect(hot.keys.sorted() == [0, 1] && abs((hot[0] ?? 0) - 0.5) < 1e-6)
    }

    @Test("top-k keeps the lower ids of a tie")
    func topKTies() {
        for k in 1...6 {
            let kept = Distribution.after(samplingOptions { $0.topK = k }, [1, 2, 1, 2, 1, 2]).keys.sorted()
            #expect(kept == [1, 3, 5, 0, 2, 4].prefix(k).sorted())
        }
    }

    @Test("top-p keeps the token that reaches the mass, and 0 keeps one")
    func topPBoundary() {
        let logits: [Float] = [0, 0, 0, 0]  // a quarter each, exactly
        for (mass, count) in [(0, 1), (0.2, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.76, 4), (1, 4)]
        {
            let kept = Distribution.after(samplingOptions { $0.topP = mass }, logits)
            #expect(kept.keys.sorted() == (0..<count).map { TokenID($0) }, "top-p \(mass)")
        }
    }

    @Test("min-p keeps what reaches the share exactly")
    func minPBoundary() {
        #expect(Distribution.after(samplingOptions { $0.minP = 1 }, [2, 2, 1.9]).keys.sorted() == [0, 1])
        #expect(
            Distribution.after(samplingOptions { $0.minP = 0.5 }, [0, -0.6, -0.8]).keys.sorted() == [0, 1])
    }

    @Test("stages run in the order that is printed")
    func order() {
        #expect(
            Sampler.stageOrder == [
                "penalties", "top-k", "typical", "top-p", "min-p", "temperature", "draw",
            ])
        // Top-p looks at probabilities before temperature: at temperature 1 the first token holds 0.73.
        let late = samplingOptions {
            $0.topP = 0.7
            $0.temperature = 100
        }
        #expect(Distribution.after(late, [1, 0]).keys.sorted() == [0])
        // Top-k before top-p: of two equal tokens one holds half of the mass, of four a quarter.
        let both = samplingOptions {
            $0.topK = 2
            $0.topP = 0.5
        }
        #expect(Distribution.after(both, [0, 0, 0, 0]).count == 1)
        // Penalties before top-k: the penalised favourite does not take the only place.
        let first = samplingOptions {
            $0.topK = 1
            $0.presencePenalty = 5
        }
        #expect(Sampler(first, history: [0]).sample([3, 2]) == 1)
    }

    /// χ² of 9 degrees of freedom stays below 33.7 in 9,999 of 10,000 samples; the seeds are fixed.
    @Test("frequencies follow the probabilities", arguments: 0..<6 as Range<UInt64>)
    func frequencies(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let logits = random.floats(10, in: -1...1)
        let options = samplingOptions {
            $0.seed = seed
            $0.temperature = 0.8
        }
        let expected = SamplerReference(options: options).distribution(logits)
        let sampler = Sampler(options)
        var counts: [TokenID: Int] = [:]
        let draws = 5_000
        for _ in 0..<draws { counts[sampler.sample(logits), default: 0] += 1 }
        let chiSquare = expected.reduce(0) { sum, entry in
            let mean = entry.value * Double(draws)
            let difference = Double(counts[entry.key] ?? 0) - mean
            return sum + difference * difference / mean
        }
        #expect(chiSquare < 33.7)
    }

    @Test("the same seed draws the same, another seed differs, no seed differs from run to run")
    func seeds() {
        func draws(_ seed: UInt64?) -> [TokenID] {
            let sampler = Sampler(samplingOptions { $0.seed = seed })
            return (0..<64).map { _ in sampler.sample([Float](repeating: 0, count: 50)) }
        }
        let all = ([0, 1, 2, .max] as [UInt64]).map { draws($0) }
        #expect(Set(all).count == 4)
        #expect(all[1] == draws(1))
        #expect(draws(nil) != draws(nil))
        let sampler = Sampler(SamplingOptions())
        #expect(Sampler(samplingOptions { $0.seed = sampler.seed }).seed == sampler.seed)
    }

    @Test("a large vocabulary with top-k 40 agrees with sorting it")
    func large() {
        var random = SplitMix64(seed: 5)
        let logits = random.floats(20_000, in: -8...8)
        for options in [
            samplingOptions { $0.topK = 40 },
            samplingOptions { $0.topP = 0.9017 },
            samplingOptions {
                $0.topK = 40
                $0.topP = 0.9017
            },
        ] {
            let expected = SamplerReference(options: options).distribution(logits)
            #expect(Set(Distribution.after(options, logits).keys) == Set(expected.keys))
        }
    }
}

@Suite struct SamplingOptionsTests {
    @Test("what is out of range is refused by the name of its flag")
    func ranges() {
        let wrong: [(String, (inout SamplingOptions) -> Void)] = [
            ("--temp is -0.1", { $0.temperature = -0.1 }), ("--temp is nan", { $0.temperature = .nan }),
            ("--temp is inf", { $0.temperature = .infinity }), ("--top-k is -1", { $0.topK = -1 }),
            ("--top-k is 9223372036854775807", { $0.topK = .max }), ("--top-p is 1.5", { $0.topP = 1.5 }),
            ("--top-p is -0.5", { $0.topP = -0.5 }), ("--min-p is 2.0", { $0.minP = 2 }),
            ("--typical is nan", { $0.typicalP = .nan }),
            ("--repeat-penalty is 0.0", { $0.repeatPenalty = 0 }),
            ("--repeat-penalty is nan", { $0.repeatPenalty = .nan }),
            ("--presence-penalty is inf", { $0.presencePenalty = .infinity }),
            ("--frequency-penalty is nan", { $0.frequencyPenalty = .nan }),
            ("--repeat-last-n is -2", { $0.repeatLastN = -2 }),
        ]
        for (message, change) in wrong {
            expectError(.invalidArgument, message + "; expected") { try samplingOptions(change).validate() }
        }
    }

    @Test("the ends of the ranges are allowed")
    func ends() throws {
        try SamplingOptions().validate()
        try SamplingOptions.greedy.validate()
        try samplingOptions {
            $0.topP = 0
            $0.minP = 1
            $0.typicalP = 0
            $0.temperature = 1e-300
            $0.repeatPenalty = .leastNonzeroMagnitude
            $0.repeatLastN = -1
            $0.topK = Int(Int32.max)
        }.validate()
    }
}
