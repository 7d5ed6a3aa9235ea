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
    /// The keys of ``references`` and the members of ``stores`` in the order in which they came.
    private var history = History(references: [], stores: [])

    private struct History {
        var references: [String]
        var stores: [String]
    }

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
        add(name, variable, load)
        return variable
    }

    private mutating func add(_ name: String, _ variable: Variable, _ load: Load) {
        if references.updateValue(variable, forKey: name) == nil { history.references.append(name) }
        loads[variable] = load
    }

    private mutating func addStore(_ name: String) {
        if stores.insert(name).inserted { history.stores.append(name) }
    }

    mutating func declareParameter(_ name: String, _ functions: inout FunctionTable) -> Variable {
        addStore(name)
        return define(name, .parameter, &functions)
    }

    mutating func store(_ name: String, _ functions: inout FunctionTable) {
        addStore(name)
        guard references[name] == nil else { return }
        _ = define(name, findOutside(name).map(Load.alias) ?? .undefined, &functions)
    }

    mutating func load(_ name: String, _ functions: inout FunctionTable) {
        if find(name) == nil { _ = define(name, .resolve(name), &functions) }
    }

    // MARK: Branches

    /// What one branch of an `if` added.
    struct Branch {
        fileprivate var references: [(name: String, variable: Variable, load: Load)] = []
        fileprivate var stores: [String] = []
    }

    /// How much there was before a branch.
    struct Mark {
        fileprivate let references: Int
        fileprivate let stores: Int
    }

    var mark: Mark { Mark(references: history.references.count, stores: history.stores.count) }

    /// Takes out what was added since a mark; inside a branch names are added, never changed.
    mutating func takeBranch(since mark: Mark) -> Branch {
        var branch = Branch()
        for name in history.references[mark.references...] {
            guard let variable = references.removeValue(forKey: name),
                let load = loads.removeValue(forKey: variable)
            else { continue }
            branch.references.append((name, variable, load))
        }
        branch.stores = Array(history.stores[mark.stores...])
        stores.subtract(branch.stores)
        history.references.removeSubrange(mark.references...)
        history.stores.removeSubrange(mark.stores...)
        return branch
    }

    /// Joins what the branches of an `if` did: a name that only they assign starts with its value outside.
    mutating func join(_ branches: [Branch]) {
        for branch in branches {
            for (name, variable, load) in branch.references { add(name, variable, load) }
            for name in branch.stores { addStore(name) }
        }
        for name in branches.flatMap(\.stores) {
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
