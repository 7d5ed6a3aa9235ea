import SwiftletCache
import SwiftletFormats
public import SwiftletModels
public import SwiftletTensor

/// What a model's headers say: enough to know what running it needs. No number of a tensor is read.
public struct ModelHeader: Sendable {
    /// How much of the weights is there.
    public enum Weights: String, Hashable, Sendable {
        /// All of them.
        case complete
        /// Descriptions of tensors, not all of their numbers.
        case header
        /// Nothing; they are counted by the configuration, at two bytes a number.
        case configuration
    }

    /// The name it was asked for by, or `built-in`.
    public let name: String
    /// The file or directory.
    public let path: String
    /// Sizes and constants. Tables of the rotation that are tensors are missing if their numbers are.
    public let configuration: DecoderConfiguration
    /// Bytes of all weights.
    public let weightBytes: Int
    /// Where that is from.
    public let weights: Weights
    private let argument: String?

    /// Reads the headers of a model.
    ///
    /// - Parameter argument: as in ``Model/load(_:needsTokenizer:)``; files may end behind their headers, and a
    ///   directory may hold nothing but `config.json`.
    /// - Throws: as ``Model/load(_:needsTokenizer:)`` for headers.
    public init(_ argument: String?) throws(SwiftletError) {
        let source = try ModelSource.named(argument, headerOnly: true)
        name = argument ?? "built-in"
        path = source.path
        self.argument = argument
        configuration = try ModelRegistry.architecture(of: source).configuration(of: source)
        (weightBytes, weights) = try Self.weights(of: source, configuration)
    }

    private static func weights(
        of source: ModelSource, _ configuration: DecoderConfiguration
    ) throws(SwiftletError) -> (bytes: Int, Weights) {
        switch source {
        case .gguf(let file):
            let sizes = try file.tensors.map { tensor throws(SwiftletError) in
                guard let format = tensor.format else {
                    throw SwiftletError(
                        .unsupported,
                        "\(file.path): tensor '\(tensor.name)' is stored as \(tensor.formatName), which is not read; "
                            + "use a file in another number format")
                }
                return Tensor.byteCount(shape: tensor.shape, format: format) ?? 0
            }
            return (try sum(sizes, file.path), file.holdsData ? .complete : .header)
        case .directory(let directory):
            do {
                let files = try SafetensorsCheckpoint(directory: directory.path, headerOnly: true).files
                return (
                    try sum(files.map(\.tensorBytes), directory.path),
                    files.allSatisfy(\.holdsData) ? .complete : .header
                )
            } catch {
                guard error.code == .missing else { throw error }
                guard let count = configuration.parameterCount else {
                    throw tooLarge(directory.path)
                }
                return (try sum([count, count], directory.path), .configuration)
            }
        }
    }

    /// The sum of some sizes, which a damaged file can make as large as it likes.
    private static func sum(_ sizes: [Int], _ path: String) throws(SwiftletError) -> Int {
        var sum = 0
        for size in sizes {
            let (total, overflow) = sum.addingReportingOverflow(size)
            guard !overflow, total < 1 << 56 else { throw tooLarge(path) }
            sum = total
        }
        return sum
    }

    private static func tooLarge(_ path: String) -> SwiftletError {
        SwiftletError(.malformed, "\(path): the weights are larger than any memory; the file is damaged")
    }

    /// The hash that tells this model from others, or `nil` if that takes weights that are not there.
    ///
    /// - Throws: as ``Model/load(_:needsTokenizer:)``.
    public func fingerprint() throws(SwiftletError) -> String? { try model()?.fingerprint }

    /// The model itself, or `nil` if its weights are not there.
    func model() throws(SwiftletError) -> Model? {
        weights == .complete ? try Model.load(argument, needsTokenizer: false) : nil
    }

    /// Reads a cache policy for this model; see ``Model/policy(_:budget:)``.
    func policy(_ specification: String, budget: KVBudget?) throws(SwiftletError) -> KVPolicy {
        let namesFile = specification.contains(":") && specification.contains("/")
        let model = namesFile || specification.contains(".json") ? try model() : nil
        return try KVPolicy(
            parsing: specification, budget: budget, layers: configuration.cacheLayers,
            profiles: model.map(ModelProfiles.init(model:)) ?? ModelProfiles(configuration))
    }
}
