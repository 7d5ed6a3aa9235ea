import SwiftletTensor

/// How statements ended.
enum Flow {
    case normal
    /// With `break`.
    case leave
    /// With `continue`.
    case next
}

extension Interpreter {
    func execute(_ statements: [Statement]) throws(SwiftletError) -> Flow {
        try descend()
        defer { ascend() }
        for statement in statements {
            let flow = try execute(statement)
            if flow != .normal { return flow }
        }
        return .normal
    }

    private func execute(_ statement: Statement) throws(SwiftletError) -> Flow {
        try step()
        line = statement.line
        switch statement.kind {
        case .data(let text): try write(text)
        case .output(let expressions): try output(expressions)
        case .conditional(let branches, let otherwise): return try conditional(branches, otherwise)
        case .loop(let loop): return try run(loop)
        case .assign(let target, let value): try assignment(target, value)
        case .assignBlock(let target, let filter, let body, let frame):
            return try assignBlock(target, filter, body, program.frames[frame])
        case .macro(let name, let definition): store(.macro(try macro(definition)), to: name)
        case .callBlock(let definition, let call): try callBlock(definition, call)
        case .filterBlock(let filter, let body, let frame):
            return try filterBlock(filter, body, program.frames[frame])
        case .with(let bindings, let body, let frame): return try with(bindings, body, program.frames[frame])
        case .generation(let definition):
            try write(try text(of: try call(.macro(try macro(definition)), Arguments())))
        case .leave: return .leave
        case .next: return .next
        }
        return .normal
    }

    private func output(_ expressions: [Expression]) throws(SwiftletError) {
        for expression in expressions {
            let value = try evaluate(expression)
            try write(try text(of: value))
        }
    }

    private func conditional(
        _ branches: [(test: Expression, body: [Statement])], _ otherwise: [Statement]
    ) throws(SwiftletError) -> Flow {
        for branch in branches where try evaluate(branch.test).isTrue {
            return try execute(branch.body)
        }
        return try execute(otherwise)
    }

    // MARK: Assignments

    private func assignment(_ target: Target, _ expression: Expression) throws(SwiftletError) {
        try checkNamespaces(target)
        let value = try evaluate(expression)
        try assign(value, to: target)
    }

    /// Attributes of anything but namespaces cannot be set; that is an error before the value is made.
    private func checkNamespaces(_ target: Target) throws(SwiftletError) {
        switch target {
        case .name: break
        case .tuple(let targets):
            for target in targets { try checkNamespaces(target) }
        case .attribute(let index, let attribute):
            guard case .namespace = read(index) else {
                throw problem("found an assignment to '.\(attribute)' of something that is no namespace")
            }
        }
    }

