import SwiftletFormats
import SwiftletTensor

/// Reads the members of an object in a profile by type; errors name the file and the path of the key.
struct KVProfileFields {
    private let json: JSON
    private let path: String

    init(_ json: JSON, path: String = "") {
        self.json = json
        self.path = path
    }

    var source: String { json.source }

    func string(_ key: String) throws(SwiftletError) -> String {
        try read(key, "a string") { $0.string }
    }

    func integer(_ key: String) throws(SwiftletError) -> Int {
        try read(key, "a whole number") { $0.int }
    }

    func number(_ key: String) throws(SwiftletError) -> Double {
        try read(key, "a number") { $0.double.flatMap { $0.isFinite ? $0 : nil } }
    }

    func bool(_ key: String) throws(SwiftletError) -> Bool {
        try read(key, "true or false") { $0.bool }
    }

    func integers(_ key: String) throws(SwiftletError) -> [Int] {
        try read(key, "a list of whole numbers") { list in
            let values = list.elements.compactMap(\.int)
            return list.kind == .array && values.count == list.count ? values : nil
        }
    }

    func numbers(_ key: String) throws(SwiftletError) -> [[Double]] {
        try read(key, "a list of lists of numbers") { list in
            let rows = list.elements.map { $0.elements.compactMap(\.double).filter(\.isFinite) }
            let isComplete = zip(rows, list.elements).allSatisfy { $0.count == $1.count && $1.kind == .array }
            return list.kind == .array && isComplete ? rows : nil
        }
    }

    func object(_ key: String) throws(SwiftletError) -> KVProfileFields {
        KVProfileFields(
            try read(key, "an object") { $0.kind == .object ? $0 : nil }, path: "\(path)\(key).")
    }

    func objects(_ key: String) throws(SwiftletError) -> [KVProfileFields] {
        let list = try read(key, "a list of objects") { list in
            list.kind == .array && list.elements.allSatisfy { $0.kind == .object } ? list : nil
        }
        return list.elements.enumerated().map { KVProfileFields($1, path: "\(path)\(key)[\($0)].") }
    }

    /// Whether there is a member that is not null.
    func has(_ key: String) -> Bool { json[key].map { !$0.isNull } ?? false }

    private func read<Value>(
        _ key: String, _ expected: String, _ convert: (JSON) -> Value?
    ) throws(SwiftletError) -> Value {
        guard let member = json[key] else {
            throw SwiftletError(.malformed, "\(source): '\(path)\(key)' is missing, expected \(expected)")
        }
        guard let value = convert(member) else {
            throw SwiftletError(.malformed, "\(source): '\(path)\(key)' is not \(expected)")
        }
        return value
    }
}
