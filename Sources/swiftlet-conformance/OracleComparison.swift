import SwiftletFormats

/// Compares an answer with what a case expects and collects the differences.
struct OracleComparison {
    let tolerance: OracleTolerance
    /// Names of fields that are not compared.
    let information: Set<String>
    /// One sentence per difference, such as `kept[1][3] is 7, expected 8`.
    private(set) var differences: [String] = []
    /// How many scalars were compared.
    private(set) var comparedCount = 0

    init(tolerance: OracleTolerance, information: Set<String>) {
        self.tolerance = tolerance
        self.information = information
    }

    /// Compares every member that is expected and not for information only; members that nobody expects are
    /// ignored.
    mutating func compare(_ found: [String: OracleValue], with expected: JSON, at path: String = "") {
        for (key, value) in expected.members {
            let name = key.string ?? ""
            if information.contains(name) { continue }
            let path = path.isEmpty ? name : "\(path).\(name)"
            if let found = found[name] {
                compare(found, with: value, at: path)
            } else {
                differences.append("\(path) was not computed, expected \(Self.description(of: value))")
            }
        }
    }

    private mutating func compare(_ found: OracleValue, with expected: JSON, at path: String) {
        switch (found, expected.kind) {
        case (.list(let values), .array):
            guard values.count == expected.count else { return differ(found, expected, at: path) }
            for (index, pair) in zip(values, expected.elements).enumerated() {
                compare(pair.0, with: pair.1, at: "\(path)[\(index)]")
            }
            if values.isEmpty { comparedCount += 1 }
        case (.object(let members), .object):
            compare(members, with: expected, at: path)
        default:
            comparedCount += 1
            if !isEqual(found, expected) { differ(found, expected, at: path) }
        }
    }

    private func isEqual(_ found: OracleValue, _ expected: JSON) -> Bool {
        switch found {
        case .null: expected.isNull
        case .bool(let value): expected.bool == value
        case .integer(let value): expected.double.flatMap(Int.init(exactly:)) == value
        case .number(let value): expected.double.map { tolerance.accepts(value, $0) } ?? false
        case .string(let value): expected.string == value
        case .list, .object: false
        }
    }

    private mutating func differ(_ found: OracleValue, _ expected: JSON, at path: String) {
        var text = "\(path) is \(found), expected \(Self.description(of: expected))"
        if case .number = found, expected.kind == .number { text += ", tolerance \(tolerance)" }
        differences.append(text)
    }

    private static func description(of json: JSON) -> String {
        switch json.kind {
        case .null: "null"
        case .bool: "\(json.bool ?? false)"
        case .number: json.int.map(String.init) ?? json.double.map { "\($0)" } ?? "a number"
        case .string: "'\(json.string ?? "")'"
        case .array: "a list of \(json.count)"
        case .object: "an object of \(json.count)"
        }
    }
}

/// How far a number may be from what is expected.
struct OracleTolerance: CustomStringConvertible {
    /// What the bound is measured in.
    enum Scale: String {
        case absolute
        /// A share of the expected value.
        case relative
        /// A share of the expected value where that is larger than 1.
        case mixed
    }

    let bound: Double
    let scale: Scale

    /// Whether `found` is close enough; infinities and NaN match themselves.
    func accepts(_ found: Double, _ expected: Double) -> Bool {
        if found == expected || (found.isNaN && expected.isNaN) { return true }
        return switch scale {
        case .absolute: abs(found - expected) <= bound
        case .relative: abs(found - expected) <= bound * abs(expected)
        case .mixed: abs(found - expected) <= bound * max(1, abs(expected))
        }
    }

    var description: String { "\(bound) \(scale.rawValue)" }
}
