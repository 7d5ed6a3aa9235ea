/// A variable: which function it belongs to and its place there.
struct Variable: Hashable, Sendable {
    let function: Int
    let slot: Int
}

/// How a variable gets its value when its frame is entered.
enum Load: Sendable {
    /// A parameter or loop target, which is assigned by other means.
    case parameter
    /// From the values given to the template.
    case resolve(String)
    /// From a variable of an outer frame.
    case alias(Variable)
    /// Nothing yet.
    case undefined
}

/// The names of one frame: what they refer to, and what happens when the frame is entered.
///
/// Jinja2 decides before a template runs which variable a name means; these are its rules. A frame that
/// assigns a name has its own variable of that name, which starts with the value that the name has outside.
struct Symbols {
    /// Where the frame's own variables live.
    let function: Int
    let level: Int
    private(set) var references: [String: Variable] = [:]
    private(set) var loads: [Variable: Load] = [:]
    private(set) var stores: Set<String> = []
    /// The frames around this one, innermost first.
    private let outer: [Symbols]

    init(function: Int, inside parent: Symbols?) {
        self.function = function
        level = parent.map { $0.level + 1 } ?? 0
        outer = parent.map { [$0] + $0.outer } ?? []
    }

    /// What a name refers to in this frame or around it.
    func find(_ name: String) -> Variable? {
        if let found = references[name] { return found }
        return findOutside(name)
    }

    private func findOutside(_ name: String) -> Variable? {
        for symbols in outer {
            if let found = symbols.references[name] { return found }
        }
        return nil
    }

    private mutating func define(_ name: String, _ load: Load, _ functions: inout FunctionTable) -> Variable {
        let variable = functions.variable(name, level: level, of: function)
        references[name] = variable
        loads[variable] = load
        return variable
    }

    mutating func declareParameter(_ name: String, _ functions: inout FunctionTable) -> Variable {
        stores.insert(name)
        return define(name, .parameter, &functions)
    }

    mutating func store(_ name: String, _ functions: inout FunctionTable) {
        stores.insert(name)
        guard references[name] == nil else { return }
        _ = define(name, findOutside(name).map(Load.alias) ?? .undefined, &functions)
    }

    mutating func load(_ name: String, _ functions: inout FunctionTable) {
        if find(name) == nil { _ = define(name, .resolve(name), &functions) }
    }

    /// Joins what the branches of an `if` did: a name that only they assign starts with its value outside.
    mutating func join(_ branches: [Symbols]) {
        var assigned: Set<String> = []
        for branch in branches { assigned.formUnion(branch.stores) }
        assigned.subtract(stores)
        for branch in branches {
            references.merge(branch.references) { $1 }
            loads.merge(branch.loads) { $1 }
            stores.formUnion(branch.stores)
        }
        for name in assigned {
            guard let variable = find(name) else { continue }
            loads[variable] = findOutside(name).map(Load.alias) ?? .resolve(name)
        }
    }
}

/// The variables of every function of a template.
struct FunctionTable {
    private struct Identity: Hashable {
        let level: Int
        let name: ExactText
    }

    private var slots: [[Identity: Int]] = []
    /// How many functions are around each function.
    private(set) var depths: [Int] = []

    mutating func newFunction(inside parent: Int?) -> Int {
        slots.append([:])
        depths.append(parent.map { depths[$0] + 1 } ?? 0)
        return slots.count - 1
    }

    mutating func variable(_ name: String, level: Int, of function: Int) -> Variable {
        let identity = Identity(level: level, name: ExactText(name))
        let slot = slots[function][identity, default: slots[function].count]
        slots[function][identity] = slot
        return Variable(function: function, slot: slot)
    }

    /// How many variables each function has.
    var slotCounts: [Int] { slots.map(\.count) }
}
