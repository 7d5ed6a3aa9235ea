import SwiftletFormats
import SwiftletTensor

/// Reads the keywords of schemas into ``SchemaConjunct``s.
struct SchemaReader {
    private let root: SchemaPlace
    private var steps = 0

    /// - Throws: `.malformed` if the document is no schema.
    init(_ document: JSON) throws(SwiftletError) {
        root = SchemaPlace(value: document, pointer: "#")
        guard document.kind == .object || document.kind == .bool else {
            throw root.expected("a schema: an object, true or false")
        }
    }

    var rootPlace: SchemaPlace { root }

    /// The choices that schemas, all of which must hold, come to; none if they exclude each other.
    mutating func conjuncts(of places: [SchemaPlace]) throws(SwiftletError) -> [SchemaConjunct] {
        var result: [SchemaConjunct] = []
        let start = SchemaConjunct(place: places.first ?? root)
        try expand(places, start, seen: [], depth: 0, into: &result)
        return result
    }

    private mutating func expand(
        _ places: [SchemaPlace], _ start: SchemaConjunct, seen: Set<String>, depth: Int,
        into result: inout [SchemaConjunct]
    ) throws(SwiftletError) {
        var conjunct = start
        var seen = seen
        var pending = Array(places.reversed())
        while let place = pending.popLast() {
            steps += 1
            guard steps <= GrammarLimits.schemaSteps, depth <= GrammarLimits.depth else {
                throw place.problem("the choices of the schema multiply beyond what can be merged", .limit)
            }
            guard seen.insert(place.pointer).inserted else { continue }
            if let isAny = place.value.bool {
                if isAny { continue }
                return
            }
            guard place.value.kind == .object else {
                throw place.expected("a schema: an object, true or false")
            }
            pending += try read(place, into: &conjunct).reversed()
        }
        guard let union = conjunct.unions.popLast() else { return result.append(conjunct) }
        for choice in union {
            try expand([choice], conjunct, seen: seen, depth: depth + 1, into: &result)
        }
        guard result.count <= GrammarLimits.schemaChoices else {
            throw conjunct.place.problem(
                "more than \(GrammarLimits.schemaChoices) choices when schemas are merged", .limit)
        }
    }

