import SwiftletFormats
import SwiftletTensor

/// A type that inputs and parameters of a case can be read as; lists of readable things are readable.
protocol OracleReadable {
    /// What a person calls it, as in "list of integers".
    static var oracleName: String { get }
    /// The value, or `nil` if it is something else; `path` is for the errors of nested objects.
    init?(oracle json: JSON, path: String)
}

/// The members of an object in a case, read by name and type:
/// `let keys: [[[Float]]] = try oracle.inputs.read("k")`.
struct OracleFields: OracleReadable {
    static var oracleName: String { "object" }

    private let json: JSON?
    private let path: String

    /// Reads from an object; without one every field is missing.
    init(_ json: JSON?, path: String) {
        self.json = json
        self.path = path
    }

    init?(oracle json: JSON, path: String) {
        guard json.kind == .object else { return nil }
        self.init(json, path: path)
    }

    /// Whether there is a member of this name, `null` included.
    func has(_ name: String) -> Bool { json?[name] != nil }

    /// A member.
    ///
    /// - Throws: `.malformed` with the path of the field if it is missing or has another type.
    func read<Value: OracleReadable>(_ name: String, as type: Value.Type = Value.self)
        throws(SwiftletError) -> Value
    {
        guard let member = json?[name] else {
            throw SwiftletError(.malformed, "\(path).\(name) is missing, expected a \(Value.oracleName)")
        }
        guard let value = Value(oracle: member, path: "\(path).\(name)") else {
            throw SwiftletError(
                .malformed, "\(path).\(name) is not what was expected, a \(Value.oracleName)")
        }
        return value
    }

    /// A member, or what stands for it when there is none.
    func read<Value: OracleReadable>(_ name: String, default value: Value) throws(SwiftletError) -> Value {
        has(name) ? try read(name) : value
    }
}

extension Int: OracleReadable {
    static var oracleName: String { "integer" }

    init?(oracle json: JSON, path: String) {
        // Tables of mixed rows write 32 as 32.0.
        guard let value = json.int ?? json.double.flatMap(Int.init(exactly:)) else { return nil }
        self = value
    }
}

extension Double: OracleReadable {
    static var oracleName: String { "number" }

    init?(oracle json: JSON, path: String) {
        guard let value = json.double else { return nil }
        self = value
    }
}

extension Float: OracleReadable {
    static var oracleName: String { "number" }

    init?(oracle json: JSON, path: String) {
        guard let value = json.double else { return nil }
        self = Float(value)
    }
}

extension Bool: OracleReadable {
    static var oracleName: String { "boolean" }

    init?(oracle json: JSON, path: String) {
        guard let value = json.bool else { return nil }
        self = value
    }
}

extension String: OracleReadable {
    static var oracleName: String { "string" }

    init?(oracle json: JSON, path: String) {
        guard let value = json.string else { return nil }
        self = value
    }
}

extension Optional: OracleReadable where Wrapped: OracleReadable {
    static var oracleName: String { "\(Wrapped.oracleName) or null" }

    init?(oracle json: JSON, path: String) {
        if json.isNull {
            self = Wrapped?.none
        } else if let value = Wrapped(oracle: json, path: path) {
            self = Wrapped?.some(value)
        } else {
            return nil
        }
    }
}

extension Array: OracleReadable where Element: OracleReadable {
    static var oracleName: String { "list (\(Element.oracleName))" }

    init?(oracle json: JSON, path: String) {
        guard json.kind == .array else { return nil }
        self = []
        reserveCapacity(json.count)
        for element in json.elements {
            guard let value = Element(oracle: element, path: path) else { return nil }
            append(value)
        }
    }
}
