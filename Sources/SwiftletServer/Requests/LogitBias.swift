import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletText

/// Reads `logit_bias` in both forms: OpenAI's object from tokens to numbers, and llama-server's list of pairs, where a
/// token may be a text and `false` forbids it.
enum LogitBias {
    /// Most tokens with a bias.
    private static let limit = 65_536

    static func read(_ fields: inout RequestFields, _ engine: Engine) throws(APIError) -> [TokenID: Double] {
        var biases: [TokenID: Double] = [:]
        let name = fields.path("logit_bias")
        guard let value = fields.value("logit_bias") else { return biases }
        guard value.count <= limit else { throw .field(name, "has more than \(limit) entries") }
        switch value.kind {
        case .object:
            for (key, bias) in value.members {
                let text = key.string ?? ""
                try add(Int(text), text, bias, "\(name).\(text.prefix(40))", engine, to: &biases)
            }
        case .array:
            for (index, pair) in value.elements.enumerated() {
                let place = "\(name)[\(index)]"
                guard let token = pair[0], let bias = pair[1], pair.count == 2 else {
                    throw .field(place, "is \(RequestFields.describe(pair)), expected [token, bias]")
                }
                let id = RequestFields.wholeNumber(token)
                guard id != nil || token.kind == .string else {
                    throw .field(place, "has no token, expected a number or a text in front")
                }
                try add(id, token.string ?? "", bias, place, engine, to: &biases)
            }
        default:
            throw fields.wrong("logit_bias", value, "an object from tokens to numbers, or a list of pairs")
        }
        return biases
    }

    private static func add(
        _ id: Int?, _ text: String, _ value: JSON, _ place: String, _ engine: Engine,
        to biases: inout [TokenID: Double]
    ) throws(APIError) {
        let bias: Double
        if value.bool == false {
            bias = -.infinity
        } else if let number = value.double, number.isFinite, abs(number) <= 1e6 {
            bias = number
        } else {
            throw .field(place, "is \(RequestFields.describe(value)), expected a number or false")
        }
        guard let id else {
            for token in engine.tokenizer.encode(text, addSpecial: false) { biases[token] = bias }
            return
        }
        guard id >= 0, id < engine.model.configuration.vocabularySize else {
            throw .field(place, "names token \(id), which this model does not have")
        }
        biases[TokenID(id)] = bias
    }
}
