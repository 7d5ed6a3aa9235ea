import SwiftletFormats
import SwiftletTensor

/// Reads the members of a JSON object that a client sent, and notices those that nobody read.
///
/// Every problem is an ``APIError`` that names the field. A member that is `null` counts as absent; of members with
/// one name the last counts.
///
/// ```swift
/// var fields = try RequestFields(body: bytes)
/// let stream = try fields.bool("stream") ?? false
/// let count = try fields.int("n", in: 1...16) ?? 1
/// try fields.finish()
/// ```
struct RequestFields {
    /// The object.
    let json: JSON
    private let prefix: String
    private let members: [String: JSON]
    private var read: Set<String> = []

    /// Parses a body.
    init(body: [UInt8]) throws(APIError) {
        guard body.contains(where: { $0 > 0x20 }) else {
            throw APIError(.invalidRequest, "the body is empty, expected a JSON object")
        }
        let json: JSON
        do {
            json = try JSON.parse(body, source: "the body")
        } catch {
            throw APIError(.invalidRequest, error.message, code: "invalid_json")
        }
        try self.init(json, named: "")
    }

    /// Reads an object inside a request.
    ///
    /// - Parameter name: the path to it, such as `messages[0]`; empty for the request itself.
    init(_ json: JSON, named name: String) throws(APIError) {
        guard json.kind == .object else {
            guard !name.isEmpty else {
                throw APIError(
                    .invalidRequest, "the body is \(Self.describe(json)), expected a JSON object",
                    code: "invalid_type")
            }
            throw .field(name, "is \(Self.describe(json)), expected an object", code: "invalid_type")
        }
        self.json = json
        prefix = name.isEmpty ? "" : name + "."
        var members: [String: JSON] = [:]
        for (key, value) in json.members { members[key.string ?? ""] = value }
        self.members = members
    }

    /// The path of a member, for errors.
    func path(_ name: String) -> String { prefix + name }

    /// Whether a member is there and not `null`; does not count as reading it.
    func has(_ name: String) -> Bool { members[name].map { !$0.isNull } ?? false }

    // MARK: Values

    /// Any value; `nil` if it is absent or `null`.
    mutating func value(_ name: String) -> JSON? {
        read.insert(name)
        guard let value = members[name], !value.isNull else { return nil }
        return value
    }

    /// A text.
    mutating func string(_ name: String) throws(APIError) -> String? {
        guard let value = value(name) else { return nil }
        guard let string = value.string else { throw wrong(name, value, "a string") }
        return string
    }

    /// A truth value.
    mutating func bool(_ name: String) throws(APIError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard let bool = value.bool else { throw wrong(name, value, "true or false") }
        return bool
    }

    /// A whole number; `5.0` is one, too.
    mutating func int(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = value(name) else { return nil }
        guard let int = Self.wholeNumber(value) else { throw wrong(name, value, "a whole number") }
        guard range.contains(int) else {
            throw .field(
                path(name),
                "is \(int), expected a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return int
    }

    /// A number.
    mutating func double(_ name: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let double = value.double, double.isFinite else { throw wrong(name, value, "a number") }
        guard range.contains(double) else {
            throw .field(
                path(name), "is \(double), expected a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return double
    }

    /// One of several words.
    mutating func choice(_ name: String, _ words: [String]) throws(APIError) -> String? {
        guard let word = try string(name) else { return nil }
        guard words.contains(word) else {
            throw .field(
                path(name), "is '\(word.prefix(60))', expected \(words.joined(separator: ", "))")
        }
        return word
    }

    /// The elements of an array.
    mutating func array(_ name: String, maximum: Int) throws(APIError) -> [JSON]? {
        guard let value = value(name) else { return nil }
        guard value.kind == .array else { throw wrong(name, value, "an array") }
        guard value.count <= maximum else {
            throw .field(path(name), "has \(value.count) elements, expected at most \(maximum)")
        }
        return Array(value.elements)
    }

    /// A text, or an array of texts.
    mutating func strings(_ name: String, maximum: Int) throws(APIError) -> [String]? {
        guard let value = value(name) else { return nil }
        if let string = value.string { return [string] }
        guard value.kind == .array else { throw wrong(name, value, "a string or an array of strings") }
        var strings: [String] = []
        let elements = try array(name, maximum: maximum) ?? []
        for (index, element) in elements.enumerated() {
            guard let string = element.string else {
                throw .field(
                    "\(path(name))[\(index)]", "is \(Self.describe(element)), expected a string",
                    code: "invalid_type")
            }
            strings.append(string)
        }
        return strings
    }

    /// An object.
    mutating func object(_ name: String) throws(APIError) -> RequestFields? {
        guard let value = value(name) else { return nil }
        return try RequestFields(value, named: path(name))
    }

    // MARK: Fields that change nothing

    /// Takes members that are well known and change nothing here.
    mutating func accept(_ names: [String]) { read.formUnion(names) }

    /// Takes a number only if it switches its stage off.
    mutating func acceptOff(_ name: String, _ isOff: (Double) -> Bool, _ what: String) throws(APIError) {
        guard let value = value(name) else { return }
        guard let number = value.double else { throw wrong(name, value, "a number") }
        guard isOff(number) else { throw .refused(path(name), "there is no \(what)") }
    }

    /// Refuses a known member, whatever its value.
    mutating func refuse(_ name: String, _ reason: String) throws(APIError) {
        if value(name) != nil { throw .refused(path(name), reason) }
    }

    /// Refuses what nobody has read.
    func finish() throws(APIError) {
        guard let name = members.keys.filter({ !read.contains($0) }).min() else { return }
        let shown = String(name.prefix(100))
        throw APIError(
            .invalidRequest, "'\(path(shown))' is not a field that this endpoint knows; remove it",
            parameter: path(shown), code: "unknown_parameter")
    }

    // MARK: Errors

    /// An error about a value of the wrong type.
    func wrong(_ name: String, _ value: JSON, _ expected: String) -> APIError {
        .field(path(name), "is \(Self.describe(value)), expected \(expected)", code: "invalid_type")
    }

    /// An error about a member that must be there.
    func missing(_ name: String) -> APIError {
        APIError(
            .invalidRequest, "'\(path(name))' is missing", parameter: path(name),
            code: "missing_required_parameter")
    }

    /// A whole number, however it is written.
    static func wholeNumber(_ value: JSON) -> Int? { value.int ?? value.double.flatMap { Int(exactly: $0) } }

    /// What a value is, in words.
    static func describe(_ value: JSON) -> String {
        switch value.kind {
        case .null: "null"
        case .bool: "a truth value"
        case .number: "the number \(value.double ?? 0)"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
