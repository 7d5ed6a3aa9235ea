import SwiftletCache
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite struct SessionTests {
    private let model: Model

    init() throws { model = try EngineFixture.model() }

    private func session(_ change: (inout Session.Options) -> Void = { _ in }) throws -> Session {
        try EngineFixture.session(change, model: model)
    }

    private func logits(_ count: Int, _ change: (inout Session.Options) -> Void) throws -> [Float] {
        try #require(try session(change).feed(EngineFixture.prompt(count)))
    }

    @Test("the batch size changes nothing", arguments: [1, 2, 3, 7, 33, 1 << 20])
    func batchSize(size: Int) throws {
        #expect(try logits(40) { $0.batchSize = size } == logits(40) { $0.batchSize = 512 })
    }

    @Test("the number of threads changes nothing", arguments: [2, 3, 5])
    func threads(count: Int) throws {
        #expect(try logits(40) { $0.threadCount = count } == logits(40) { $0.threadCount = 1 })
    }

    /// Rounding keys and values to half precision moves each by at most 2⁻¹¹ of its size; with logits of about
    /// 1, a hundred times that is far more than two layers can make of it. Activations stay as they are: rounded
    /// to codes, a small change of one may be a whole step.
    @Test("a cache of half precision changes logits a little")
    func cacheFormat() throws {
        let (single, half) = (
            try logits(40) {
                $0.cacheFormat = .f32
                $0.activations = .exact
            },
            try logits(40) {
                $0.cacheFormat = .f16
                $0.activations = .exact
            }
        )
        let difference = zip(single, half).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(difference > 0 && difference < 0.05)
    }

    @Test("feeding in turns is feeding at once", arguments: [1, 13, 39])
    func turns(first: Int) throws {
        let session = try session()
        let ids = EngineFixture.prompt(40)
        _ = try session.feed(Array(ids[..<first]))
        let last = try session.feed(Array(ids[first...]))
        #expect(session.tokens == ids)
        #expect(try last == self.session().feed(ids))
        var rows: [[Float]] = []
        try self.session().feed(ids) { position, row in
            #expect(position == rows.count)
            rows.append(Array(row))
        }
        #expect(rows.count == 40 && rows.last == last)
    }

    @Test("going back and on is as if the rest had never been", arguments: [0, 1, 17, 39, 40])
    func truncate(position: Int) throws {
        let session = try session()
        _ = try session.feed(EngineFixture.prompt(40))
        try session.truncate(to: position)
        let other = EngineFixture.prompt(9, seed: 5)
        let found = try session.feed(other)
        let kept = Array(EngineFixture.prompt(40).prefix(position))
        #expect(try found == self.session().feed(kept + other))
        #expect(session.tokens == kept + other)
    }

    @Test("nobody goes back further than the beginning or forward")
    func wrongTruncation() throws {
        let session = try session()
        _ = try session.feed(EngineFixture.prompt(4))
        for position in [-1, 5, .max, .min] {
            expectError(.invalidArgument, "token \(position) of 4") { try session.truncate(to: position) }
        }
        #expect(session.tokens.count == 4)
    }

    @Test("options out of range are refused by the name of the flag")
    func options() throws {
        let wrong: [(String, (inout Session.Options) -> Void)] = [
            ("(-t) is 0", { $0.threadCount = 0 }), ("(-t) is 1025", { $0.threadCount = 1_025 }),
            ("(-b) is 0", { $0.batchSize = 0 }), ("(-b) is \(Int.max)", { $0.batchSize = .max }),
            ("(-c) is 0", { $0.contextLength = 0 }), ("(-c) is -1", { $0.contextLength = -1 }),
            ("(-c) is \(Int.max)", { $0.contextLength = .max }),
        ]
        for (words, change) in wrong {
            expectError(.invalidArgument, words, "expected 1 to") { try session(change) }
        }
        let huge = try session { $0.contextLength = 1 << 30 }
        #expect(try huge.feed(EngineFixture.prompt(3)) == session().feed(EngineFixture.prompt(3)))
    }

    // MARK: Memory

    @Test("what memory cannot hold is refused before any work")
    func promptMemory() throws {
        let session = try session()
        session.availableBytes = { 10_000 }
        expectError(.limit, "not enough memory", "40 tokens") {
            try session.feed(EngineFixture.prompt(40))
        }
        #expect(session.tokens.isEmpty && session.cacheBytes == 0)
        session.availableBytes = { nil }
        _ = try session.feed(EngineFixture.prompt(40))
    }

    @Test("memory that runs out on the way ends the text with an error, and the session lives on")
    func growingMemory() throws {
        let session = try session { $0.contextLength = 300 }
        var generation = try Generation(session, prompt: [1], options: .test(nil))
        session.availableBytes = { 100 }
        expectError(.limit, "not enough memory", "512 tokens") {
            while try generation.next() != nil {}
            return nil
        }
        #expect(session.tokens.count == 256 && generation.finishReason == nil)
        session.availableBytes = { nil }
        while try generation.next() != nil {}
        #expect(generation.finishReason == .context)
    }

    // MARK: Concurrency

    @Test("sessions on several threads share a model")
    func concurrency() async throws {
        let model = model
        @Sendable func write(_ seed: UInt64) throws -> Written {
            try Written(
                try EngineFixture.session({ $0.threadCount = 2 }, model: model),
                EngineFixture.prompt(20, seed: Int(seed)), .test(20, seed: seed))
        }
        let expected = try (0..<4 as Range<UInt64>).map(write)
        try await withThrowingTaskGroup(of: (Int, Written).self) { group in
            for seed in 0..<4 as Range<UInt64> { group.addTask { (Int(seed), try write(seed)) } }
            for try await (index, written) in group { #expect(written == expected[index]) }
        }
    }

    // MARK: Hostile models

    /// The fixture with other metadata.
    private static func rewritten(
        _ directory: TemporaryDirectory, _ change: (String, GGUFValue) -> GGUFValue
    ) throws -> Model {
        let file = try GGUFFile(path: EngineFixture.path)
        let path = directory.path + "/changed.gguf"
        let metadata = file.metadataKeys.compactMap { key in
            file[key].map { (key: key, value: change(key, $0)) }
        }
        let tensors = try file.tensorNames.compactMap { try file.tensor(named: $0) }
        var writer = try GGUFWriter(
            path: path, metadata: metadata,
            tensors: zip(file.tensorNames, tensors).map {
                TensorDeclaration(name: $0, shape: $1.shape, format: $1.format)
            })
        for tensor in tensors { try writer.write(tensor) }
        try writer.finish()
        return try Model.load(path)
    }

    @Test("a tokenizer with more tokens than the model has rows")
    func largeTokenizer() throws {
        let directory = TemporaryDirectory()
        let changed = try Self.rewritten(directory) { key, value in
            switch key {
            case "tokenizer.ggml.tokens": GGUFValue(strings: (value.strings() ?? []) + [Array("zzz".utf8)])
            case "tokenizer.ggml.scores": GGUFValue((value.floats() ?? []) + [0])
            case "tokenizer.ggml.token_type": GGUFValue((value.ints() ?? []).map(Int32.init) + [4])
            default: value
            }
        }
        let ids = try #require(changed.tokenizer).encode("zzz")
        #expect(ids.contains(320))
        expectError(.invalidArgument, "token id 320", "0 to 319") {
            try Written(try EngineFixture.session(model: changed), ids, .test(1))
        }
    }

    @Test("a tokenizer with fewer tokens than the model has rows")
    func smallTokenizer() throws {
        let directory = TemporaryDirectory()
        let changed = try Self.rewritten(directory) { key, value in
            switch key {
            case "tokenizer.ggml.tokens": GGUFValue(strings: Array((value.strings() ?? []).prefix(270)))
            case "tokenizer.ggml.scores": GGUFValue(Array((value.floats() ?? []).prefix(270)))
            case "tokenizer.ggml.token_type":
                GGUFValue((value.ints() ?? []).prefix(270).map(Int32.init))
            default: value
            }
        }
        let written = try Written(try EngineFixture.session(model: changed), [1, 5], .test(50, seed: 1))
        #expect(written.tokens.count == 50)
        #expect(written.text == changed.tokenizer?.continuation(written.tokens))
    }

    @Test("a context length from the file that is out of range", arguments: [0, UInt32.max])
    func contextLength(length: UInt32) throws {
        let directory = TemporaryDirectory()
        expectError(.malformed, "changed.gguf", "context length is \(length)") {
            try Self.rewritten(directory) { key, value in
                key == "llama.context_length" ? GGUFValue(length) : value
            }
        }
    }
}