    func assign(_ value: Value, to target: Target) throws(SwiftletError) {
        switch target {
        case .name(let index): store(value, to: index)
        case .attribute(let index, let attribute):
            guard case .namespace(let namespace) = read(index) else {
                throw problem("found an assignment to '.\(attribute)' of something that is no namespace")
            }
            try set(attribute, of: namespace, to: value)
        case .tuple(let targets):
            let values = try elements(of: value)
            guard values.count == targets.count else {
                throw problem("found \(values.count) values for \(targets.count) names")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target) }
        }
    }

    func set(_ attribute: String, of namespace: Namespace, to value: Value) throws(SwiftletError) {
        if attribute.utf8.first == UInt8(ascii: "_") {
            throw problem("found the attribute '\(attribute)' of a namespace, which may not begin with '_'")
        }
        try charge(64 + attribute.utf8.count)
        namespace.members.set(attribute, value)
    }

    private func assignBlock(
        _ target: Target, _ filter: Expression?, _ body: [Statement], _ frame: FramePlan
    ) throws(SwiftletError) -> Flow {
        try captureBlock(body, frame) { (text) throws(SwiftletError) in
            try assign(try filtered(.string(text), filter), to: target)
        }
    }

    private func filterBlock(
        _ filter: Expression, _ body: [Statement], _ frame: FramePlan
    ) throws(SwiftletError) -> Flow {
        try captureBlock(body, frame) { (text) throws(SwiftletError) in
            try write(try written(try filtered(.string(text), filter)))
        }
    }

    /// Runs a block in a frame of its own and uses what it writes, unless the block leaves a loop.
    private func captureBlock(
        _ body: [Statement], _ frame: FramePlan, _ use: (String) throws(SwiftletError) -> Void
    ) throws(SwiftletError) -> Flow {
        enter(frame)
        var flow = Flow.normal
        let text = try capture { () throws(SwiftletError) in
            flow = try execute(body)
        }
        if flow != .normal { return flow }
        try use(text)
        leave(frame)
        return .normal
    }

    /// What a block hands on is text; Jinja2 does not turn other values into it.
    func written(_ value: Value) throws(SwiftletError) -> String {
        guard let text = value.string else { throw mismatch(value, "what the block makes", "a string") }
        return text
    }

    private func with(
        _ bindings: [(target: Target, value: Expression)], _ body: [Statement], _ frame: FramePlan
    ) throws(SwiftletError) -> Flow {
        enter(frame)
        for binding in bindings { try assign(try evaluate(binding.value), to: binding.target) }
        let flow = try execute(body)
        leave(frame)
        return flow
    }

    // MARK: Loops

    private func run(_ loop: ForLoop) throws(SwiftletError) -> Flow {
        let iterable = try evaluate(loop.iterable)
        guard loop.isRecursive else { return try iterate(loop, iterable, depth0: 0, recursion: nil) }
        try write(try recurse(LoopState.Recursion(loop: loop, scope: activation), iterable, depth0: 0))
        return .normal
    }

    /// Runs the body of a recursive loop over `iterable` and returns what it writes.
    func recurse(
        _ recursion: LoopState.Recursion, _ iterable: Value, depth0: Int
    ) throws(SwiftletError) -> String {
        let caller = activation
        let function = program.frames[recursion.loop.frame].function
        activation = Activation(count: program.slotCounts[function], parent: recursion.scope)
        defer { activation = caller }
        return try capture { () throws(SwiftletError) in
            _ = try iterate(recursion.loop, iterable, depth0: depth0, recursion: recursion)
        }
    }

    private func iterate(
        _ loop: ForLoop, _ iterable: Value, depth0: Int, recursion: LoopState.Recursion?
    ) throws(SwiftletError) -> Flow {
        let state = LoopState(
            try elements(of: iterable), depth0: depth0, recursion: recursion,
            test: loop.test.map { filter(loop, $0, scope: recursion?.scope ?? activation) })
        defer { state.finish() }
        let frame = program.frames[loop.frame]
        var hasRun = false
        while let item = try state.advance() {
            try step()
            try assign(item, to: loop.target)
            if let slot = frame.loop { activation.slots[slot] = .loop(state) }
            enter(frame)
            let flow = try execute(loop.body)
            if flow == .leave { break }
            if flow == .normal { hasRun = true }
        }
        leave(frame)
        // As in Jinja2, an iteration that ended early does not count here.
        guard !hasRun, !loop.otherwise.isEmpty else { return .normal }
        let otherwise = program.frames[loop.otherwiseFrame]
        enter(otherwise)
        let flow = try execute(loop.otherwise)
        leave(otherwise)
        return flow
    }

    /// The test of a loop as a function; its variables are its own.
    private func filter(
        _ loop: ForLoop, _ test: Expression, scope: Activation
    ) -> (Value) throws(SwiftletError) -> Bool {
        let frame = program.frames[loop.testFrame]
        let own = Activation(count: program.slotCounts[frame.function], parent: scope)
        var isEntered = false
        return { [unowned self] (value) throws(SwiftletError) in
            let caller = activation
            activation = own
            defer { activation = caller }
            if !isEntered {
                isEntered = true
                enter(frame)
            }
            try step()
            try assign(value, to: loop.testTarget)
            return try evaluate(test).isTrue
        }
    }
}
