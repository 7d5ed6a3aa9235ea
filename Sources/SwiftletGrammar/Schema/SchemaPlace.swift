import SwiftletFormats
import SwiftletTensor

/// A schema within a document, and the JSON pointer that leads to it.
struct SchemaPlace: Sendable {
    let value: JSON
    /// Such as `#/properties/name`.
    let pointer: String

    /// The value of a keyword.
    func child(_ key: String) -> SchemaPlace? {
        value[key].map { SchemaPlace(value: $0, pointer: "\(pointer)/\(Self.escape(key))") }
    }

    /// The elements of an array.
    var elements: [SchemaPlace] {
        value.elements.enumerated().map { SchemaPlace(value: $1, pointer: "\(pointer)/\($0)") }
    }

    /// The members of an object; the last of duplicates stands at the first's place.
    var members: [(key: [UInt8], place: SchemaPlace)] {
        var order: [(key: [UInt8], place: SchemaPlace)] = []
        var indices: [[UInt8]: Int] = [:]
        for (name, value) in value.members {
            let key = name.bytes ?? []
            let pointer = "\(pointer)/\(Self.escape(String(decoding: key, as: UTF8.self)))"
            let member = (key: key, place: SchemaPlace(value: value, pointer: pointer))
            if let index = indices[key] {
                order[index] = member
            } else {
                indices[key] = order.count
                order.append(member)
            }
        }
        return order
    }

    private static func escape(_ key: String) -> String {
        var result = ""
        for scalar in key.unicodeScalars {
            switch scalar {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    // MARK: Errors

    /// An error that names the place.
    func problem(_ what: String, _ code: SwiftletError.Code = .malformed) -> SwiftletError {
        SwiftletError(code, "\(value.source): '\(pointer)': \(what)")
    }

    /// An error for a value of the wrong kind.
    func expected(_ what: String) -> SwiftletError {
        problem(
            "found \(value.kind == .object || value.kind == .array ? "an" : "a") \(value.kind), expected \(what)"
        )
    }

    // MARK: Values of keywords

    func nonNegativeInteger() throws(SwiftletError) -> Int {
        let number = value.int ?? value.double.flatMap { Int(exactly: $0) }
        guard let number, number >= 0 else { throw expected("an integer of 0 or more") }
        return number
    }

    func string() throws(SwiftletError) -> String {
        guard let string = value.string else { throw expected("a string") }
        return string
    }

    func bool() throws(SwiftletError) -> Bool {
        guard let bool = value.bool else { throw expected("true or false") }
        return bool
    }

    func array() throws(SwiftletError) -> [SchemaPlace] {
        guard value.kind == .array else { throw expected("an array") }
        return elements
    }

    func object() throws(SwiftletError) -> [(key: [UInt8], place: SchemaPlace)] {
        guard value.kind == .object else { throw expected("an object") }
        return members
    }

    func number() throws(SwiftletError) -> DecimalNumber {
        guard let number = DecimalNumber(value) else { throw expected("a finite number") }
        return number
    }
}
