import SwiftletEngine
import SwiftletFormats
import Synchronization

/// The adapters that a server was started with, and the scales of requests that do not say.
final class AdapterScales: Sendable {
    private let loaded: [AdapterUse]
    private let scales: Mutex<[Float]>

    /// - Parameter loaded: adapters by their numbers, with the scales they start with.
    init(_ loaded: [AdapterUse]) {
        self.loaded = loaded
        scales = Mutex(loaded.map(\.scale))
    }

    /// Every adapter with its present scale.
    var uses: [AdapterUse] { scaled(by: scales.withLock { $0 }) }

    /// Sets the scales for requests to come.
    func set(_ uses: [AdapterUse]) { scales.withLock { $0 = uses.map(\.scale) } }

    /// Every adapter with the scale that a list of `{"id", "scale"}` gives it; 0 where the list does not name it.
    ///
    /// - Parameter name: of the list, for errors.
    func uses(_ list: [JSON], named name: String) throws(APIError) -> [AdapterUse] {
        var scales = loaded.map { _ in Float(0) }
        for (index, item) in list.enumerated() {
            var fields = try RequestFields(item, named: "\(name)[\(index)]")
            guard let id = try fields.int("id", in: 0...(1 << 20)) else { throw fields.missing("id") }
            guard let scale = try fields.double("scale", in: -1e6...1e6) else {
                throw fields.missing("scale")
            }
            fields.accept(["path", "task_name", "prompt_prefix"])
            try fields.finish()
            guard scales.indices.contains(id) else {
                throw .field(
                    fields.path("id"),
                    "is \(id), but the server was started with \(loaded.count) adapters; add them with --lora"
                )
            }
            scales[id] = Float(scale)
        }
        return scaled(by: scales)
    }

    private func scaled(by scales: [Float]) -> [AdapterUse] {
        zip(loaded, scales).map { AdapterUse($0.adapter, scale: $1) }
    }
}
