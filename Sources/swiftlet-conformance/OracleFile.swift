import SwiftletFormats
import SwiftletTensor

/// A file of cases of one method: `{"method", "cases": [{"name", "kind", "inputs", "params", "expected",
/// "tolerance"}]}`.
struct OracleFile {
    /// Lowercase name of the method.
    let method: String
    let cases: [OracleCase]

    /// Takes cases of a method.
    init(method: String, cases: [OracleCase]) {
        (self.method, self.cases) = (method, cases)
    }

    /// Reads a file.
    ///
    /// - Throws: `.unreadable` or `.malformed`, which name the file and the part that is missing.
    init(path: String) throws(SwiftletError) {
        try self.init(try JSON.parse(contentsOf: path))
    }

    /// Reads a parsed document.
    init(_ json: JSON) throws(SwiftletError) {
        guard let method = json["method"]?.string, let cases = json["cases"], cases.kind == .array else {
            throw SwiftletError(
                .malformed,
                "\(json.source): is not an oracle; expected an object with 'method' and a list of 'cases'")
        }
        self.method = method.lowercased()
        var read: [OracleCase] = []
        for json in cases.elements { read.append(try OracleCase(json, number: read.count)) }
        self.cases = read
    }
}

/// One computation with its inputs and its answer.
struct OracleCase {
    let name: String
    /// What is computed, such as `snapkv`.
    let kind: String
    let inputs: OracleFields
    let params: OracleFields
    /// The answers, by name.
    var expected: JSON
    /// How far floats may be off.
    let tolerance: Double
    /// Whether the tolerance is a share of the expected value.
    let isRelative: Bool

    init(_ json: JSON, number: Int) throws(SwiftletError) {
        name = json["name"]?.string ?? "number \(number)"
        let place = "\(json.source): case '\(name)'"
        guard let kind = json["kind"]?.string ?? json["params"]?["kind"]?.string else {
            throw SwiftletError(.malformed, "\(place) has no 'kind', neither of its own nor in its 'params'")
        }
        guard let expected = json["expected"], expected.kind == .object else {
            throw SwiftletError(.malformed, "\(place) has no object 'expected'")
        }
        let tolerance = json["tolerance"].map(\.double) ?? 0
        guard let tolerance, tolerance >= 0 else {
            throw SwiftletError(.malformed, "\(place) has a 'tolerance' that is not a number ≥ 0")
        }
        self.kind = kind
        self.expected = expected
        self.tolerance = tolerance
        isRelative = json["relative"]?.bool ?? false
        inputs = OracleFields(json["inputs"], path: "inputs")
        params = OracleFields(json["params"], path: "params")
    }

    /// An error that says why the inputs cannot be what the kind promises.
    func malformed(_ reason: String) -> SwiftletError { SwiftletError(.malformed, reason) }
}
