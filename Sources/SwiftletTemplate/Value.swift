/// A value while a template runs, with the meaning that Python gives it.
enum Value {
    case undefined(Undefined)
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    /// Text that an escaping filter has marked as safe.
    case markup(String)
    case list(Items)
    case tuple(Items)
    case dict(Mapping)
    case range(NumberRange)
    case view(DictView)
    case iterator(ValueIterator)
    case namespace(Namespace)
    case loop(LoopState)
    case macro(Macro)
    case method(BoundMethod)
    case function(Builtin)
    case cycler(Cycler)
    case joiner(Joiner)

    /// The text of a string, safe or not.
    var string: String? {
        switch self {
        case .string(let text), .markup(let text): text
        default: nil
        }
    }

    /// The whole number of an `int` or `bool`.
    var integer: Int? {
        switch self {
        case .int(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    /// The number of an `int`, `bool` or `float`.
    var number: Double? {
        if case .float(let value) = self { return value }
        return integer.map(Double.init)
    }

    var isUndefined: Bool {
        if case .undefined = self { true } else { false }
    }

    var isNone: Bool {
        if case .none = self { true } else { false }
    }

    /// The name of the type as Python has it, for errors.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int: "int"
        case .float: "float"
        case .string: "str"
        case .markup: "Markup"
        case .list: "list"
        case .tuple: "tuple"
        case .dict: "dict"
        case .range: "range"
        case .view(let view): view.part.typeName
        case .iterator: "generator"
        case .namespace: "Namespace"
        case .loop: "LoopContext"
        case .macro: "Macro"
        case .method: "method"
        case .function: "function"
        case .cycler: "Cycler"
        case .joiner: "Joiner"
        }
    }

    /// How deep lists and dictionaries nest inside this value, itself included.
    var depth: Int {
        switch self {
        case .list(let items), .tuple(let items): items.depth
        case .dict(let mapping): mapping.depth
        case .view(let view): view.mapping.depth + 1
        case .iterator(let iterator): iterator.depth
        case .method(let method): method.receiver.depth + 1
        case .cycler(let cycler): cycler.items.depth + 1
        case .joiner(let joiner): joiner.separator.depth + 1
        case .loop(let loop): loop.depth + 1
        default: 0
        }
    }

    /// Whether Python takes this for true.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .float(let value): value != 0
        case .string(let text), .markup(let text): !text.utf8.isEmpty
        case .list(let items), .tuple(let items): !items.values.isEmpty
        case .dict(let mapping): !mapping.keys.isEmpty
        case .range(let range): range.count > 0
        case .view(let view): !view.mapping.keys.isEmpty
        // A loop has a length, which is not 0 while its body runs.
        case .iterator, .namespace, .loop, .macro, .method, .function, .cycler, .joiner: true
        }
    }
}

/// A value that is not there, and why.
final class Undefined {
    let message: String

    init(_ message: String) { self.message = message }
}

/// The elements of a list or tuple.
final class Items {
    let values: [Value]
    let depth: Int
    /// The names of the two elements of a group made by `groupby`.
    let isGroup: Bool

    init(_ values: [Value], isGroup: Bool = false) {
        self.values = values
        self.isGroup = isGroup
        depth = values.reduce(0) { max($0, $1.depth) } + 1
    }
}

/// A dictionary: it keeps the order of its keys.
final class Mapping {
    let keys: [Value]
    let values: [Value]
    let depth: Int
    private let places: [Key: Int]

    /// A dictionary whose members are there already once.
    private init(_ builder: Builder) {
        keys = builder.keys
        values = builder.values
        places = builder.places
        depth = builder.depth + 1
    }

    subscript(key: Key) -> Value? { places[key].map { values[$0] } }

    subscript(name: String) -> Value? { self[.text(ExactText(name))] }

    /// Collects members; the last of duplicates wins, in the place of the first.
    struct Builder {
        private(set) var keys: [Value] = []
        private(set) var values: [Value] = []
        fileprivate var places: [Key: Int] = [:]
        fileprivate var depth = 0

        mutating func set(_ key: Key, _ name: Value, _ value: Value) {
            depth = max(depth, value.depth, name.depth)
            if let place = places[key] {
                values[place] = value
            } else {
                places[key] = keys.count
                keys.append(name)
                values.append(value)
            }
        }

        mutating func set(_ name: String, _ value: Value) {
            set(.text(ExactText(name)), .string(name), value)
        }

        mutating func add(_ mapping: Mapping) {
            for (key, place) in mapping.places.sorted(by: { $0.value < $1.value }) {
                set(key, mapping.keys[place], mapping.values[place])
            }
        }

        subscript(key: Key) -> Value? { places[key].map { values[$0] } }

        var mapping: Mapping { Mapping(self) }
    }
}

/// A value as the key of a dictionary: equal numbers are one key, whatever their type.
enum Key: Hashable {
    case none
    case undefined
    case int(Int)
    case float(Double)
    case text(ExactText)
    case tuple([Key])
    case range(NumberRange)
    case builtin(Builtin)
    case identity(ObjectIdentifier)
}

/// Numbers at even distances.
struct NumberRange: Hashable {
    let start: Int
    let stop: Int
    let step: Int
    let count: Int

    func element(_ i: Int) -> Int { start + i * step }
}

/// The keys, values or items of a dictionary.
struct DictView {
    enum Part {
        case keys, values, items

        var typeName: String {
            switch self {
            case .keys: "dict_keys"
            case .values: "dict_values"
            case .items: "dict_items"
            }
        }
    }

    let part: Part
    let mapping: Mapping

    var values: [Value] {
        switch part {
        case .keys: mapping.keys
        case .values: mapping.values
        case .items: zip(mapping.keys, mapping.values).map { .tuple(Items([$0, $1])) }
        }
    }
}

/// A method together with the value it belongs to.
final class BoundMethod {
    let receiver: Value
    let name: String

    init(_ receiver: Value, _ name: String) {
        self.receiver = receiver
        self.name = name
    }
}
