import SwiftletTensor

/// Runs one rendering of a template.
final class Interpreter {
    let program: Program
    let name: String
    let limits: TemplateLimits
    /// The values given to the template.
    let values: Mapping
    /// The time that `strftime_now` writes.
    let now: TemplateDate
    /// The line of what runs now, for errors.
    var line = 1
    /// The variables of the function that runs now.
    var activation: Activation
    private var steps = 0
    private var valueBytes = 0
    private var writtenBytes = 0
    private var depth = 0
    private var valueDepth = 0
    /// What is written; the last text belongs to the innermost block that collects.
    private var outputs = [""]
    /// Objects that may refer to themselves; they are taken apart at the end.
    private var namespaces: [Namespace] = []
    private var macros: [Macro] = []

    init(
        _ program: Program, name: String, values: Mapping, limits: TemplateLimits, now: TemplateDate
    ) {
        self.program = program
        self.name = name
        self.limits = limits
        self.values = values
        self.now = now
        activation = Activation(count: program.slotCounts[0], parent: nil)
    }

    /// Runs the whole template.
    func run() throws(SwiftletError) -> String {
        defer { takeApart() }
        enter(program.frames[0])
        _ = try execute(program.syntax.body)
        return outputs[0]
    }

    private func takeApart() {
        for macro in macros { macro.scope = nil }
        for namespace in namespaces { namespace.members = Mapping.Builder() }
    }

    func register(_ namespace: Namespace) { namespaces.append(namespace) }
    func register(_ macro: Macro) { macros.append(macro) }

    // MARK: Bounds

    /// Counts work.
    func step(_ count: Int = 1) throws(SwiftletError) {
        steps &+= count
        if steps > limits.steps { throw limit("\(limits.steps) steps") }
    }

    /// Counts bytes of values before they are made.
    func charge(_ bytes: Int) throws(SwiftletError) {
        let (sum, overflow) = valueBytes.addingReportingOverflow(bytes)
        valueBytes = sum
        if overflow || sum > limits.valueBytes { throw limit("\(limits.valueBytes) bytes of values") }
    }

    /// Counts `count` pieces of `bytes` before they are made.
    func charge(_ bytes: Int, times count: Int) throws(SwiftletError) {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: count)
        if overflow { throw limit("\(limits.valueBytes) bytes of values") }
        try charge(product)
    }

    private func limit(_ what: String) -> SwiftletError {
        SwiftletError(.limit, "\(name): line \(line): the template needs more than \(what), the limit")
    }

    /// Enters a level of nesting; after an error nothing runs on, so it need not be left.
    func descend() throws(SwiftletError) {
        depth += 1
        if depth > limits.depth { throw limit("\(limits.depth) levels of nesting") }
    }

    func ascend() { depth -= 1 }

    /// Enters a list or dictionary; a namespace may contain itself.
    func descendInValue() throws(SwiftletError) {
        valueDepth += 1
        try checkDepth(valueDepth)
    }

    func ascendInValue() { valueDepth -= 1 }

    // MARK: Output

    /// Writes text.
    func write(_ text: String) throws(SwiftletError) {
        writtenBytes += text.utf8.count
        if writtenBytes > limits.outputBytes { throw limit("\(limits.outputBytes) bytes of output") }
        outputs[outputs.count - 1] += text
    }

    /// What `body` writes, instead of writing it.
    func capture(_ body: () throws(SwiftletError) -> Void) throws(SwiftletError) -> String {
        outputs.append("")
        try body()
        return outputs.removeLast()
    }

    // MARK: Variables

    /// The value that was given under a name, or a function that every template has.
    private func resolve(_ name: String) -> Value? {
        values[name] ?? Builtin(rawValue: name).map(Value.function)
    }

    func enter(_ frame: FramePlan) {
        for start in frame.starts {
            switch start.value {
            case .undefined: activation.slots[start.slot] = nil
            case .resolve(let name): activation.slots[start.slot] = resolve(name)
            case .copy(let reference): activation.slots[start.slot] = slot(reference)
            }
        }
    }

    func leave(_ frame: FramePlan) {
        for slot in frame.slots { activation.slots[slot] = nil }
    }

    private func slot(_ reference: Reference) -> Value? {
        var scope = activation
        for _ in 0..<reference.hops {
            guard let parent = scope.parent else { return nil }
            scope = parent
        }
        return scope.slots[reference.slot]
    }

    /// The value of an occurrence of a name.
    func read(_ index: Int) -> Value {
        slot(program.references[index])
            ?? .undefined(Undefined("'\(program.syntax.names[index].name)' is undefined"))
    }

    /// Assigns to a name of the function that runs now.
    func store(_ value: Value?, to index: Int) {
        activation.slots[program.references[index].slot] = value
    }

    // MARK: Errors

    /// An error at the line that runs now.
    func problem(_ what: String) -> SwiftletError {
        SwiftletError(.invalidArgument, "\(name): line \(line): \(what)")
    }
}
