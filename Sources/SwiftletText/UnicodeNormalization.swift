/// The four normalisation forms of text that may not be UTF-8; stray bytes are kept and never combine.
///
/// Source: Unicode Standard Annex #15 and section 3.11 of the Unicode Standard. The decompositions are those of
/// Hugging Face `tokenizers`, whose tables stop at Unicode 12.
enum UnicodeNormalization {
    /// A normalisation form.
    enum Form: Sendable {
        case nfc, nfd, nfkc, nfkd

        var isCompatible: Bool { self == .nfkc || self == .nfkd }
        var isComposed: Bool { self == .nfc || self == .nfkc }
    }

    /// `text` in a normalisation form; text that is in it already is returned as it is.
    static func normalize(_ text: [UInt8], to form: Form) -> [UInt8] {
        if text.allSatisfy({ $0 < 0x80 }) { return text }
        let tables = NormalizationTables.shared
        let flag = NormalizationTables.changeFlag(of: form)
        var changes = false
        UTF8Text.forEach(text) { changes = changes || tables.flags(of: $0) & flag != 0 }
        if !changes { return text }
        return UTF8Text.bytes(steps(text, to: form).lazy.map(\.value))
    }

    /// A character of normalised text, and how it came about.
    struct Step {
        var value: UInt32
        /// How many characters it adds to the text; if negative, so many follow that it takes in.
        var change: Int32
    }

    /// The characters of `text` in a normalisation form.
    static func steps(_ text: [UInt8], to form: Form) -> [Step] {
        var steps = decomposed(text, isCompatible: form.isCompatible)
        if form.isComposed { compose(&steps) }
        return steps
    }

    /// The characters of `text`, decomposed and in canonical order.
    private static func decomposed(_ text: [UInt8], isCompatible: Bool) -> [Step] {
        let tables = NormalizationTables.shared
        var steps: [Step] = []
        steps.reserveCapacity(text.count)
        UTF8Text.forEach(text) { value in
            var change: Int32 = 0
            tables.forEachPart(of: value, isCompatible: isCompatible) {
                steps.append(Step(value: $0, change: change))
                change = 1
            }
        }
        var start = 0
        while start < steps.count {
            guard tables.combiningClass(of: steps[start].value) > 0 else {
                start += 1
                continue
            }
            var marks: [(combiningClass: UInt8, place: Int, step: Step)] = []
            var end = start
            while end < steps.count, case let combining = tables.combiningClass(of: steps[end].value),
                combining > 0
            {
                marks.append((combining, end, steps[end]))
                end += 1
            }
            if marks.count > 1 {
                marks.sort { ($0.combiningClass, $0.place) < ($1.combiningClass, $1.place) }
                for (offset, mark) in marks.enumerated() { steps[start + offset] = mark.step }
            }
            start = end
        }
        return steps
    }

    /// Replaces pairs by their compositions, in place.
    private static func compose(_ steps: inout [Step]) {
        let tables = NormalizationTables.shared
        var count = 0
        var starter: Int?
        var lastClass: UInt8 = 0
        for step in steps {
            let combining = tables.combiningClass(of: step.value)
            if let place = starter, lastClass < combining || (lastClass == 0 && count == place + 1),
                let composed = tables.composition(steps[place].value, step.value)
            {
                steps[place].value = composed
                steps[place].change += step.change - 1
                continue
            }
            if combining == 0 { starter = count }
            lastClass = combining
            steps[count] = step
            count += 1
        }
        steps.removeLast(steps.count - count)
    }
}

/// Decompositions, compositions and combining classes by character.
struct NormalizationTables: Sendable {
    /// Read once per process.
    static let shared = NormalizationTables()

    private static let hangul: ClosedRange<UInt32> = 0xAC00...0xD7A3
    private static let limit = 0x30000

    private var combining: [UInt32: UInt8] = [:]
    private var canonical: [UInt32: [UInt32]] = [:]
    private var compatible: [UInt32: [UInt32]] = [:]
    private var compositions: [UInt64: UInt32] = [:]
    /// Bits of ``changeFlag(of:)`` and ``combiningFlag`` for characters below ``limit``.
    private var flags = [UInt8](repeating: 0, count: limit)

    private static let combiningFlag: UInt8 = 16

    /// The bit that marks characters which may change in a form.
    static func changeFlag(of form: UnicodeNormalization.Form) -> UInt8 {
        switch form {
        case .nfc: 1
        case .nfd: 2
        case .nfkc: 4
        case .nfkd: 8
        }
    }

