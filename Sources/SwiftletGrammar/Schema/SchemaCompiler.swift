import SwiftletFormats
import SwiftletTensor

/// Turns a JSON Schema into rules.
///
/// Every set of schemas that must hold together becomes one rule, so that recursive schemas become recursive rules.
/// What is written always satisfies the schema; not every text that does is written (see ``SchemaText`` and
/// docs/constrained-output.md).
///
/// Sources: JSON Schema draft 2020-12, core and validation, with the array forms of earlier drafts; llama.cpp,
/// `common/json-schema-to-grammar.cpp`, for the order of properties and for closing objects that name their properties.
struct SchemaCompiler {
    private var reader: SchemaReader
    private var rules = GrammarRules()
    private var ruleOfPlaces: [String: Int] = [:]
    private var ruleOfName: [String: Int] = [:]
    private var pending: [(rule: Int, places: [SchemaPlace])] = []

    /// The rules for a schema.
    static func compile(_ schema: JSON) throws(SwiftletError) -> GrammarRules {
        var compiler = SchemaCompiler(reader: try SchemaReader(schema))
        let root = try compiler.rule(for: [compiler.reader.rootPlace])
        while let (rule, places) = compiler.pending.popLast() {
            compiler.rules.bodies[rule] = try compiler.body(places)
        }
        if case .rule(let index) = root { compiler.rules.root = index }
        return compiler.rules
    }

    /// The rule for values that satisfy all of some schemas; all values if there are none.
    private mutating func rule(for places: [SchemaPlace]) throws(SwiftletError) -> GrammarNode {
        let places = places.filter { $0.value.bool != true }
        let key = Set(places.map(\.pointer)).sorted().joined(separator: "\n")
        if let rule = ruleOfPlaces[key] { return .rule(rule) }
        guard rules.bodies.count < GrammarLimits.schemaRules else {
            throw GrammarLimits.exceeded("the schema comes to more than \(GrammarLimits.schemaRules) rules")
        }
        let rule = rules.add(places.first?.pointer ?? "value")
        ruleOfPlaces[key] = rule
        pending.append((rule, places))
        return .rule(rule)
    }

    /// A rule that is shared by its name.
    private mutating func shared(_ name: String, _ body: GrammarNode) -> GrammarNode {
        if let rule = ruleOfName[name] { return .rule(rule) }
        let rule = rules.add(name, body)
        ruleOfName[name] = rule
        return .rule(rule)
    }

