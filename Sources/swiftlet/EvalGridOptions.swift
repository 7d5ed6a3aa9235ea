import ArgumentParser
import SwiftletEval
import SwiftletTensor

/// Which documents are made up.
struct EvalGridOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Tokens of prompt and answer together, several with commas between; default: up to four powers of \
            two that fit the context, at most 4096 (1024 for the built-in model).
            """, valueName: "tokens"))
    var lengths: String?

    @Option(
        help: ArgumentHelp(
            "Where the answer lies, in percent of the context; default: 0,25,50,75,100.", valueName: "percent"
        ))
    var depths: String?

    @Option(
        help: ArgumentHelp(
            "Documents per length and depth; default: 5, or 3 to compare.", valueName: "count"),
        transform: FlagValues.integer)
    var samples: Int?

    @Option(
        help: ArgumentHelp("Seed of the documents; default: 1.", valueName: "number"),
        transform: FlagValues.integer)
    var seed = 1

    @Option(
        help: "A text to hide facts in, instead of a made-up tale; - is standard input.", completion: .file())
    var haystack: String?

    func validate() throws {
        if let samples, !(1...1_000_000).contains(samples) {
            throw ValidationError("--samples is \(samples); expected 1 or more")
        }
        if seed < 0 { throw ValidationError("--seed is \(seed); expected 0 or more") }
        _ = try lengthList()
        _ = try depthList()
    }

    /// Lengths, ascending and each once; `nil` if none are given.
    func lengthList() throws -> [Int]? {
        try FlagValues.list("--lengths", lengths, "whole numbers of tokens such as 256,512") {
            Int($0).flatMap { (1...(1 << 30)).contains($0) ? $0 : nil }
        }.map(Self.ascending)
    }

    /// Depths from 0 to 1, ascending and each once; `nil` if none are given.
    func depthList() throws -> [Double]? {
        try FlagValues.list("--depths", depths, "percentages from 0 to 100 such as 0,50,100") {
            Double($0.hasSuffix("%") ? String($0.dropLast()) : $0).flatMap {
                (0...100).contains($0) ? $0 / 100 : nil
            }
        }.map(Self.ascending)
    }

    /// What facts are hidden in.
    func text() throws -> Haystack {
        guard let haystack else { return .tale }
        let text = String(decoding: try InputFile.read(haystack, flag: "--haystack"), as: UTF8.self)
        guard let found = Haystack(text: text) else {
            throw SwiftletError(.invalidArgument, "--haystack \(haystack) holds no sentence; expected a text")
        }
        return found
    }

    /// Refuses lengths that the context does not hold.
    static func check(_ lengths: [Int], context: Int) throws(SwiftletError) {
        guard let longest = lengths.max(), longest > context else { return }
        throw SwiftletError(
            .limit,
            "--lengths asks for \(longest) tokens, the context holds \(context); lower it or raise -c")
    }

    private static func ascending<Value: Comparable>(_ values: [Value]) -> [Value] {
        values.sorted().reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }
}
