import ArgumentParser
import SwiftletCache
import SwiftletTensor

/// Reads the values of flags; the sentence of the error goes behind "The value 'x' is invalid for '-n'".
enum FlagValues {
    static func integer(_ text: String) throws -> Int {
        guard let value = Int(text) else { throw ValidationError("expected a whole number") }
        return value
    }

    static func number(_ text: String) throws -> Double {
        guard let value = Double(text), value.isFinite else { throw ValidationError("expected a number") }
        return value
    }

    /// Values with commas between; `nil` without a text.
    ///
    /// - Parameter expected: what the error says about a text that cannot be read.
    static func list<Value>(
        _ flag: String, _ text: String?, _ expected: String, _ value: (String) throws -> Value?
    ) throws -> [Value]? {
        guard let text else { return nil }
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { piece in
            guard let found = try value(String(piece)) else {
                throw ValidationError("\(flag) is '\(text)'; expected \(expected)")
            }
            return found
        }
    }

    /// The budgets of `--budgets`; `nil` without a text.
    static func budgets(_ text: String?) throws -> [KVBudget]? {
        try list("--budgets", text, "shares such as 10%,20%") { text in
            do throws(SwiftletError) {
                return try KVBudget(parsing: text, flag: "--budgets")
            } catch {
                throw ValidationError(error.message)
            }
        }
    }

    static func seed(_ text: String) throws -> Seed {
        if text == "-1" { return Seed(value: nil) }
        guard let value = UInt64(text) else {
            throw ValidationError("expected a whole number from 0 to \(UInt64.max), or -1 to pick one")
        }
        return Seed(value: value)
    }
}

/// A seed as given; `nil` picks one.
struct Seed: Hashable {
    let value: UInt64?
}
