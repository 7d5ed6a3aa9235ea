import SwiftletFormats
import SwiftletTensor

/// Where special tokens go around a text.
struct PostProcessor: Sendable {
    private enum Piece: Sendable {
        case text
        case tokens([TokenID])
    }

    private var pieces: [Piece] = [.text]

    /// Puts nothing around the text.
    init() {}

    /// Puts tokens before and after the text.
    init(before: [TokenID], after: [TokenID]) {
        pieces = [.tokens(before), .text, .tokens(after)]
    }

    /// Reads the `post_processor` of a tokenizer.json.
    ///
    /// - Parameter exists: whether an id is a token.
    init(json: JSON?, source: String, exists: (TokenID) -> Bool) throws(SwiftletError) {
        self.init()
        guard let json, !json.isNull else { return }
        let type = json["type"]?.string ?? "null"
        switch type {
        case "ByteLevel": break  // it only trims offsets
        case "TemplateProcessing": try readTemplate(json, source, exists)
        case "BertProcessing", "RobertaProcessing":
            let before = try Self.id(json["cls"]?[1], "post_processor.cls", source, exists)
            let after = try Self.id(json["sep"]?[1], "post_processor.sep", source, exists)
            pieces = [.tokens([before]), .text, .tokens([after])]
        case "Sequence":
            for inner in json["processors"]?.elements ?? json.elements {
                let outer = try PostProcessor(json: inner, source: source, exists: exists)
                wrap(in: outer)
                try limitRepeats(source)
            }
        default:
            throw SwiftletError(
                .unsupported,
                """
                \(source): post-processor '\(type)' is not supported, only ByteLevel, TemplateProcessing, \
                BertProcessing, RobertaProcessing and Sequence
                """)
        }
    }

    /// The tokens of a text with the special ones around them.
    func apply(to ids: [TokenID]) -> [TokenID] {
        pieces.flatMap { piece in
            switch piece {
            case .text: ids
            case .tokens(let tokens): tokens
            }
        }
    }

    /// The first token before the text and the last one after it.
    var outermost: (first: TokenID?, last: TokenID?) {
        var (first, last): (TokenID?, TokenID?) = (nil, nil)
        if case .tokens(let tokens)? = pieces.first { first = tokens.first }
        if case .tokens(let tokens)? = pieces.last { last = tokens.last }
        return (first, last)
    }

    private mutating func wrap(in outer: PostProcessor) {
        pieces = outer.pieces.flatMap { piece in
            if case .text = piece { pieces } else { [piece] }
        }
    }

    private mutating func readTemplate(
        _ json: JSON, _ source: String, _ exists: (TokenID) -> Bool
    ) throws(SwiftletError) {
        guard let template = json["single"], template.kind == .array else {
            throw SwiftletError(.malformed, "\(source): post_processor.single is not a list of pieces")
        }
        pieces = []
        for element in template.elements {
            if let sequence = element["Sequence"] {
                guard sequence["id"]?.string == "A" else {
                    throw SwiftletError(
                        .malformed,
                        "\(source): post_processor.single asks for a sequence other than A, expected only A")
                }
                pieces.append(.text)
            } else if let name = element["SpecialToken"]?["id"]?.string {
                guard let ids = json["special_tokens"]?[name]?["ids"], ids.kind == .array else {
                    throw SwiftletError(
                        .malformed,
                        "\(source): post_processor.single names '\(name)', which special_tokens does not list"
                    )
                }
                var tokens: [TokenID] = []
                for id in ids.elements {
                    tokens.append(try Self.id(id, "the id of '\(name)' in post_processor", source, exists))
                }
                pieces.append(.tokens(tokens))
            } else {
                throw SwiftletError(
                    .malformed,
                    "\(source): a piece of post_processor.single is neither Sequence nor SpecialToken")
            }
        }
        try limitRepeats(source)
    }

    /// A template may repeat the text, but a file must not multiply memory without bound.
    private func limitRepeats(_ source: String) throws(SwiftletError) {
        guard pieces.count <= 64 else {
            throw SwiftletError(
                .limit,
                "\(source): post_processor makes \(pieces.count) pieces of a text, expected at most 64")
        }
    }

    private static func id(
        _ json: JSON?, _ name: String, _ source: String, _ exists: (TokenID) -> Bool
    ) throws(SwiftletError) -> TokenID {
        guard let value = json?.int, let id = TokenID(exactly: value), exists(id) else {
            throw SwiftletError(.malformed, "\(source): \(name) is not the id of a token")
        }
        return id
    }
}
