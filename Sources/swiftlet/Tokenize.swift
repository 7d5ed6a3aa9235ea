import ArgumentParser
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor
import SwiftletText

struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the tokens of a text.",
        discussion: """
            Needs only the tokenizer, so files that hold nothing but a vocabulary work too. Bytes are taken as \
            they are.

              swiftlet tokenize "Hello, world"
              swiftlet tokenize -m vocab.gguf -f text.txt --json
              cat text.txt | swiftlet tokenize -f - --no-special
            """)

    @OptionGroup var text: TextOptions
    @OptionGroup var model: ModelChoice

    @Flag(
        name: [.customLong("no-special"), .customLong("no-bos")], help: "Add no start or end tokens.")
    var addsNoSpecial = false

    @Flag(name: .customLong("no-parse-special"), help: "Read the names of special tokens as ordinary text.")
    var parsesNoSpecial = false

    @Flag(name: .customLong("json"), help: "Print one JSON object with ids and pieces.") var isJSON = false

    func run() throws {
        let input = try text.read(example: "swiftlet tokenize \"Hello, world\"")
        let tokenizer = try Model.loadTokenizer(model.model)
        let ids = tokenizer.encode(input, addSpecial: !addsNoSpecial, parseSpecial: !parsesNoSpecial)
        try Console.write(isJSON ? Self.json(ids, tokenizer) : Self.table(ids, tokenizer))
    }

    private static func table(_ ids: [TokenID], _ tokenizer: Tokenizer) -> String {
        ids.map { id in
            let number = String(id)
            let padding = String(repeating: " ", count: max(7 - number.count, 0))
            return "\(padding)\(number)  \(tokenizer.piece(id)?.debugDescription ?? "?")\n"
        }.joined()
    }

    private static func json(_ ids: [TokenID], _ tokenizer: Tokenizer) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("ids")
            writer.array { writer in for id in ids { writer.value(id) } }
            writer.key("pieces")
            writer.array { writer in for id in ids { writer.value(tokenizer.piece(id) ?? "") } }
        }
        return writer.text + "\n"
    }
}

struct Detokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn token ids back into text.",
        discussion: """
            Ids are separated by spaces, commas or line ends; the bytes of the text go to standard output.

              swiftlet detokenize 0 338 261 1012
              swiftlet tokenize "Hello" --json | jq -c .ids | swiftlet detokenize -f -
            """)

    @Argument(help: "Token ids; default: standard input.") var ids: [String] = []

    @Option(
        name: [.short, .long], parsing: .unconditional, help: "Read ids from a file; - is standard input.",
        completion: .file())
    var file: String?
    @OptionGroup var model: ModelChoice
    @Flag(name: .customLong("no-special"), help: "Leave special tokens out.") var skipsSpecial = false

    @Flag(name: .customLong("json"), help: "Print one JSON object with text, ids and pieces.")
    var isJSON = false

    func validate() throws {
        if file != nil, !ids.isEmpty {
            throw ValidationError("There are ids in the arguments and in -f, expected one of them")
        }
    }

    func run() throws {
        let ids = try TokenList.parse(input())
        let tokenizer = try Model.loadTokenizer(model.model)
        for id in ids where id < 0 || Int(id) >= tokenizer.vocabularySize {
            throw SwiftletError(
                .invalidArgument,
                "token id \(id) is out of range; this vocabulary has 0 to \(tokenizer.vocabularySize - 1)")
        }
        let bytes: [UInt8] = tokenizer.decode(ids, skipSpecial: skipsSpecial)
        try Console.write(isJSON ? Array(json(ids, tokenizer, bytes).utf8) : bytes)
        if !isJSON, Console.isInteractive { try Console.write("\n") }
    }

    private func input() throws -> String {
        if !ids.isEmpty { return ids.joined(separator: " ") }
        if file == nil, Console.isTyped {
            throw SwiftletError(
                .invalidArgument, "there are no token ids; for example: swiftlet detokenize 1 2 3")
        }
        return String(decoding: try InputFile.read(file ?? "-", flag: "-f"), as: UTF8.self)
    }

    private func json(_ ids: [TokenID], _ tokenizer: Tokenizer, _ bytes: [UInt8]) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("text", String(decoding: bytes, as: UTF8.self))
            writer.key("ids")
            writer.array { writer in for id in ids { writer.value(id) } }
            writer.key("pieces")
            writer.array { writer in for id in ids { writer.value(tokenizer.piece(id) ?? "") } }
        }
        return writer.text + "\n"
    }
}

/// Token ids written by a person or as a JSON array.
enum TokenList {
    /// Ids separated by spaces, commas, line ends or brackets.
    static func parse(_ text: String) throws -> [TokenID] {
        try text.split { $0.isWhitespace || ",[]".contains($0) }.map { word in
            guard let id = TokenID(word) else {
                throw SwiftletError(
                    .invalidArgument,
                    "'\(word.prefix(40))' is not a token id; expected whole numbers such as 1,2,3")
            }
            return id
        }
    }
}
