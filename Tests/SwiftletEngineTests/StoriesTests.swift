import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletText
import Testing

@testable import SwiftletEngine

private let storiesPath = ProcessInfo.processInfo.environment["SWIFTLET_STORIES260K"]

/// Greedy text of a small published model, compared byte for byte with an independent implementation.
///
/// Runs where the environment variable `SWIFTLET_STORIES260K` holds the path of `stories260K.gguf`; what is
/// expected lies beside it as `stories260K.expected.json`.
@Suite(.enabled(if: storiesPath != nil))
struct StoriesTests {
    @Test("greedy text is equal to the byte", arguments: Kernels.available.indices, [1, 2])
    func golden(kernels: Int, threads: Int) throws {
        let path = try #require(storiesPath)
        let expected = try JSON.parse(
            contentsOf: path.replacingOccurrences(of: ".gguf", with: ".expected.json"))
        let model = try Model.load(path)
        let tokenizer = try #require(model.tokenizer)
        for test in try #require(expected["cases"]).elements {
            let prompt = tokenizer.encode(try #require(test["prompt"]?.string))
            #expect(prompt == Self.ids(test["prompt_ids"]))
            var options = Session.Options()
            options.threadCount = threads
            let session = try Session(model, options, kernels: Kernels.available[kernels])
            let written = try Written(session, prompt, .test(try #require(test["max_tokens"]?.int)))
            #expect(written.tokens == Self.ids(test["generated_ids"]))
            #expect(Array(written.text.utf8) == test["text"]?.bytes)
        }
    }

    private static func ids(_ json: JSON?) -> [TokenID] {
        (json.map { Array($0.elements) } ?? []).compactMap { $0.int.map { TokenID(truncatingIfNeeded: $0) } }
    }
}