    private mutating func body(_ places: [SchemaPlace]) throws(SwiftletError) -> GrammarNode {
        var choices: [GrammarNode] = []
        for conjunct in try reader.conjuncts(of: places) { choices.append(try node(conjunct)) }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func node(_ conjunct: SchemaConjunct) throws(SwiftletError) -> GrammarNode {
        if let values = conjunct.values { return try node(conjunct, values) }
        let types = conjunct.types
        var choices: [GrammarNode] = []
        if types.contains(.object) { choices.append(try object(conjunct)) }
        if types.contains(.array) { choices.append(try array(conjunct)) }
        if types.contains(.string) { choices.append(try string(conjunct)) }
        if !types.isDisjoint(with: .number) { choices.append(try number(conjunct)) }
        if types.contains(.boolean) { choices.append(.choice([.text("true"), .text("false")])) }
        if types.contains(.null) { choices.append(.text("null")) }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    // MARK: Listed values

    private mutating func node(
        _ conjunct: SchemaConjunct, _ values: [SchemaPlace]
    ) throws(SwiftletError) -> GrammarNode {
        var choices: [GrammarNode] = []
        for value in values where try admits(value, conjunct) {
            choices.append(try SchemaText.node(of: value))
        }
        return .choice(choices)
    }

    /// Whether a listed value satisfies the other constraints.
    private func admits(_ value: SchemaPlace, _ conjunct: SchemaConjunct) throws(SwiftletError) -> Bool {
        guard SchemaTypes(of: value.value).isSubset(of: conjunct.declared) else { return false }
        switch value.value.kind {
        case .null, .bool: return true
        case .string:
            let text = value.value.string ?? ""
            let count = text.unicodeScalars.count
            guard count >= conjunct.shortest, count <= conjunct.longest ?? .max else { return false }
            for language in conjunct.languages {
                let terms = [language, .text(text)].map { ScalarProduct.Term(language: $0) }
                if try ScalarProduct.isEmpty(terms) { return false }
            }
            return true
        case .number:
            let number = try value.number()
            if let low = conjunct.lower, number < low.value || (low.isExclusive && number == low.value) {
                return false
            }
            if let high = conjunct.upper, high.value < number || (high.isExclusive && number == high.value) {
                return false
            }
            if let divisor = conjunct.divisors.first {
                throw divisor.problem("'multipleOf' beside 'enum' or 'const' is not supported", .unsupported)
            }
            return true
        case .array:
            guard conjunct.arrays.isEmpty else {
                throw value.problem(
                    "arrays that are listed and described at once are not supported", .unsupported)
            }
            return value.value.count >= conjunct.fewestElements
                && value.value.count <= conjunct.mostElements ?? .max
        case .object:
            guard conjunct.objects.isEmpty else {
                throw value.problem(
                    "objects that are listed and described at once are not supported", .unsupported)
            }
            let keys = value.members.map(\.key)
            return conjunct.required.allSatisfy(keys.contains) && keys.count >= conjunct.fewestMembers
                && keys.count <= conjunct.mostMembers ?? .max
        }
    }

    // MARK: Scalars

    private mutating func number(_ conjunct: SchemaConjunct) throws(SwiftletError) -> GrammarNode {
        let isFree = conjunct.lower == nil && conjunct.upper == nil && conjunct.divisors.isEmpty
        guard isFree else { return try SchemaNumbers.node(conjunct) }
        return conjunct.types.contains(.fraction)
            ? shared("number", SchemaNumbers.anyNumber) : shared("integer", SchemaNumbers.anyInteger)
    }

    private mutating func string(_ conjunct: SchemaConjunct) throws(SwiftletError) -> GrammarNode {
        let (low, high) = (conjunct.shortest, conjunct.longest)
        if let high, high < low { return .never }
        guard low <= GrammarLimits.repetitions, high ?? 0 <= GrammarLimits.repetitions else {
            throw conjunct.place.problem(
                "lengths beyond \(GrammarLimits.repetitions) are not supported", .limit)
        }
        if conjunct.languages.isEmpty {
            return shared(
                "string \(low) \(high ?? -1)",
                .sequence([.text("\""), .repetition(SchemaText.character, low, high), .text("\"")]))
        }
        var language = conjunct.languages[0]
        if conjunct.languages.count > 1 || low > 0 || high != nil {
            var terms = conjunct.languages.map { ScalarProduct.Term(language: $0) }
            if low > 0 || high != nil { terms.append(.init(language: .repetition(.set(.all), low, high))) }
            language = .graph(try ScalarProduct.graph(of: terms))
        }
        return .sequence([.text("\""), SchemaText.encoded(language), .text("\"")])
    }

    // MARK: Arrays

    private mutating func array(_ conjunct: SchemaConjunct) throws(SwiftletError) -> GrammarNode {
        let prefixCount = conjunct.arrays.map(\.prefix.count).max() ?? 0
        var most = conjunct.mostElements
        var rest: [SchemaPlace] = []
        for facet in conjunct.arrays {
            if let place = facet.rest, place.value.bool != false {
                rest.append(place)
            } else if facet.rest != nil || !facet.prefix.isEmpty {
                most = min(most ?? facet.prefix.count, facet.prefix.count)
            }
        }
        let least = conjunct.fewestElements
        if let most, most < least { return .never }
        guard least <= GrammarLimits.repetitions, most ?? 0 <= GrammarLimits.repetitions else {
            throw conjunct.place.problem(
                "counts beyond \(GrammarLimits.repetitions) are not supported", .limit)
        }
        let empty: [GrammarNode] = least == 0 ? [.text("[]")] : []
        if most == 0 { return .choice(empty) }
        if prefixCount == 0 {
            let element = try rule(for: rest)
            let list = SchemaText.list(element, max(least, 1), most)
            return .choice(empty + [.sequence([.text("["), list, .text("]")])])
        }
        var graph = GrammarGraph()
        for index in 0..<min(prefixCount, most ?? prefixCount) {
            let places = conjunct.arrays.flatMap { facet in
                index < facet.prefix.count ? [facet.prefix[index]] : facet.rest.map { [$0] } ?? []
            }
            let element = try rule(for: places)
            let next = graph.addState()
            graph.connect(index, next, index == 0 ? element : .sequence([SchemaText.comma, element]))
            if index + 1 >= least { graph.finals.insert(next) }
        }
        if most ?? .max > prefixCount {
            let more = graph.addState()
            let element = try rule(for: rest)
            graph.connect(
                prefixCount, more,
                .repetition(
                    .sequence([SchemaText.comma, element]), max(least - prefixCount, 1),
                    most.map { $0 - prefixCount }))
            graph.finals.insert(more)
        }
        return .choice(
            empty + [.sequence([.text("["), SchemaText.space, .graph(graph), SchemaText.space, .text("]")])])
    }

    // MARK: Objects

    private mutating func object(_ conjunct: SchemaConjunct) throws(SwiftletError) -> GrammarNode {
        let facets = conjunct.objects
        let declared = SchemaObjects.keys(of: facets)
        let known = Set(declared)
        let keys = declared + conjunct.required.filter { !known.contains($0) }
        let required = Set(conjunct.required)
        let isClosed = SchemaObjects.isClosed(facets)
        var members: [(isRequired: Bool, node: GrammarNode)] = []
        for key in keys {
            let isOpenKey = known.contains(key) || !isClosed
            guard isOpenKey, let places = try SchemaObjects.constraints(of: key, in: facets) else {
                if required.contains(key) { return .never }
                continue
            }
            let value = try rule(for: places)
            members.append(
                (required.contains(key), .sequence([SchemaText.key(key), SchemaText.colon, value])))
        }
        var others: [GrammarNode] = []
        for kind in try SchemaObjects.others(facets, named: keys) {
            let key: GrammarNode =
                if let language = kind.language {
                    .sequence([.text("\""), SchemaText.encoded(.graph(language)), .text("\"")])
                } else {
                    shared("string 0 -1", .sequence([.text("\""), .star(SchemaText.character), .text("\"")]))
                }
            others.append(.sequence([key, SchemaText.colon, try rule(for: kind.places)]))
        }
        return try object(conjunct, members, others)
    }

    /// Members in order, each there or not, then any number of others; counted as far as the schema asks.
    private func object(
        _ conjunct: SchemaConjunct, _ members: [(isRequired: Bool, node: GrammarNode)],
        _ others: [GrammarNode]
    ) throws(SwiftletError) -> GrammarNode {
        let (least, most) = (conjunct.fewestMembers, conjunct.mostMembers)
        if !others.isEmpty, least > max(1, members.count(where: \.isRequired)) {
            throw conjunct.place.problem(
                "'minProperties' above the number of required properties is not supported where other properties "
                    + "are allowed, as their keys could repeat; list the properties and set 'additionalProperties' "
                    + "to false", .unsupported)
        }
        let counted = max(most ?? 0, least, 1)
        guard (members.count + 1) * (counted + 1) <= GrammarLimits.looseStates / 8 else {
            throw GrammarLimits.exceeded("it counts up to \(counted) of \(members.count) properties")
        }
        // State (index, count): members before `index` are done, `count` of them are there.
        var graph = GrammarGraph()
        for _ in 1..<(members.count + 1) * (counted + 1) { _ = graph.addState() }
        func state(_ index: Int, _ count: Int) -> Int { index * (counted + 1) + count }
        for count in 0...counted {
            let hasRoom = most.map { count < $0 } ?? true
            for (index, member) in members.enumerated() {
                if !member.isRequired { graph.connect(state(index, count), state(index + 1, count), .empty) }
                guard hasRoom else { continue }
                let node = count == 0 ? member.node : .sequence([SchemaText.comma, member.node])
                graph.connect(state(index, count), state(index + 1, min(count + 1, counted)), node)
            }
            if hasRoom {
                for other in others {
                    let node = count == 0 ? other : .sequence([SchemaText.comma, other])
                    graph.connect(
                        state(members.count, count), state(members.count, min(count + 1, counted)), node)
                }
            }
            if count >= max(least, 1) { graph.finals.insert(state(members.count, count)) }
        }
        let full: GrammarNode = .sequence([
            .text("{"), SchemaText.space, .graph(graph), SchemaText.space, .text("}"),
        ])
        let canBeEmpty = least == 0 && !members.contains(where: \.isRequired)
        return canBeEmpty ? .choice([.text("{}"), full]) : full
    }
}
