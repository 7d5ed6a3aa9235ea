public import SwiftletFormats
public import SwiftletTensor

/// A value that is given to a template: plain data, as in JSON.
public enum TemplateValue: Sendable, Equatable {
    /// Nothing; `none` in a template.
    case null
    /// A truth value.
    case bool(Bool)
    /// A whole number.
    case int(Int)
    /// Any other number.
    case double(Double)
    /// Text.
    case string(String)
    /// A list.
    case array([TemplateValue])
    /// A dictionary that keeps the order of its members.
    case object(TemplateObject)

    /// Copies a JSON value; numbers that are whole and fit 64 bits stay whole.
    public init(_ json: JSON) {
        switch json.kind {
        case .null: self = .null
        case .bool: self = .bool(json.bool ?? false)
        case .number: self = json.int.map(TemplateValue.int) ?? .double(json.double ?? .nan)
        case .string: self = .string(json.string ?? "")
        case .array: self = .array(json.elements.map(TemplateValue.init))
        case .object:
            var object = TemplateObject()
            for (key, value) in json.members { object[key.string ?? ""] = TemplateValue(value) }
            self = .object(object)
        }
    }

    /// Reads a value from JSON text.
    ///
    /// - Parameter name: names the text in errors.
    /// - Throws: ``SwiftletError/Code/malformed`` if it is no JSON.
    public init(json text: String, name: String = "JSON") throws(SwiftletError) {
        self.init(try JSON.parse(Array(text.utf8), source: name))
    }

    /// Whether two values are the same data; text is compared by its bytes.
    public static func == (a: TemplateValue, b: TemplateValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.double(let a), .double(let b)): a == b
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

/// The members of an object in the order in which they were added.
public struct TemplateObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// Keys in order.
    public private(set) var keys: [String] = []
    /// The values of ``keys``.
    public private(set) var values: [TemplateValue] = []
    private var places: [ExactText: Int] = [:]

    /// An object without members.
    public init() {}

    /// An object from a literal; the last of duplicate keys wins.
    public init(dictionaryLiteral elements: (String, TemplateValue)...) {
        for (key, value) in elements { self[key] = value }
    }

    /// The value of a member; setting `nil` changes nothing.
    public subscript(key: String) -> TemplateValue? {
        get { places[ExactText(key)].map { values[$0] } }
        set {
            guard let newValue else { return }
            if let place = places[ExactText(key)] {
                values[place] = newValue
            } else {
                places[ExactText(key)] = keys.count
                keys.append(key)
                values.append(newValue)
            }
        }
    }

    /// Whether two objects have the same members in the same order.
    public static func == (a: TemplateObject, b: TemplateObject) -> Bool {
        a.keys.map(ExactText.init) == b.keys.map(ExactText.init) && a.values == b.values
    }
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// Text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A whole number.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// A list.
    public init(arrayLiteral elements: TemplateValue...) { self = .array(elements) }
    /// An object; the last of duplicate keys wins.
    public init(dictionaryLiteral elements: (String, TemplateValue)...) {
        var object = TemplateObject()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
}

/// Text that is compared by its bytes; `String` takes canonically equivalent texts for equal, Python does not.
struct ExactText: Hashable, Sendable {
    let string: String

    init(_ string: String) { self.string = string }

    static func == (a: ExactText, b: ExactText) -> Bool { a.string.hasSameBytes(as: b.string) }

    func hash(into hasher: inout Hasher) {
        string.withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
