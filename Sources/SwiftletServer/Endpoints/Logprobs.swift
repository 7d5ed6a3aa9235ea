import Foundation
import SwiftletEngine
import SwiftletFormats
import SwiftletText

/// Log-probabilities in the shapes of the interfaces.
enum Logprobs {
    /// What stands for minus infinity, which JSON cannot say.
    private static let least = -9_999.0

    static func finite(_ logprob: Double) -> Double { max(min(logprob, 0), least) }

    /// The text of a token; bytes that are no character become U+FFFD.
    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The text of a token in the older interface, which must tell tokens apart that are no whole characters.
    static func uniqueText(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        let digits = Array("0123456789abcdef")
        return "bytes:" + bytes.map { "\\x\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined()
    }
}

extension JSONWriter {
    /// Writes one generated token as chat completions and llama-server do.
    ///
    /// - Parameter areDrawn: whether plain probabilities are written, as llama-server does for those behind its samplers.
    mutating func logprob(_ token: GeneratedToken, _ tokenizer: Tokenizer, areDrawn: Bool = false) {
        object { json in
            json.logprobMembers(token.id, token.bytes, token.logprob ?? 0, areDrawn)
            json.key(areDrawn ? "top_probs" : "top_logprobs")
            json.array { json in
                for top in token.top {
                    json.object {
                        $0.logprobMembers(top.id, tokenizer.bytes(of: top.id), top.logprob, areDrawn)
                    }
                }
            }
        }
    }

    private mutating func logprobMembers(
        _ id: TokenID, _ bytes: [UInt8], _ logprob: Double, _ areDrawn: Bool
    ) {
        member("id", id)
        member("token", Logprobs.text(bytes))
        if areDrawn {
            member("prob", exp(min(logprob, 0)))
        } else {
            member("logprob", Logprobs.finite(logprob))
        }
        member("bytes", bytes)
    }

    /// Writes the `logprobs` of a chat choice: `{"content": […], "refusal": null}`, or `null` if none were asked for.
    mutating func chatLogprobs(_ tokens: [GeneratedToken]?, _ tokenizer: Tokenizer) {
        key("logprobs")
        guard let tokens else { return null() }
        object { json in
            json.key("content")
            json.array { json in for token in tokens { json.logprob(token, tokenizer) } }
            json.nullMember("refusal")
        }
    }
}

/// Log-probabilities of the older completions interface: four lists of the same length.
struct TextLogprobs {
    private var tokens: [String] = []
    private var logprobs: [Double?] = []
    private var tops: [[(String, Double)]?] = []
    private var offsets: [Int] = []
    private let tokenizer: Tokenizer
    private let count: Int
    private var decoder: StreamingDecoder
    private var offset: Int

    /// - Parameters:
    ///   - count: how many of the likeliest tokens are shown.
    ///   - offset: Unicode scalars of text in front.
    init(_ tokenizer: Tokenizer, count: Int, offset: Int, continuing: Bool) {
        self.tokenizer = tokenizer
        self.count = count
        self.offset = offset
        decoder = StreamingDecoder(tokenizer, skipSpecial: false, continuing: continuing)
    }

    var isEmpty: Bool { tokens.isEmpty }

    /// Adds a token of the prompt; one without log-probability is the first.
    mutating func add(_ token: PromptLogprob) {
        add(token.id, tokenizer.bytes(of: token.id), token.logprob, token.top)
    }

    /// Adds a token that was written.
    mutating func add(_ token: GeneratedToken) { add(token.id, token.bytes, token.logprob, token.top) }

    private mutating func add(_ id: TokenID, _ bytes: [UInt8], _ logprob: Double?, _ top: [TokenLogprob]) {
        let text = Logprobs.uniqueText(bytes)
        tokens.append(text)
        offsets.append(offset)
        let begins = logprob == nil && id == tokenizer.bos  // which the repeated text leaves out
        if !begins { offset += decoder.append(id).unicodeScalars.count }
        logprobs.append(logprob.map(Logprobs.finite))
        guard let logprob else { return tops.append(nil) }
        var likeliest = top.prefix(count).map {
            (Logprobs.uniqueText(tokenizer.bytes(of: $0.id)), Logprobs.finite($0.logprob))
        }
        if !top.prefix(count).contains(where: { $0.id == id }) {
            likeliest.append((text, Logprobs.finite(logprob)))
        }
        tops.append(likeliest)
    }

    /// Takes out what was added since the last time; offsets go on.
    mutating func take() -> TextLogprobs {
        let taken = self
        (tokens, logprobs, tops, offsets) = ([], [], [], [])
        return taken
    }

    /// Writes the object.
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("tokens", tokens)
            json.key("token_logprobs")
            json.array { json in
                for logprob in logprobs { if let logprob { json.value(logprob) } else { json.null() } }
            }
            json.key("top_logprobs")
            json.array { json in
                for top in tops {
                    guard let top else {
                        json.null()
                        continue
                    }
                    json.object { json in
                        var known: Set<String> = []
                        for (text, logprob) in top where known.insert(text).inserted {
                            json.member(text, logprob)
                        }
                    }
                }
            }
            json.member("text_offset", offsets)
        }
    }
}
