import Foundation
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct GenerationTests {
    private let model: Model
    private let tokenizer: Tokenizer

    init() throws {
        model = try EngineFixture.model()
        tokenizer = try #require(model.tokenizer)
    }

    private func session(_ change: (inout Session.Options) -> Void = { _ in }) throws -> Session {
        try EngineFixture.session(change, model: model)
    }

    @Test("the text is that of the tokens, none lost", arguments: 0..<6 as Range<UInt64>)
    func text(seed: UInt64) throws {
        let written = try Written(try session(), EngineFixture.prompt(5), .test(40, seed: seed))
        #expect(written.tokens.count == 40)
        #expect(written.reason == .length)
        #expect(written.text == tokenizer.continuation(written.tokens))
    }

    @Test("the leading space of a continuation stays, that of a whole text goes")
    func leadingSpace() throws {
        let space = try #require(tokenizer.id(of: "▁"))
        #expect(tokenizer.bytes(of: space) == Array(" ".utf8))
        for (prompt, expected) in [([1, space], " "), ([1], "")] as [([TokenID], String)] {
            var options = GenerationOptions.test(1)
            // The penalty works the other way round and makes the space certain.
            options.sampling.presencePenalty = -1e6
            options.sampling.repeatLastN = prompt.count == 1 ? 0 : 1
            let written = try Written(try session(), prompt, options)
            if written.tokens == [space] { #expect(written.text == expected) }
            if prompt.count == 2 { #expect(written.tokens == [space]) }
        }
    }

    @Test("no token is asked for", arguments: [0, 1, 2])
    func few(count: Int) throws {
        let session = try session()
        let written = try Written(session, EngineFixture.prompt(5), .test(count))
        #expect(written.tokens.count == count && written.reason == .length)
        #expect(session.tokens == EngineFixture.prompt(5) + written.tokens.dropLast())
    }

    @Test("a stop token ends the text and is no part of it")
    func stopToken() throws {
        let all = try Written(try session(), EngineFixture.prompt(5), .test(30, seed: 3))
        for end in Set(all.tokens) {
            var options = GenerationOptions.test(30, seed: 3)
            options.stopTokens = [end, 319]
            let session = try session()
            let written = try Written(session, EngineFixture.prompt(5), options)
            let count = all.tokens.firstIndex { $0 == end || $0 == 319 } ?? all.tokens.count
            #expect(written.tokens == Array(all.tokens[..<count]))
            #expect(written.reason == .stopToken(all.tokens[count]))
            #expect(written.text == tokenizer.continuation(written.tokens))
            #expect(session.tokens == EngineFixture.prompt(5) + written.tokens)
            options.ignoresStopTokens = true
            #expect(try Written(try self.session(), EngineFixture.prompt(5), options) == all)
        }
    }

    @Test("a stop string ends the text before it, wherever it lies")
    func stopString() throws {
        let all = try Written(try session(), EngineFixture.prompt(5), .test(20, seed: 4))
        let letters = Array(all.text)
        for start in stride(from: 0, to: letters.count, by: 3) {
            for length in 1...3 where start + length <= letters.count {
                var options = GenerationOptions.test(20, seed: 4)
                let stop = String(letters[start..<start + length])
                options.stopStrings = ["never", stop]
                let written = try Written(try session(), EngineFixture.prompt(5), options)
                let expected = all.text.range(of: stop)?.lowerBound
                #expect(written.text == expected.map { String(all.text[..<$0]) }, "stop '\(stop)'")
                #expect(written.reason == .stopString(stop))
            }
        }
    }

    @Test("text that might have begun a stop string comes out at the end", arguments: [nil, 8])
    func heldBack(cancelAfter: Int?) throws {
        let count = cancelAfter ?? 12
        let all = try Written(try session(), EngineFixture.prompt(5), .test(count, seed: 5))
        for length in 1...4 {
            var options = GenerationOptions.test(12, seed: 5)
            options.stopStrings = [String(all.text.suffix(length)) + "\u{7} and more"]
            let written = try Written(
                try session(), EngineFixture.prompt(5), options, cancelAfter: cancelAfter)
            #expect(written.text == all.text)
            #expect(written.reason == (cancelAfter == nil ? .length : .cancelled))
        }
    }

    // MARK: Context

    @Test("the context is used to its end and no further", arguments: [1, 5, 62, 63, 64])
    func context(promptCount: Int) throws {
        let session = try session()
        let written = try Written(session, EngineFixture.prompt(promptCount), .test(nil))
        #expect(written.reason == .context)
        #expect(written.tokens.count == 64 - promptCount)
        #expect(session.tokens == EngineFixture.prompt(promptCount) + written.tokens)
    }

    @Test("a prompt that is too long is refused before any work")
    func tooLong() throws {
        let session = try session()
        var progressed = false
        expectError(.limit, "the prompt has 65 tokens", "the context holds 64", "-c") {
            try Generation(session, prompt: EngineFixture.prompt(65), options: .test(1)) { _ in
                progressed = true
                return true
            }
        }
        #expect(!progressed && session.tokens.isEmpty && session.cacheBytes == 0)
        _ = try session.feed(EngineFixture.prompt(60))
        expectError(.limit, "the prompt has 5 tokens after 60", "64") {
            try Generation(session, prompt: EngineFixture.prompt(5), options: .test(1))
        }
        #expect(session.tokens.count == 60)
        _ = try session.feed(EngineFixture.prompt(4))
    }

    @Test("a context of one token")
    func contextOfOne() throws {
        let written = try Written(try session { $0.contextLength = 1 }, [1], .test(nil))
        #expect(written.tokens.isEmpty && written.reason == .context)
        expectError(.limit, "2 tokens", "holds 1") {
            try Written(try session { $0.contextLength = 1 }, [1, 5], .test(nil))
        }
    }

    // MARK: Cancelling

    @Test("cancelling in the prompt keeps what is done", arguments: [4, 8, 10])
    func cancelPrompt(after: Int) throws {
        let session = try session { $0.batchSize = 4 }
        let prompt = EngineFixture.prompt(10)
        var generation = try Generation(session, prompt: prompt, options: .test(5)) { $0 < after }
        #expect(generation.finishReason == .cancelled)
        #expect(try generation.next() == nil)
        #expect(generation.tokens.isEmpty && generation.statistics.promptTokens == after)
        #expect(session.tokens == Array(prompt.prefix(after)))
        // The rest can be fed later.
        try session.truncate(to: min(after, 8))
        let written = try Written(session, Array(prompt[min(after, 8)...]), .test(5))
        #expect(written == (try Written(try self.session(), prompt, .test(5))))
    }

    @Test("cancelling keeps what was written", arguments: 1...5)
    func cancel(after: Int) throws {
        let session = try session()
        let all = try Written(try self.session(), EngineFixture.prompt(5), .test(8))
        let written = try Written(session, EngineFixture.prompt(5), .test(8), cancelAfter: after)
        #expect(written.tokens == Array(all.tokens.prefix(after)) && written.reason == .cancelled)
        #expect(session.tokens == EngineFixture.prompt(5) + written.tokens.dropLast())
    }

    // MARK: Errors and reports

    @Test("wrong options and tokens are refused, the session stays as it was")
    func wrong() throws {
        let session = try session()
        let prompt = EngineFixture.prompt(3)
        _ = try session.feed(prompt)
        expectError(.invalidArgument, "-n", "-1") { try Written(session, prompt, .test(-1)) }
        var options = GenerationOptions.test(1)
        options.sampling.topP = 2
        expectError(.invalidArgument, "--top-p") { try Written(session, prompt, options) }
        expectError(.invalidArgument, "no token") { try Written(session, [], .test(1)) }
        for id in [320, -1, .max, .min] as [TokenID] {
            expectError(.invalidArgument, "token id \(id)", "0 to 319") {
                try Written(session, [5, id], .test(1))
            }
        }
        #expect(session.tokens == prompt)
    }

    @Test("seeds repeat, and the seed in use is reported")
    func seeds() throws {
        func write(_ seed: UInt64) throws -> Written {
            try Written(try session(), EngineFixture.prompt(5), .test(20, seed: seed))
        }
        #expect(try write(7) == write(7))
        #expect(try write(7) != write(8))
        var options = GenerationOptions.test(20, seed: 0)
        options.sampling.seed = nil
        var free = try Generation(try session(), prompt: EngineFixture.prompt(5), options: options)
        while try free.next() != nil {}
        #expect(try write(free.seed).tokens == free.tokens)
    }

    @Test("statistics count what was done")
    func statistics() throws {
        let session = try session()
        _ = try session.feed(EngineFixture.prompt(2))
        var generation = try Generation(session, prompt: EngineFixture.prompt(6), options: .test(9))
        #expect(generation.statistics.promptTokens == 6 && generation.statistics.promptSeconds > 0)
        #expect(generation.statistics.promptRate > 0 && generation.statistics.generationRate == 0)
        while try generation.next() != nil {}
        #expect(generation.statistics.generatedTokens == 9)
        #expect(generation.statistics.generationSeconds > 0 && generation.statistics.generationRate > 0)
        #expect(generation.statistics.cacheBytes == session.cacheBytes && session.cacheBytes > 0)
        #expect(session.peakCacheBytes > 0)
    }

    @Test("the penalties know the prompt and the earlier text")
    func penalties() throws {
        let session = try session()
        let greedy = try Written(try self.session(), EngineFixture.prompt(5), .test(1)).tokens
        _ = try session.feed(greedy)
        var options = GenerationOptions.test(12)
        options.sampling.presencePenalty = 1e6
        options.sampling.repeatLastN = -1
        let written = try Written(session, EngineFixture.prompt(5), options)
        #expect(Set(written.tokens).count == 12)
        #expect(Set(written.tokens).isDisjoint(with: greedy + EngineFixture.prompt(5)))
    }
}
