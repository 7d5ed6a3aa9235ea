import Foundation
import SwiftletCache
import SwiftletEngine
import SwiftletTensor
import SwiftletText
import Testing

@testable import SwiftletEval

private let storiesPath = ProcessInfo.processInfo.environment["SWIFTLET_STORIES260K"]

/// Perplexities of a text, beside those that llama-perplexity and the guide of transformers print for it.
@Suite struct PerplexityReferenceTests {
    private static let tale = """
        Once upon a time there was a miller who lived beside a slow green river. He had three daughters and a grey cat, and all
        of them helped in the mill from morning till night. The eldest could carry two sacks of flour at once, the second knew
        the price of corn in every town, and the youngest could whistle so well that the birds came down from the trees to
        listen.

        One winter the river froze, and the wheel of the mill stood still. "What shall we eat," said the miller, "if there is
        no flour to sell?" The eldest daughter went out to break the ice with an axe, but in the night it froze again. The
        second went to the town to borrow money, but nobody would lend her any. Then the youngest said, "Let me go, father, and
        take the cat with me."

        She walked along the river until she came to the place where it springs out of the mountain. There sat an old woman
        with a beard of icicles, and she was fast asleep. The girl began to whistle, first softly, then as loud as she could.
        The old woman opened one eye and said, "It is a long time since anybody whistled to me. What do you want?" "Only that
        you turn over in your bed," said the girl, "so that the water may run." And because the cat lay warm against her feet,
        the old woman laughed and turned over, and the river ran down to the mill again.

        """

    private func perplexity(
        _ model: Model, size: Int, stride: Int? = nil,
        _ change: (inout Session.Options) throws -> Void = { _ in }
    ) throws -> (perplexity: Perplexity, guide: GuideMean) {
        let text = try EvaluationText(Array(Self.tale.utf8), for: model, named: "the tale")
        let windows: TextWindows
        if let stride {
            windows = try .sliding(text, size: size, stride: stride, limit: 3)
        } else {
            windows = try .chunks(text, size: size)
        }
        var options = Session.Options()
        options.threadCount = 1
        options.cacheFormat = try KVFormat(key: .f32, value: .f32)
        try change(&options)
        var (found, guide) = (Perplexity(), GuideMean())
        var evaluation = TextEvaluation(model, windows)
        for window in windows.windows {
            var part = Perplexity()
            let report = try evaluation.score(window, options) {
                part.add(logProbability: LogSoftmax($1).logProbability(of: $0))
            }
            #expect(report != nil)
            found.merge(part)
            guide.add(meanLoss: part.loss.value, newTokens: window.newCount)
        }
        return (found, guide)
    }

    /// `llama-perplexity -c 64 -ctk f32 -ctv f32 -fa off` prints 78.2903 +/- 19.28936; it rounds activations to
    /// half precision for weights in half precision.
    @Test("the built-in model agrees with llama-perplexity")
    func builtIn() throws {
        let found = try perplexity(Model.load(nil), size: 64).perplexity
        #expect(found.loss.count == 5 * 31)
        #expect(abs(found.value / 78.2903 - 1) < 2e-4)
        #expect(abs(found.standardError / 19.28936 - 1) < 2e-4)
    }

    /// `llama-perplexity -c 128 -ctk f32 -ctv f32 -fa off` prints 16.8988 +/- 2.57916, and 24.5930 +/- 4.52706
    /// with `-c 64`. All is computed in single precision on both sides.
    @Test(
        "a published model agrees with llama-perplexity", .enabled(if: storiesPath != nil),
        arguments: [(128, 16.8988, 2.57916), (64, 24.5930, 4.52706)])
    func stories(size: Int, value: Double, error: Double) throws {
        let found = try perplexity(try Model.load(storiesPath), size: size).perplexity
        #expect(abs(found.value / value - 1) < 1e-5)
        #expect(abs(found.standardError / error - 1) < 1e-5)
    }

    /// The first three windows of the guide's loop over the same weights in single precision, with transformers 5.23 and torch 2.13.
    @Test("overlapping windows agree with the guide of transformers")
    func guide() throws {
        let found = try perplexity(try Model.load(nil), size: 96, stride: 40)
        #expect(found.perplexity.loss.count == 175)
        #expect(abs(found.guide.perplexity / 69.81979538555873 - 1) < 1e-5)
        #expect(abs(found.perplexity.value / 69.80438694424016 - 1) < 1e-5)
    }

    @Test("a policy whose budget covers all gives the bits of the full cache", arguments: ["snapkv", "h2o"])
    func unreached(policy: String) throws {
        let model = try EvalFixture.model()
        let full = try perplexity(model, size: 40) { $0.cacheFormat = .f16 }
        let found = try perplexity(model, size: 40) {
            $0.cacheFormat = .f16
            $0.policy = try model.policy(policy, budget: "100%")
        }
        #expect(found.perplexity == full.perplexity)
        let compressed = try perplexity(model, size: 40) {
            $0.policy = try model.policy(policy + (policy == "snapkv" ? ":window=2" : ""), budget: "20%")
        }
        #expect(compressed.perplexity.value != full.perplexity.value)
    }
}
