import SwiftletTensor

/// What a tokenizer.model holds.
///
/// Source: `sentencepiece_model.proto` of SentencePiece 0.2, for field numbers and defaults.
struct SentencePieceFile {
    /// What a piece is for, by its number in files; GGUF uses the same numbers.
    enum PieceType: Int {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// The algorithm, by its number in files.
    enum ModelType: Int {
        case unigram = 1
        case bytePair = 2
        case word = 3
        case character = 4
    }

    /// One entry of the vocabulary.
    struct Piece {
        var text: [UInt8] = []
        var score: Float = 0
        var type = PieceType.normal
    }

    private(set) var pieces: [Piece] = []
    private(set) var modelType = ModelType.unigram
    private(set) var hasByteFallback = false
    private(set) var bosID = 1
    private(set) var eosID = 2
    private(set) var normalizer = SentencePieceNormalizer()

    /// Reads a whole file.
    init(_ bytes: [UInt8], source: String) throws(SwiftletError) {
        var reader = ProtobufReader(bytes[...], source: source)
        while let (field, value) = try reader.next() {
            guard let message = value.bytes else { continue }
            switch field {
            case 1: pieces.append(try Self.piece(message, source, index: pieces.count))
            case 2: try readTrainer(message, source)
            case 3: try readNormalizer(message, source)
            default: break
            }
            guard pieces.count < Vocabulary.limit else {
                throw SwiftletError(.limit, "\(source): more than \(Vocabulary.limit) pieces")
            }
        }
        guard !pieces.isEmpty else {
            throw SwiftletError(.malformed, "\(source) is not a SentencePiece model: it has no pieces")
        }
    }

    private static func piece(
        _ message: ArraySlice<UInt8>, _ source: String, index: Int
    ) throws(SwiftletError) -> Piece {
        var piece = Piece()
        var reader = ProtobufReader(message, source: source)
        while let (field, value) = try reader.next() {
            switch field {
            case 1: piece.text = Array(value.bytes ?? [])
            case 2: piece.score = value.float ?? 0
            case 3:
                guard let type = value.int.flatMap(PieceType.init) else {
                    throw SwiftletError(.malformed, "\(source): piece \(index) has an unknown type")
                }
                piece.type = type
            default: break
            }
        }
        guard !piece.text.isEmpty, piece.score.isFinite else {
            throw SwiftletError(.malformed, "\(source): piece \(index) has no text or no finite score")
        }
        return piece
    }

    private mutating func readTrainer(_ message: ArraySlice<UInt8>, _ source: String) throws(SwiftletError) {
        var reader = ProtobufReader(message, source: source)
        while let (field, value) = try reader.next() {
            switch field {
            case 3:
                guard let type = value.int.flatMap(ModelType.init) else {
                    throw SwiftletError(.malformed, "\(source): the model type is not one of 1 to 4")
                }
                modelType = type
            case 24: normalizer.prefixIsSuffix = value.bool ?? false
            case 35: hasByteFallback = value.bool ?? false
            case 41: bosID = Int(Int32(truncatingIfNeeded: value.int ?? 1))
            case 42: eosID = Int(Int32(truncatingIfNeeded: value.int ?? 2))
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ message: ArraySlice<UInt8>, _ source: String) throws(SwiftletError)
    {
        var reader = ProtobufReader(message, source: source)
        while let (field, value) = try reader.next() {
            switch field {
            case 2:
                normalizer.map = try PrecompiledCharacterMap.read(Array(value.bytes ?? []), source: source)
            case 3: normalizer.addsPrefix = value.bool ?? true
            case 4: normalizer.removesExtraSpace = value.bool ?? true
            case 5: normalizer.escapesSpace = value.bool ?? true
            default: break
            }
        }
    }
}
