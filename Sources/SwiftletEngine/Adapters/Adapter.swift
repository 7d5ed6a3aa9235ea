package import SwiftletModels
public import SwiftletTensor

/// A LoRA adapter that was read for one model.
///
/// ```swift
/// let model = try Model.load("base.gguf")
/// var options = Session.Options()
/// options.adapters = [AdapterUse(try model.adapter(at: "poems"), scale: 0.5)]
/// let session = try Session(model, options)
/// ```
///
/// Source: Hu et al., 2021, arXiv:2106.09685.
public struct Adapter: Sendable {
    /// The file or directory.
    public let path: String
    /// Tells adapters apart by what they hold.
    public let fingerprint: String
    /// Layers that it changes.
    public let layerCount: Int
    /// Numbers in all its matrices.
    public let parameterCount: Int
    package let lora: LoRAAdapter

    fileprivate init(_ lora: LoRAAdapter) {
        self.lora = lora
        path = lora.path
        fingerprint = lora.fingerprint
        layerCount = lora.updates.count
        parameterCount = lora.parameterCount
    }
}

/// An adapter and how much of it.
public struct AdapterUse: Sendable {
    /// What to add to the model.
    public var adapter: Adapter
    /// 1 is what it was trained for; 0 leaves the model as it is.
    public var scale: Float

    /// An adapter at a scale.
    public init(_ adapter: Adapter, scale: Float = 1) {
        self.adapter = adapter
        self.scale = scale
    }
}

extension Model {
    /// Reads an adapter for this model.
    ///
    /// - Parameter path: a GGUF file, a directory of the library PEFT, or the safetensors file in it.
    /// - Throws: `.mismatch` if it was made for another model; `.unsupported` for what is no plain LoRA, naming it.
    public func adapter(at path: String) throws(SwiftletError) -> Adapter {
        Adapter(try LoRAAdapter(path: path, for: adapterTarget))
    }
}

extension WeightChanges {
    /// What several adapters change together, or `nil` if that is nothing.
    package convenience init?(_ uses: [AdapterUse]) {
        let uses = uses.filter { $0.scale != 0 }
        guard !uses.isEmpty else { return nil }
        self.init(
            uses.map { ($0.adapter.lora.updates, $0.scale) },
            identity: uses.map { "\($0.adapter.fingerprint)*\($0.scale)" }.joined(separator: "+"))
    }
}
