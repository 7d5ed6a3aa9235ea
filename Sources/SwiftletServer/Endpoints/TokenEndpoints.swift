import SwiftletEngine
import SwiftletFormats
import SwiftletText

/// `/tokenize`, `/detokenize` and `/tokenizer_info`.
struct TokenEndpoints: Sendable {
    let context: ServerContext

    /// `POST /tokenize`: the tokens of a text.
    func tokenize(_ request: ServerRequest) throws(APIError) -> Answer {
        let model = try context.host.loaded()
        var fields = try RequestFields(body: request.body)
        // The second names are those of vLLM.
        let prompt = try fields.string("prompt")
        guard let content = try fields.string("content") ?? prompt else { throw fields.missing("content") }
        var addsSpecial = try fields.bool("add_special_tokens") ?? false
        if let value = try fields.bool("add_special") { addsSpecial = value }
        let parsesSpecial = try fields.bool("parse_special") ?? true
        var showsPieces = try fields.bool("return_token_strs") ?? false
        if let value = try fields.bool("with_pieces") { showsPieces = value }
        fields.accept(["model"])
        try fields.finish()
        let ids = model.tokenizer.encode(content, addSpecial: addsSpecial, parseSpecial: parsesSpecial)
        var json = JSONWriter()
        json.object { json in
            json.key("tokens")
            json.array { json in
                for id in ids { if showsPieces { piece(id, model.tokenizer, &json) } else { json.value(id) } }
            }
            json.member("count", ids.count)
            json.member("max_model_len", model.contextLength)
        }
        return .json(json.bytes)
    }

    /// A token with its text, or with its bytes where they are no text.
    private func piece(_ id: TokenID, _ tokenizer: Tokenizer, _ json: inout JSONWriter) {
        let bytes = tokenizer.bytes(of: id)
        json.object { json in
            json.member("id", id)
            if let text = String(validating: bytes, as: UTF8.self) {
                json.member("piece", text)
            } else {
                json.member("piece", bytes)
            }
        }
    }

    /// `POST /detokenize`: the text of tokens.
    func detokenize(_ request: ServerRequest) throws(APIError) -> Answer {
        let model = try context.host.loaded()
        var fields = try RequestFields(body: request.body)
        guard let tokens = try fields.array("tokens", maximum: 1 << 24) else {
            throw fields.missing("tokens")
        }
        var ids: [TokenID] = []
        for (index, token) in tokens.enumerated() {
            guard let id = RequestFields.wholeNumber(token).flatMap({ TokenID(exactly: $0) }), id >= 0,
                Int(id) < model.tokenizer.vocabularySize
            else {
                throw .field(
                    "tokens[\(index)]",
                    "is \(RequestFields.describe(token)), expected a token from 0 to "
                        + "\(model.tokenizer.vocabularySize - 1)")
            }
            ids.append(id)
        }
        fields.accept(["model"])
        try fields.finish()
        let text: String = model.tokenizer.decode(ids)
        var json = JSONWriter()
        json.object { json in
            json.member("content", text)
            json.member("prompt", text)
        }
        return .json(json.bytes)
    }

    /// `GET /tokenizer_info`: what evaluation programs want to know before they send tokens.
    func information(_: ServerRequest) throws(APIError) -> Answer {
        let model = try context.host.loaded()
        let tokenizer = model.tokenizer
        var json = JSONWriter()
        json.object { json in
            json.member("tokenizer_class", "SwiftletTokenizer")
            json.member("vocab_size", tokenizer.vocabularySize)
            json.member("model_max_length", model.contextLength)
            json.member("bos_token", optional: tokenizer.bos.flatMap { tokenizer.piece($0) })
            json.member("eos_token", optional: tokenizer.eos.flatMap { tokenizer.piece($0) })
            for (name, id) in [("bos_token_id", tokenizer.bos), ("eos_token_id", tokenizer.eos)] {
                json.key(name)
                if let id { json.value(id) } else { json.null() }
            }
            json.nullMember("pad_token")
            json.member("eot_token", optional: tokenizer.eos.flatMap { tokenizer.piece($0) })
            json.member("chat_template", optional: model.templateSource)
        }
        return .json(json.bytes)
    }
}
