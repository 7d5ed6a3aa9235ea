import SwiftletFormats
import SwiftletTensor

/// Which keys objects have and what their values must satisfy.
enum SchemaObjects {
    /// Keys that are not named, and what their values must satisfy.
    struct Others {
        /// `nil` for any string.
        let language: GrammarGraph?
        let places: [SchemaPlace]
    }

    /// The named keys, as declared; of several schemas the first one's come first.
    static func keys(of facets: [SchemaObjectFacet]) -> [[UInt8]] {
        var seen: Set<[UInt8]> = []
        return facets.flatMap { $0.properties.map(\.key) }.filter { seen.insert($0).inserted }
    }

    /// What the value of a key must satisfy beside patterns of keys; empty if nothing is said.
    static func places(of key: [UInt8], in facets: [SchemaObjectFacet]) -> [SchemaPlace] {
        facets.flatMap { facet in facet.properties.filter { $0.key == key }.map(\.place) }
    }

    /// Whether objects have no keys but those that are named: unless something is said of other keys or nothing is named.
    static func isClosed(_ facets: [SchemaObjectFacet]) -> Bool {
        if facets.contains(where: { $0.additional?.value.bool == false && $0.patterns.isEmpty }) {
            return true
        }
        return facets.contains { !$0.properties.isEmpty }
            && facets.allSatisfy { $0.additional == nil && $0.patterns.isEmpty }
    }

    /// Whether no object that is written for `a` satisfies `b`, because it lacks a key that `b` requires.
    static func lacks(_ a: SchemaConjunct, requiredBy b: SchemaConjunct) -> Bool {
        let keys = keys(of: a.objects)
        if isClosed(a.objects), b.required.contains(where: { !keys.contains($0) && !a.required.contains($0) })
        {
            return true
        }
        // Or because it has one that `b` excludes.
        let others = SchemaObjects.keys(of: b.objects)
        let excludes = b.objects.contains { $0.additional?.value.bool == false && $0.patterns.isEmpty }
        return excludes && a.required.contains { !others.contains($0) }
    }

    /// What the value of a named key must satisfy; `nil` if some schema excludes the key.
    static func constraints(
        of key: [UInt8], in facets: [SchemaObjectFacet]
    ) throws(SwiftletError) -> [SchemaPlace]? {
        var result: [SchemaPlace] = []
        for facet in facets {
            var isKnown = false
            for property in facet.properties where property.key == key {
                result.append(property.place)
                isKnown = true
            }
            for (pattern, place) in facet.patterns {
                let terms = [
                    ScalarProduct.Term(language: .literal(key)),
                    ScalarProduct.Term(language: try language(pattern, place)),
                ]
                if try !ScalarProduct.isEmpty(terms) {
                    result.append(place)
                    isKnown = true
                }
            }
            if !isKnown, let additional = facet.additional { result.append(additional) }
        }
        return result.contains { $0.value.bool == false } ? nil : result
    }

    /// The kinds of keys that are not named.
    static func others(_ facets: [SchemaObjectFacet], named: [[UInt8]]) throws(SwiftletError) -> [Others] {
        if isClosed(facets) { return [] }
        var patterns: [(pattern: String, language: GrammarNode)] = []
        for facet in facets {
            for (pattern, place) in facet.patterns where !patterns.contains(where: { $0.pattern == pattern })
            {
                patterns.append((pattern, try language(pattern, place)))
                guard patterns.count <= GrammarLimits.keyPatterns else {
                    throw place.problem(
                        "more than \(GrammarLimits.keyPatterns) patterns of keys in one object", .limit)
                }
            }
        }
        let isOpen = facets.allSatisfy { $0.properties.isEmpty && $0.patterns.isEmpty }
        let names = ScalarProduct.Term(language: .choice(named.map { .literal($0) }), isComplement: true)
        var result: [Others] = []
        for subset in 0..<(1 << patterns.count) {
            let matched = Set(patterns.indices.filter { subset >> $0 & 1 == 1 }.map { patterns[$0].pattern })
            guard let places = places(facets, matched, isOpen: isOpen) else { continue }
            if patterns.isEmpty, named.isEmpty {
                result.append(Others(language: nil, places: places))
                continue
            }
            let terms = patterns.map {
                ScalarProduct.Term(language: $0.language, isComplement: !matched.contains($0.pattern))
            }
            let graph = try ScalarProduct.graph(of: terms + [names])
            if !graph.finals.isEmpty { result.append(Others(language: graph, places: places)) }
        }
        return result
    }

    /// What the values of keys that match just these patterns must satisfy; `nil` if there are no such keys.
    private static func places(
        _ facets: [SchemaObjectFacet], _ matched: Set<String>, isOpen: Bool
    ) -> [SchemaPlace]? {
        var places: [SchemaPlace] = []
        var isAllowed = isOpen || !matched.isEmpty
        for facet in facets {
            let own = facet.patterns.filter { matched.contains($0.pattern) }.map(\.place)
            places += own
            if own.isEmpty, let additional = facet.additional {
                places.append(additional)
                isAllowed = true
            }
        }
        return isAllowed && !places.contains { $0.value.bool == false } ? places : nil
    }

    private static func language(_ pattern: String, _ place: SchemaPlace) throws(SwiftletError) -> GrammarNode
    {
        try RegularExpression(pattern, source: "\(place.value.source): '\(place.pointer)'").search()
    }
}