    // MARK: Keywords

    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "$comment", "$schema", "$id", "id",
        "$anchor",
        "$defs", "definitions", "deprecated", "readOnly", "writeOnly", "contentMediaType", "contentEncoding",
        "contentSchema", "$vocabulary", "discriminator", "externalDocs", "xml",
    ]

    private static let known = [
        "type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties",
        "minProperties", "maxProperties", "items", "prefixItems", "additionalItems", "minItems", "maxItems",
        "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "multipleOf", "anyOf", "oneOf", "allOf", "$ref", "nullable",
    ]

    /// Reads the keywords of one schema and returns those schemas that must hold too.
    private mutating func read(
        _ place: SchemaPlace, into conjunct: inout SchemaConjunct
    ) throws(SwiftletError) -> [SchemaPlace] {
        var others: [SchemaPlace] = []
        var object = SchemaObjectFacet()
        var array = SchemaArrayFacet()
        for (key, value) in place.members {
            let name = String(decoding: key, as: UTF8.self)
            switch name {
            case "type": conjunct.declared.formIntersection(try types(value, nullable: place))
            case "enum": conjunct.limitValues(to: try value.array())
            case "const": conjunct.limitValues(to: [value])
            case "$ref": others.append(try resolve(value))
            case "allOf": others += try branches(value)
            case "anyOf": conjunct.unions.append(try branches(value))
            case "oneOf":
                let choices = try branches(value)
                try requireExclusive(choices, value)
                conjunct.unions.append(choices)
            case "properties":
                object.properties = try value.object()
                conjunct.implied.insert(.object)
            case "patternProperties":
                let members = try value.object()
                object.patterns = members.map { (String(decoding: $0.key, as: UTF8.self), $0.place) }
                conjunct.implied.insert(.object)
            case "additionalProperties":
                object.additional = value
                conjunct.implied.insert(.object)
            case "prefixItems":
                array.prefix = try value.array()
                conjunct.implied.insert(.array)
            case "items":
                if value.value.kind == .array { array.prefix = value.elements } else { array.rest = value }
                conjunct.implied.insert(.array)
            case "additionalItems":
                if place.value["items"]?.kind == .array { array.rest = value }
            case "nullable": _ = try value.bool()
            default:
                if try readSize(name, value, &conjunct) { continue }
                if try readNumber(name, value, place, &conjunct) { continue }
                if try readText(name, value, &conjunct) { continue }
                if Self.annotations.contains(name) || name.hasPrefix("x-") { continue }
                throw value.problem(
                    "the keyword '\(name)' is not supported\(Spelling.suggestion(for: name, from: Self.known)); "
                        + "see docs/constrained-output.md", .unsupported)
            }
        }
        if !object.properties.isEmpty || !object.patterns.isEmpty || object.additional != nil {
            conjunct.objects.append(object)
        }
        if !array.prefix.isEmpty || array.rest != nil { conjunct.arrays.append(array) }
        return others
    }

    private func types(_ value: SchemaPlace, nullable place: SchemaPlace) throws(SwiftletError) -> SchemaTypes
    {
        var result: SchemaTypes = place.value["nullable"]?.bool == true ? .null : []
        for element in value.value.kind == .array ? value.elements : [value] {
            guard let types = SchemaTypes(name: try element.string()) else {
                throw element.problem(
                    "found the type '\(try element.string())', expected null, boolean, integer, number, string, "
                        + "array or object")
            }
            result.formUnion(types)
        }
        return result
    }

    private func branches(_ value: SchemaPlace) throws(SwiftletError) -> [SchemaPlace] {
        let branches = try value.array()
        guard !branches.isEmpty else {
            throw value.problem("found an empty array, expected at least one schema")
        }
        return branches
    }

    private func readSize(
        _ name: String, _ value: SchemaPlace, _ conjunct: inout SchemaConjunct
    ) throws(SwiftletError) -> Bool {
        func least(_ old: Int?, _ new: Int) -> Int { min(old ?? new, new) }
        switch name {
        case "minLength": conjunct.shortest = max(conjunct.shortest, try value.nonNegativeInteger())
        case "maxLength": conjunct.longest = least(conjunct.longest, try value.nonNegativeInteger())
        case "minItems":
            conjunct.fewestElements = max(conjunct.fewestElements, try value.nonNegativeInteger())
        case "maxItems": conjunct.mostElements = least(conjunct.mostElements, try value.nonNegativeInteger())
        case "minProperties":
            conjunct.fewestMembers = max(conjunct.fewestMembers, try value.nonNegativeInteger())
        case "maxProperties":
            conjunct.mostMembers = least(conjunct.mostMembers, try value.nonNegativeInteger())
        case "required":
            for element in try value.array() {
                let key = Array(try element.string().utf8)
                if !conjunct.required.contains(key) { conjunct.required.append(key) }
            }
        case "uniqueItems":
            guard try !value.bool() else {
                throw value.problem(
                    "the keyword 'uniqueItems' is not supported, as what was written cannot be compared",
                    .unsupported)
            }
            return true
        default: return false
        }
        conjunct.implied.insert(
            name.hasSuffix("Length") ? .string : name.hasSuffix("Items") ? .array : .object)
        return true
    }

    private func readNumber(
        _ name: String, _ value: SchemaPlace, _ place: SchemaPlace, _ conjunct: inout SchemaConjunct
    ) throws(SwiftletError) -> Bool {
        switch name {
        case "minimum":
            let isExclusive = place.value["exclusiveMinimum"]?.bool == true
            conjunct.raise(to: SchemaBound(value: try value.number(), isExclusive: isExclusive))
        case "maximum":
            let isExclusive = place.value["exclusiveMaximum"]?.bool == true
            conjunct.lower(to: SchemaBound(value: try value.number(), isExclusive: isExclusive))
        case "exclusiveMinimum":
            if value.value.bool != nil { return true }
            conjunct.raise(to: SchemaBound(value: try value.number(), isExclusive: true))
        case "exclusiveMaximum":
            if value.value.bool != nil { return true }
            conjunct.lower(to: SchemaBound(value: try value.number(), isExclusive: true))
        case "multipleOf":
            _ = try value.number()
            conjunct.divisors.append(value)
        default: return false
        }
        conjunct.implied.formUnion(.number)
        return true
    }

    private func readText(
        _ name: String, _ value: SchemaPlace, _ conjunct: inout SchemaConjunct
    ) throws(SwiftletError) -> Bool {
        switch name {
        case "pattern":
            let name = "\(value.value.source): '\(value.pointer)'"
            conjunct.languages.append(try RegularExpression(try value.string(), source: name).search())
            conjunct.implied.insert(.string)
        case "format":
            let format = try value.string()
            if let bounds = SchemaFormats.integerBounds(format) {
                conjunct.raise(to: SchemaBound(value: bounds.low, isExclusive: false))
                conjunct.lower(to: SchemaBound(value: bounds.high, isExclusive: false))
            } else if let language = try SchemaFormats.language(format) {
                conjunct.languages.append(language)
                conjunct.implied.insert(.string)
            } else if !SchemaFormats.annotations.contains(format) {
                throw value.problem(
                    "the format '\(format)' is not supported; known are \(SchemaFormats.names.joined(separator: ", "))",
                    .unsupported)
            }
        default: return false
        }
        return true
    }

    // MARK: References

    /// The schema that a `$ref` in this document leads to.
    private func resolve(_ reference: SchemaPlace) throws(SwiftletError) -> SchemaPlace {
        var text = try reference.string()
        if let id = (root.value["$id"] ?? root.value["id"])?.string, !id.isEmpty, text.hasPrefix(id) {
            text.removeFirst(id.count)
            if text.isEmpty { text = "#" }
        }
        guard text == "#" || text.hasPrefix("#/") else {
            throw reference.problem(
                "the reference '\(text)' is not supported; only those within the document are, such as "
                    + "'#/$defs/name'", .unsupported)
        }
        var place = root
        for step in text.utf8.dropFirst(2).split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        where text != "#" {
            let key = Self.unescape(step)
            let next: SchemaPlace? =
                place.value.kind == .array
                ? Int(key).flatMap { place.elements.indices.contains($0) ? place.elements[$0] : nil }
                : place.child(key)
            guard let next else {
                throw reference.problem(
                    "the reference '\(text)' leads nowhere: there is no '\(key)'", .missing)
            }
            place = next
        }
        return place
    }

    /// A step of a pointer without `%41`, `~1` and `~0`.
    private static func unescape(_ step: Substring.UTF8View) -> String {
        var bytes: [UInt8] = []
        var rest = Array(step)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest.removeFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "~"), index + 1 < bytes.count,
                [UInt8(ascii: "0"), UInt8(ascii: "1")].contains(bytes[index + 1])
            {
                result.append(bytes[index + 1] == UInt8(ascii: "0") ? UInt8(ascii: "~") : UInt8(ascii: "/"))
                index += 2
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Refuses `oneOf` unless it is sure that what is written for one branch does not satisfy another.
    private mutating func requireExclusive(
        _ branches: [SchemaPlace], _ place: SchemaPlace
    ) throws(SwiftletError) {
        var forms: [[SchemaConjunct]] = []
        for branch in branches { forms.append(try conjuncts(of: [branch])) }
        for second in forms.indices {
            for first in 0..<second {
                for a in forms[first] {
                    for b in forms[second] {
                        guard try areExclusive(a, b, depth: 0) else {
                            throw place.problem(
                                "the branches \(first) and \(second) of 'oneOf' may hold together; make them "
                                    + "exclusive, such as by a required 'const' property, or use 'anyOf'",
                                .unsupported)
                        }
                    }
                }
            }
        }
    }

    private mutating func areExclusive(
        _ a: SchemaConjunct, _ b: SchemaConjunct, depth: Int
    ) throws(SwiftletError) -> Bool {
        let common = a.types.intersection(b.types)
        if let left = a.values, let right = b.values {
            return !left.contains { value in right.contains { SchemaText.isEqual($0.value, value.value) } }
        }
        if let values = a.values ?? b.values {
            let other = a.values == nil ? a : b
            return values.allSatisfy { SchemaTypes(of: $0.value).isDisjoint(with: other.types) }
        }
        if common.isEmpty { return true }
        if common == .string {
            return a.longest.map { $0 < b.shortest } ?? false || b.longest.map { $0 < a.shortest } ?? false
        }
        if common == .array {
            return a.mostElements.map { $0 < b.fewestElements } ?? false
                || b.mostElements.map { $0 < a.fewestElements } ?? false
        }
        if common.isSubset(of: .number) { return Self.isBelow(a, b) || Self.isBelow(b, a) }
        guard common == .object, depth < 4 else { return false }
        for key in a.required where b.required.contains(key) {
            let left = SchemaObjects.places(of: key, in: a.objects)
            let right = SchemaObjects.places(of: key, in: b.objects)
            guard !left.isEmpty, !right.isEmpty else { continue }
            let forms = (try conjuncts(of: left), try conjuncts(of: right))
            var isExclusive = true
            for first in forms.0 {
                for second in forms.1 where isExclusive {
                    isExclusive = try areExclusive(first, second, depth: depth + 1)
                }
            }
            if isExclusive { return true }
        }
        return SchemaObjects.lacks(a, requiredBy: b) && SchemaObjects.lacks(b, requiredBy: a)
    }

    /// Whether all numbers of `a` are smaller than all of `b`.
    private static func isBelow(_ a: SchemaConjunct, _ b: SchemaConjunct) -> Bool {
        guard let high = a.upper, let low = b.lower else { return false }
        return high.value < low.value || (high.value == low.value && (high.isExclusive || low.isExclusive))
    }
}
