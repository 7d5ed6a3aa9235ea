import SwiftletTensor

/// What a function, filter or test is called with.
struct Arguments {
    var positional: [Value] = []
    var keywords: [(name: String, value: Value)] = []

    /// Takes a keyword argument out.
    mutating func take(_ name: String) -> Value? {
        guard let place = keywords.firstIndex(where: { $0.name.hasSameBytes(as: name) }) else { return nil }
        return keywords.remove(at: place).value
    }
}

extension Interpreter {
    /// The values of parameters in order; those beyond `required` may be missing.
    func bind(
        _ arguments: Arguments, _ parameters: [String], required: Int = 0, for callee: String
    ) throws(SwiftletError) -> [Value?] {
        guard arguments.positional.count <= parameters.count else {
            throw problem(
                "\(callee) takes at most \(parameters.count) arguments, found \(arguments.positional.count)")
        }
        var values: [Value?] = arguments.positional
        values += Array(repeating: nil, count: parameters.count - values.count)
        for (name, value) in arguments.keywords {
            guard let place = parameters.firstIndex(of: name) else {
                throw problem("\(callee) takes no argument '\(name)'")
            }
            guard values[place] == nil else { throw problem("\(callee) has two values for '\(name)'") }
            values[place] = value
        }
        for place in 0..<required where values[place] == nil {
            throw problem("\(callee) needs the argument '\(parameters[place])'")
        }
        return values
    }

    /// An argument that must be a whole number.
    func integer(_ value: Value?, _ what: String) throws(SwiftletError) -> Int? {
        guard let value else { return nil }
        guard let integer = value.integer else { throw mismatch(value, what, "a whole number") }
        return integer
    }

    /// An argument that must be text.
    func string(_ value: Value?, _ what: String) throws(SwiftletError) -> String? {
        guard let value else { return nil }
        guard let string = value.string else { throw mismatch(value, what, "a string") }
        return string
    }

    /// An error about a value of the wrong type.
    func mismatch(_ value: Value, _ what: String, _ expected: String) -> SwiftletError {
        if case .undefined(let undefined) = value { return problem(undefined.message) }
        return problem("\(what) is of type '\(value.typeName)', expected \(expected)")
    }
}
