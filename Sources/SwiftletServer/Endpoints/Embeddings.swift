import Foundation
import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletTensor

extension EmbeddingEngine {
    /// A text may fill the context.
    var target: PromptTarget {
        PromptTarget(
            tokenizer: tokenizer, vocabularySize: service.model.configuration.vocabularySize,
            contextLength: contextLength, reserve: 0)
    }
}

/// `POST /v1/embeddings`, and `/embedding` in llama-server's shape.
struct Embeddings: Sendable {
    let context: ServerContext

    /// Most texts of one request.
    ///
    /// Source: OpenAI's reference of this endpoint.
    private static let textLimit = 2_048

    /// `POST /v1/embeddings`: vectors of length 1.
    func callAsFunction(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.embeddingEngine()
        guard engine.service.pooling != .perToken else {
            throw APIError(
                .invalidRequest,
                "this server gives every token a vector (--pooling none), for which there is no room in OpenAI's form; "
                    + "use /embedding")
        }
        var fields = try RequestFields(body: request.body)
        let name = fields.has("content") && !fields.has("input") ? "content" : "input"
        let (texts, _) = try PromptFields.read(&fields, engine.target, named: name, limit: Self.textLimit)
        let isBase64 = try fields.choice("encoding_format", ["float", "base64"]) == "base64"
        let dimension = engine.service.dimension
        let count = try fields.int("dimensions", in: 1...dimension) ?? dimension
        fields.accept(["model", "user"])
        try fields.finish()
        let embeddings = try await embed(texts, engine, request)
        var json = JSONWriter()
        json.object { json in
            json.member("object", "list")
            json.key("data")
            json.array { json in
                for (index, embedding) in embeddings.enumerated() {
                    let vector = VectorNorm.euclidean.normalize(Array(embedding.vector.prefix(count)))
                    json.object { json in
                        json.member("object", "embedding")
                        json.member("index", index)
                        json.key("embedding")
                        if isBase64 { json.value(Self.base64(vector)) } else { json.vector(vector) }
                    }
                }
            }
            json.member("model", context.modelName)
            json.key("usage")
            json.object { json in
                let tokens = embeddings.reduce(0) { $0 + $1.tokenCount }
                json.member("prompt_tokens", tokens)
                json.member("total_tokens", tokens)
            }
        }
        return .json(json.bytes)
    }

    /// `POST /embedding`: an array with one vector per text, normalised as `embd_normalize` says, or with the vectors of
    /// its tokens as they are (`--pooling none`).
    func native(_ request: ServerRequest) async throws(APIError) -> Answer {
        let engine = try context.host.embeddingEngine()
        var fields = try RequestFields(body: request.body)
        let name = fields.has("input") && !fields.has("content") ? "input" : "content"
        let (texts, _) = try PromptFields.read(&fields, engine.target, named: name, limit: Self.textLimit)
        let norm = VectorNorm(try fields.int("embd_normalize", in: -1...64) ?? 2)
        fields.accept(["model", "user"])
        try fields.finish()
        let embeddings = try await embed(texts, engine, request)
        var json = JSONWriter()
        json.array { json in
            for (index, embedding) in embeddings.enumerated() {
                json.object { json in
                    json.member("index", index)
                    json.key("embedding")
                    json.array { json in
                        guard engine.service.pooling == .perToken else {
                            return json.vector(norm.normalize(embedding.vector))
                        }
                        let size = engine.service.dimension
                        for start in stride(from: 0, to: embedding.vector.count, by: size) {
                            json.vector(Array(embedding.vector[start..<start + size]))
                        }
                    }
                }
            }
        }
        return .json(json.bytes)
    }

    private func embed(
        _ texts: [Prompt], _ engine: EmbeddingEngine, _ request: ServerRequest
    ) async throws(APIError) -> [Embedding] {
        let connection = request.connection
        let embeddings: [Embedding]
        do {
            embeddings = try await engine.service.embed(texts.map(\.tokens)) { connection.isClosed }
        } catch {
            throw GenerationRun.error(error)
        }
        guard embeddings.count == texts.count else {
            throw APIError(.unavailable, "the request was cancelled", code: "cancelled")
        }
        return embeddings
    }

    /// Floats in the order of little-endian machines, as OpenAI's clients read them.
    private static func base64(_ vector: [Float]) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * vector.count)
        for number in vector {
            withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return Data(bytes).base64EncodedString()
    }
}

/// What length a vector gets.
enum VectorNorm: Hashable {
    /// As it is.
    case none
    /// The largest number becomes 32760, the largest that fits 16 bits after rounding to tens.
    case largest
    /// `(Σ|x|ᵖ)^(1/p) = 1`.
    case power(Int)

    static let euclidean = power(2)

    /// The number that llama-server gives it: -1, 0, or the power.
    init(_ number: Int) {
        self = number < 0 ? .none : number == 0 ? .largest : .power(number)
    }

    /// A vector of zeros stays one.
    func normalize(_ vector: [Float]) -> [Float] {
        let largest = vector.reduce(0.0) { max($0, abs(Double($1))) }
        guard largest > 0 else { return vector }
        let length: Double
        switch self {
        case .none: return vector
        case .largest: length = largest / 32_760
        case .power(let power):
            // Divided by the largest first, so that no power overflows.
            let sum = vector.reduce(0.0) { $0 + pow(abs(Double($1)) / largest, Double(power)) }
            length = largest * pow(sum, 1 / Double(power))
        }
        return vector.map { Float(Double($0) / length) }
    }
}

extension JSONWriter {
    /// Writes a vector; what is no number in JSON becomes 0.
    mutating func vector(_ vector: [Float]) {
        array { json in for number in vector { json.value(number.isFinite ? number : 0) } }
    }
}
