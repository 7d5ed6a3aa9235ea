import SwiftletFormats
import SwiftletTensor

/// Kinds of JSON values. Integers are numbers too, so a schema for numbers names both.
struct SchemaTypes: OptionSet, Sendable, Hashable {
    let rawValue: UInt8

    static let null = SchemaTypes(rawValue: 1)
    static let boolean = SchemaTypes(rawValue: 2)
    static let integer = SchemaTypes(rawValue: 4)
    /// Numbers that are no integers; with ``integer`` all numbers.
    static let fraction = SchemaTypes(rawValue: 8)
    static let string = SchemaTypes(rawValue: 16)
    static let array = SchemaTypes(rawValue: 32)
    static let object = SchemaTypes(rawValue: 64)
    static let number: SchemaTypes = [.integer, .fraction]
    static let all = SchemaTypes(rawValue: 127)

    /// The kinds that a name in `type` stands for.
    init?(name: String) {
        switch name {
        case "null": self = .null
        case "boolean": self = .boolean
        case "integer": self = .integer
        case "number": self = .number
        case "string": self = .string
        case "array": self = .array
        case "object": self = .object
        default: return nil
        }
    }

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The kinds that a value has.
    init(of value: JSON) {
        switch value.kind {
        case .null: self = .null
        case .bool: self = .boolean
        case .string: self = .string
        case .array: self = .array
        case .object: self = .object
        case .number:
            self = DecimalNumber(value)?.fraction.isEmpty == true ? .integer : .fraction
        }
    }
}

/// An end of a range of numbers.
struct SchemaBound: Sendable, Hashable {
    let value: DecimalNumber
    let isExclusive: Bool
}

/// What one schema object says of objects. It holds for all its keys together, so it is kept together when schemas merge.
struct SchemaObjectFacet: Sendable {
    var properties: [(key: [UInt8], place: SchemaPlace)] = []
    var patterns: [(pattern: String, place: SchemaPlace)] = []
    /// `nil` if it says nothing of other keys.
    var additional: SchemaPlace?
}

/// What one schema object says of the elements of arrays.
struct SchemaArrayFacet: Sendable {
    var prefix: [SchemaPlace] = []
    /// `nil` if it says nothing of the elements behind the prefix.
    var rest: SchemaPlace?
}

/// Constraints that hold together; a schema is a choice of such.
struct SchemaConjunct: Sendable {
    /// Where it comes from, for errors.
    var place: SchemaPlace
    var declared: SchemaTypes = .all
    /// The kinds that keywords speak of.
    var implied: SchemaTypes = []
    var values: [SchemaPlace]?

    var languages: [GrammarNode] = []
    var shortest = 0
    var longest: Int?

    var lower: SchemaBound?
    var upper: SchemaBound?
    var divisors: [SchemaPlace] = []

    var objects: [SchemaObjectFacet] = []
    var required: [[UInt8]] = []
    var fewestMembers = 0
    var mostMembers: Int?

    var arrays: [SchemaArrayFacet] = []
    var fewestElements = 0
    var mostElements: Int?

    /// Choices that are still to be made.
    var unions: [[SchemaPlace]] = []

    /// The kinds of values; without `type`, those that the other keywords speak of, if there are any.
    var types: SchemaTypes { declared == .all && !implied.isEmpty ? implied : declared }

    mutating func raise(to bound: SchemaBound) {
        guard let old = lower else { return lower = bound }
        if old.value < bound.value || (old.value == bound.value && bound.isExclusive) { lower = bound }
    }

    mutating func lower(to bound: SchemaBound) {
        guard let old = upper else { return upper = bound }
        if bound.value < old.value || (old.value == bound.value && bound.isExclusive) { upper = bound }
    }

    mutating func limitValues(to other: [SchemaPlace]) {
        guard let known = values else { return values = other }
        values = known.filter { value in other.contains { SchemaText.isEqual($0.value, value.value) } }
    }
}
