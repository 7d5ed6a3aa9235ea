public import SwiftletTensor

/// The settings of one component of a policy: `window=32,kernel=7`, at most one of them without a name.
///
/// A component takes what it knows; what is left over is refused by ``finish(_:)``.
public struct KVArguments: Sendable {
    private let component: String
    private var values: [(name: String?, text: String)]

    /// Splits `text` at commas; `\,` is a comma of its own.
    init(component: String, text: String) {
        self.component = component
        values = KVPolicySyntax.split(text, at: ",").map { part in
            let pieces = KVPolicySyntax.split(part, at: "=")
            return pieces.count < 2
                ? (nil, KVPolicySyntax.unescaped(part))
                : (pieces[0], KVPolicySyntax.unescaped(pieces.dropFirst().joined(separator: "=")))
        }
    }

    /// Takes a whole number.
    public mutating func integer(
        _ name: String, default fallback: Int, in range: ClosedRange<Int>
    ) throws(SwiftletError) -> Int {
        guard let text = take(name) else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw refusal(name, text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// Takes an odd number.
    public mutating func oddInteger(
        _ name: String, default fallback: Int, in range: ClosedRange<Int>
    ) throws(SwiftletError) -> Int {
        let value = try integer(name, default: fallback, in: range)
        guard !value.isMultiple(of: 2) else { throw refusal(name, "\(value)", "an odd number") }
        return value
    }

    /// Takes a number.
    public mutating func number(
        _ name: String, default fallback: Double, in range: ClosedRange<Double>
    ) throws(SwiftletError) -> Double {
        guard let text = take(name) else { return fallback }
        guard let value = Double(text), range.contains(value) else {
            throw refusal(name, text, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// Takes `true` or `false`.
    public mutating func flag(_ name: String, default fallback: Bool) throws(SwiftletError) -> Bool {
        try choice(name, default: fallback, from: ["true": true, "false": false])
    }

    /// Takes one of some words.
    public mutating func choice<Value>(
        _ name: String, default fallback: Value, from words: KeyValuePairs<String, Value>
    ) throws(SwiftletError) -> Value {
        guard let text = take(name) else { return fallback }
        guard let match = words.first(where: { $0.key == text }) else {
            throw refusal(name, text, words.map(\.key).joined(separator: " or "))
        }
        return match.value
    }

    /// Takes a word.
    public mutating func word(_ name: String) -> String? { take(name) }

    /// Takes a path, which needs no name if it comes without one.
    public mutating func path(_ name: String) -> String? {
        if let index = values.firstIndex(where: { $0.name == nil }) { return values.remove(at: index).text }
        return take(name)
    }

    /// Refuses what nobody took.
    func finish(known: [String]) throws(SwiftletError) {
        guard let (name, text) = values.first else { return }
        let expected = known.isEmpty ? "it has no settings" : "expected \(known.joined(separator: ", "))"
        guard let name else {
            throw SwiftletError(
                .invalidArgument, "'\(text)' of '\(component)' is not of the form name=value; \(expected)")
        }
        throw SwiftletError(
            .invalidArgument,
            "'\(component)' has no setting '\(name)'\(Spelling.suggestion(for: name, from: known)); \(expected)"
        )
    }

    private mutating func take(_ name: String) -> String? {
        guard let index = values.firstIndex(where: { $0.name == name }) else { return nil }
        return values.remove(at: index).text
    }

    func refusal(_ name: String, _ text: String, _ expected: String) -> SwiftletError {
        SwiftletError(.invalidArgument, "\(name) of '\(component)' is '\(text)'; expected \(expected)")
    }
}

/// How a specification is cut into pieces: at separators that no backslash precedes.
enum KVPolicySyntax {
    static func split(_ text: String, at separator: Character) -> [String] {
        var parts: [String] = []
        var part = ""
        var isEscaped = false
        for character in text {
            if character == separator, !isEscaped {
                parts.append(part)
                part = ""
            } else {
                part.append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        return text.isEmpty ? [] : parts + [part]
    }

    static func unescaped(_ text: String) -> String {
        var result = ""
        var isEscaped = false
        for character in text {
            if character == "\\", !isEscaped {
                isEscaped = true
            } else {
                result.append(character)
                isEscaped = false
            }
        }
        return result
    }
}