    private init() {
        readCombiningClasses()
        canonical = NormalizationTables.read(UnicodeDecompositions.canonical)
        compatible = NormalizationTables.read(UnicodeDecompositions.compatible)
        readCompositions()
        for value in NormalizationTables.hangul { mark(value, 2 | 8) }
        for value in Array(UInt32(0x1161)...0x1175) + Array(UInt32(0x11A8)...0x11C2) { mark(value, 1 | 4) }
        for value in canonical.keys { mark(value, 2 | 4 | 8) }
        for value in compatible.keys { mark(value, 4 | 8) }
        let (pairs, wide) = (canonical, compatible.merging(canonical) { $1 })
        for value in pairs.keys { canonical[value] = NormalizationTables.expand(value, pairs) }
        for value in wide.keys { compatible[value] = NormalizationTables.expand(value, wide) }
    }

    private mutating func mark(_ value: UInt32, _ bits: UInt8) {
        if Int(value) < NormalizationTables.limit { flags[Int(value)] |= bits }
    }

    private mutating func readCombiningClasses() {
        var reader = PackedNumbers(UnicodeDecompositions.combiningClasses)
        var first: UInt32 = 0
        while let combiningClass = reader.next(), let count = reader.next() {
            if combiningClass > 0 {
                for value in first..<first + UInt32(count) {
                    combining[value] = UInt8(combiningClass)
                    mark(value, 1 | 2 | 4 | 8 | NormalizationTables.combiningFlag)
                }
            }
            first += UInt32(count)
        }
    }

    private mutating func readCompositions() {
        var excluded: Set<UInt32> = []
        var reader = PackedNumbers(UnicodeDecompositions.excluded)
        var last: UInt32 = 0
        while let distance = reader.next() {
            last += UInt32(distance)
            excluded.insert(last)
        }
        for (value, parts) in canonical {
            if parts.count == 2, !excluded.contains(value) {
                compositions[UInt64(parts[0]) << 32 | UInt64(parts[1])] = value
                mark(parts[1], 1 | 4)
            } else {
                mark(value, 1 | 4)
            }
        }
    }

    private static func read(_ text: StaticString) -> [UInt32: [UInt32]] {
        var decompositions: [UInt32: [UInt32]] = [:]
        var reader = PackedNumbers(text)
        var last: UInt32 = 0
        while let distance = reader.next(), let count = reader.next() {
            last += UInt32(distance)
            decompositions[last] = (0..<count).compactMap { _ in reader.next().map(UInt32.init) }
        }
        return decompositions
    }

    private static func expand(_ value: UInt32, _ decompositions: [UInt32: [UInt32]]) -> [UInt32] {
        guard let parts = decompositions[value] else { return [value] }
        return parts.flatMap { expand($0, decompositions) }
    }

    /// The bits of ``changeFlag(of:)`` that hold for a character.
    @inline(__always)
    func flags(of value: UInt32) -> UInt8 {
        Int(value) < NormalizationTables.limit ? flags[Int(value)] : 0
    }

    /// Canonical combining class; zero for starters.
    func combiningClass(of value: UInt32) -> UInt8 {
        flags(of: value) & NormalizationTables.combiningFlag == 0 ? 0 : combining[value] ?? 0
    }

    /// Calls `body` with each character of the full decomposition of one.
    @inline(__always)
    func forEachPart(of value: UInt32, isCompatible: Bool, _ body: (UInt32) -> Void) {
        if flags(of: value) & (2 | 8) == 0 {
            body(value)
        } else if NormalizationTables.hangul.contains(value) {
            let index = value - 0xAC00
            body(0x1100 + index / 588)
            body(0x1161 + index % 588 / 28)
            if index % 28 > 0 { body(0x11A7 + index % 28) }
        } else if let parts = (isCompatible ? compatible : canonical)[value] {
            parts.forEach(body)
        } else {
            body(value)
        }
    }

    /// The primary composite of two characters, if there is one.
    func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if (0x1100...0x1112).contains(first), (0x1161...0x1175).contains(second) {
            return 0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28
        }
        if NormalizationTables.hangul.contains(first), (first - 0xAC00) % 28 == 0,
            (0x11A8...0x11C2).contains(second)
        {
            return first + second - 0x11A7
        }
        return compositions[UInt64(first) << 32 | UInt64(second)]
    }
}
