import SwiftletTensor

/// Values that can be taken once, as Python's generators.
///
/// They are made at once; an error on the way is kept and thrown when a reader gets there.
final class ValueIterator {
    private var values: [Value]
    private var position = 0
    private let failure: SwiftletError?
    let depth: Int

    init(_ values: [Value], failure: SwiftletError? = nil) {
        self.values = values
        self.failure = failure
        depth = values.reduce(0) { max($0, $1.depth) } + 1
    }

    func next() throws(SwiftletError) -> Value? {
        if position < values.count {
            position += 1
            return values[position - 1]
        }
        if let failure { throw failure }
        return nil
    }

    /// All values that are left.
    func rest() throws(SwiftletError) -> [Value] {
        let rest = position == 0 ? values : Array(values[position...])
        position = values.count
        values = []
        position = 0
        if let failure { throw failure }
        return rest
    }
}

/// An object whose attributes a template may set.
final class Namespace {
    var members: Mapping.Builder

    init(_ members: Mapping.Builder) { self.members = members }
}

/// Yields its values in turn, forever.
final class Cycler {
    let items: Items
    var position = 0

    init(_ items: Items) { self.items = items }

    var current: Value { items.values[position] }
}

/// Yields nothing at its first call, its separator ever after.
final class Joiner {
    let separator: Value
    var isUsed = false

    init(_ separator: Value) { self.separator = separator }
}

/// A macro or the body of a call block, with the variables around it.
final class Macro {
    let definition: MacroDefinition
    /// `nil` once the rendering that made the macro has ended.
    var scope: Activation?

    init(_ definition: MacroDefinition, _ scope: Activation) {
        self.definition = definition
        self.scope = scope
    }
}

/// The variables of one call of a function: the template, a macro, a recursive loop, the test of a loop.
final class Activation {
    var slots: [Value?]
    var parent: Activation?

    init(count: Int, parent: Activation?) {
        slots = Array(repeating: nil, count: count)
        self.parent = parent
    }
}

/// Functions that every template can call.
enum Builtin: String, CaseIterable {
    case range, dict, namespace, cycler, joiner
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
    case lipsum
}
