/// A type that a handler can answer with; lists and dictionaries of results are results.
protocol OracleResult {
    /// The value as the comparison sees it.
    var oracleValue: OracleValue { get }
}

/// An answer, in the terms of JSON.
///
/// Integers are compared exactly and numbers within the tolerance of the case; the type of the answer decides,
/// because an expected `3.0` may be printed as `3`.
enum OracleValue {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case list([OracleValue])
    case object([String: OracleValue])
}

extension OracleValue: OracleResult {
    var oracleValue: OracleValue { self }
}

extension OracleValue: CustomStringConvertible {
    /// The value in one line; lists and objects by their size.
    var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .string(let value): "'\(value)'"
        case .list(let values): "a list of \(values.count)"
        case .object(let members): "an object of \(members.count)"
        }
    }
}

extension Int: OracleResult {
    var oracleValue: OracleValue { .integer(self) }
}

extension Int32: OracleResult {
    var oracleValue: OracleValue { .integer(Int(self)) }
}

extension Double: OracleResult {
    var oracleValue: OracleValue { .number(self) }
}

extension Float: OracleResult {
    var oracleValue: OracleValue { .number(Double(self)) }
}

extension Bool: OracleResult {
    var oracleValue: OracleValue { .bool(self) }
}

extension String: OracleResult {
    var oracleValue: OracleValue { .string(self) }
}

extension Optional: OracleResult where Wrapped: OracleResult {
    var oracleValue: OracleValue { map(\.oracleValue) ?? .null }
}

extension Array: OracleResult where Element: OracleResult {
    var oracleValue: OracleValue { .list(map(\.oracleValue)) }
}

extension Dictionary: OracleResult where Key == String, Value == any OracleResult {
    var oracleValue: OracleValue { .object(mapValues(\.oracleValue)) }
}
