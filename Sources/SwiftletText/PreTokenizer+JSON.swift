package import SwiftletFormats
package import SwiftletTensor

extension PreTokenizer {
    /// Reads the `pre_tokenizer` object of a tokenizer.json; without one, text stays in one piece.
    ///
    /// ``isByteLevel`` is set if the last step is `ByteLevel`; pieces that pass further steps behind one are
    /// written in its alphabet.
    ///
    /// - Parameters:
    ///   - json: the object, `nil` or null.
    ///   - source: the name of the file, for errors.
    /// - Throws: ``SwiftletError`` for types, options and patterns that are unknown or malformed.
    package init(json: JSON?, source: String) throws(SwiftletError) {
        var reader = PreTokenizerReader(source: source)
        if let json, !json.isNull { try reader.read(json, depth: 0) }
        // A ByteLevel at the end needs no rewriting; what comes behind an earlier one sees its alphabet.
        var isByteLevel = false
        if case .toAlphabet? = reader.steps.last {
            reader.steps.removeLast()
            isByteLevel = true
        }
        self.init(steps: reader.steps, isByteLevel: isByteLevel)
    }
}

/// Collects the steps of a tree of pre-tokenizers.
private struct PreTokenizerReader {
    let source: String
    var steps: [PreTokenizerStep] = []

    mutating func read(_ json: JSON, depth: Int) throws(SwiftletError) {
        guard json.kind == .object, let type = json["type"]?.string else {
            throw SwiftletError(
                .malformed,
                "\(source): a pre_tokenizer needs to be an object with a 'type' such as ByteLevel.")
        }
        let options = StepOptions(json: json, step: "pre_tokenizer \(type)", source: source)
        switch type {
        case "Sequence": try readSequence(options, depth: depth)
        case "ByteLevel": try readByteLevel(options)
        case "Split": try readSplit(options)
        case "Metaspace": try readMetaspace(options)
        case "Digits":
            steps.append(
                .digits(try options.bool("individual_digits", default: false) ? .isolated : .contiguous))
        case "Punctuation": steps.append(.punctuation(try behavior(options, default: .isolated)))
        case "Whitespace": steps.append(.pattern(try wordsPattern(), .removed, inverted: true))
        case "WhitespaceSplit": steps.append(.whitespace)
        case "BertPreTokenizer": steps.append(.bertWords)
        case "CharDelimiterSplit", "Delimiter":
            steps.append(.delimiter(try options.character("delimiter", default: nil)))
        case "UnicodeScripts": steps.append(.scripts)
        case "FixedLength":
            let length = try options.int("length", default: 5)
            if length < 1 { throw options.error("length", "\(length)", "a positive number") }
            steps.append(.fixedLength(length))
        default:
            throw SwiftletError(
                .unsupported,
                "\(source): the pre_tokenizer type '\(type)' is unknown; Swiftlet knows BertPreTokenizer, "
                    + "ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, Split, "
                    + "UnicodeScripts, Whitespace and WhitespaceSplit.")
        }
    }

    private mutating func readSequence(_ options: StepOptions, depth: Int) throws(SwiftletError) {
        guard let list = options.json["pretokenizers"], list.kind == .array, depth < 16 else {
            throw options.error("pretokenizers", "none", "a list that is nested at most 16 times")
        }
        for json in list.elements { try read(json, depth: depth + 1) }
    }

    private mutating func readByteLevel(_ options: StepOptions) throws(SwiftletError) {
        if try options.bool("add_prefix_space", default: true) { steps.append(.spaceBefore) }
        if try options.bool("use_regex", default: true) { steps.append(.scan(.gpt2)) }
        steps.append(.toAlphabet)
    }

    private mutating func readSplit(_ options: StepOptions) throws(SwiftletError) {
        let inverted = try options.bool("invert", default: false)
        let behavior = try behavior(options, default: nil)
        if let text = options.json["pattern"]?["String"]?.bytes {
            if text.isEmpty {
                steps.append(.pattern(try Pattern("", source: source), behavior, inverted: inverted))
            } else {
                steps.append(.literal(text, behavior, inverted: inverted))
            }
        } else if let text = options.json["pattern"]?["Regex"]?.string {
            steps.append(try .split(at: text, behavior, inverted: inverted, source: source))
        } else {
            throw options.error("pattern", "none", "an object with 'String' or 'Regex'")
        }
    }

    private func behavior(
        _ options: StepOptions, default fallback: SplitBehavior?
    ) throws(SwiftletError) -> SplitBehavior {
        guard let json = options.json["behavior"] else {
            if let fallback { return fallback }
            throw options.error("behavior", "none", "one such as Isolated")
        }
        guard let behavior = json.string.flatMap(SplitBehavior.init(rawValue:)) else {
            throw options.error(
                "behavior", json.string ?? json.kind.rawValue,
                "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous")
        }
        return behavior
    }

    private mutating func readMetaspace(_ options: StepOptions) throws(SwiftletError) {
        let replacement = try options.character("replacement", default: 0x2581)
        let scheme = options.json["prepend_scheme"]
        var prefix: PreTokenizerStep.Prefix
        switch scheme?.string {
        case nil where scheme == nil || scheme?.isNull == true, "always": prefix = .always
        case "first": prefix = .first
        case "never": prefix = .never
        default:
            let found = scheme?.string ?? scheme?.kind.rawValue ?? "none"
            throw options.error("prepend_scheme", found, "always, first or never")
        }
        if try !options.bool("add_prefix_space", default: true) { prefix = .never }
        let splits = try options.bool("split", default: true)
        steps.append(.metaspace(replacement: replacement, prefix: prefix, splits: splits))
    }

    /// `\w+|[^\w\s]+` as the `regex` crate reads it, whose words hold joiners but no superscripts.
    private func wordsPattern() throws(SwiftletError) -> Pattern {
        let word =
            #"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}"#
            + #"\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}"#
        return try Pattern("[\(word)]+|[^\(word)\\s]+", source: source)
    }
}

/// Reads the options of one step of a tokenizer.json.
struct StepOptions {
    let json: JSON
    /// The step, as errors name it.
    let step: String
    let source: String

    /// A wrong value: what was found and what is expected.
    func error(_ key: String, _ found: String, _ expected: String) -> SwiftletError {
        SwiftletError(.malformed, "\(source): '\(key)' of the \(step) is \(found), expected \(expected).")
    }

    /// A boolean; absent and null mean `fallback`.
    func bool(_ key: String, default fallback: Bool) throws(SwiftletError) -> Bool {
        guard let value = json[key], !value.isNull else { return fallback }
        guard let bool = value.bool else { throw error(key, value.kind.rawValue, "true or false") }
        return bool
    }

    /// An integer; absent and null mean `fallback`.
    func int(_ key: String, default fallback: Int) throws(SwiftletError) -> Int {
        guard let value = json[key], !value.isNull else { return fallback }
        guard let int = value.int else { throw error(key, value.kind.rawValue, "an integer") }
        return int
    }

    /// A string; absent is an error.
    func text(_ key: String) throws(SwiftletError) -> [UInt8] {
        guard let bytes = json[key]?.bytes else {
            throw error(key, json[key]?.kind.rawValue ?? "absent", "a string")
        }
        return bytes
    }

    /// A string of one character; absent means `fallback`, if there is one.
    func character(_ key: String, default fallback: UInt32?) throws(SwiftletError) -> UInt32 {
        if json[key] == nil, let fallback { return fallback }
        let values = UTF8Text.values(try text(key))
        guard values.count == 1 else { throw error(key, "\(values.count) characters", "one character") }
        return values[0]
    }
}
