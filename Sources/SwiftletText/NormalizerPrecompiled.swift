/// The rewriting rules inside a SentencePiece model: a trie over bytes and the texts that its values point at.
///
/// Source: `precompiled_charsmap` of SentencePiece, applied as Hugging Face `tokenizers` does: to whole grapheme
/// clusters shorter than six bytes, taking the shortest key that the cluster begins with, else character by
/// character.
struct PrecompiledCharacterMap: Sendable {
    /// Units of a double array: label, value and offset packed into 32 bits.
    private let units: [UInt32]
    /// Texts, each ended by a zero byte.
    private let texts: [UInt8]
    /// What becomes of single ASCII characters.
    private var ascii: [[UInt8]?] = []

    /// Reads a map; `nil` if it is cut short.
    init?(_ bytes: [UInt8]) {
        func word(at i: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[i + $1]) << UInt32(8 * $1) }
        }
        guard bytes.count >= 4 else { return nil }
        let count = Int(word(at: 0)) / 4
        guard count > 0, count <= (bytes.count - 4) / 4 else { return nil }
        units = (0..<count).map { word(at: 4 + 4 * $0) }
        texts = Array(bytes[(4 + 4 * count)...])
        ascii = (0..<128).map { (byte: UInt8) in replacement(of: [byte][...]) }
    }

    /// The text of the shortest key that `key` begins with; `nil` if there is none.
    func replacement(of key: some Sequence<UInt8>) -> [UInt8]? {
        var found: [UInt8]?
        forEachPrefix(of: key) { _, start in
            found = text(at: start)
            return false
        }
        return found
    }

    /// Calls `body` with the length and the value of every key that `key` begins with, for as long as it wants.
    private func forEachPrefix(of key: some Sequence<UInt8>, _ body: (Int, Int) -> Bool) {
        var node = offset(units[0])
        var length = 0
        for byte in key {
            if byte == 0 { return }
            node ^= Int(byte)
            guard node < units.count else { return }
            let unit = units[node]
            if unit & 0x8000_00FF != UInt32(byte) { return }
            node ^= offset(unit)
            length += 1
            guard unit >> 8 & 1 == 1 else { continue }
            guard node < units.count, body(length, Int(units[node] & 0x7FFF_FFFF)) else { return }
        }
    }

    private func text(at start: Int) -> [UInt8]? {
        start <= texts.count ? Array(texts[start...].prefix { $0 != 0 }) : nil
    }

    /// The text of the longest key that `text` begins with, and where that key ends; `nil` if there is none.
    func longestReplacement<Text: Collection<UInt8>>(in text: Text) -> (text: [UInt8], end: Int)?
    where Text.Index == Int {
        var longest: (length: Int, start: Int)?
        forEachPrefix(of: text) {
            longest = ($0, $1)
            return true
        }
        guard let longest, let replacement = self.text(at: longest.start) else { return nil }
        return (replacement, text.startIndex + longest.length)
    }

    /// `text` with all rules applied as SentencePiece does: at each place the longest key.
    func normalizeByLongestKeys(_ text: [UInt8]) -> [UInt8] {
        var normalized: [UInt8] = []
        normalized.reserveCapacity(text.count)
        var i = 0
        while i < text.count {
            if let (replacement, end) = longestReplacement(in: text[i...]) {
                normalized += replacement
                i = end
            } else {
                let width = text.withUnsafeBufferPointer { buffer in
                    buffer.baseAddress.map { UTF8Text.decode($0, i, buffer.count).width } ?? 1
                }
                normalized += text[i..<i + width]
                i += width
            }
        }
        return normalized
    }

    private func offset(_ unit: UInt32) -> Int {
        Int(unit >> 10) << Int((unit & 0x200) >> 6)
    }

    /// `text` with all rules applied.
    func normalize(_ text: [UInt8]) -> [UInt8] {
        var normalized: [UInt8] = []
        normalized.reserveCapacity(text.count)
        var i = 0
        while i < text.count {
            // Between two ASCII characters there is always a cluster boundary, except in CR LF.
            var end = i + 1
            while end < text.count, text[end] >= 0x80 || text[end - 1] >= 0x80 || isLineEnd(text, end) {
                end += 1
            }
            if end == i + 1, text[i] < 0x80 {
                if let replacement = ascii[Int(text[i])] {
                    normalized += replacement
                } else {
                    normalized.append(text[i])
                }
            } else {
                normalizeClusters(text[i..<end], into: &normalized)
            }
            i = end
        }
        return normalized
    }

    private func isLineEnd(_ text: [UInt8], _ i: Int) -> Bool { text[i] == 0x0A && text[i - 1] == 0x0D }

    /// Handles text whose well-formed parts have to be cut into grapheme clusters.
    private func normalizeClusters(_ text: ArraySlice<UInt8>, into normalized: inout [UInt8]) {
        var valid: [UInt8] = []
        for value in UTF8Text.values(Array(text)) {
            if value < UTF8Text.invalidBase {
                UTF8Text.append(value, to: &valid)
            } else {
                normalizeValid(valid, into: &normalized)
                valid = []
                UTF8Text.append(value, to: &normalized)
            }
        }
        normalizeValid(valid, into: &normalized)
    }

    private func normalizeValid(_ text: [UInt8], into normalized: inout [UInt8]) {
        forEachRule(in: text) { part, replacement in normalized += replacement ?? Array(part.utf8) }
    }

    /// Calls `body` with every part of `text` that is looked up, and what takes its place, if anything does.
    private func forEachRule(in text: [UInt8], _ body: (Substring, [UInt8]?) -> Void) {
        let text = String(decoding: text, as: UTF8.self)
        for start in text.indices {
            let cluster = text[start...start]
            if cluster.utf8.count < 6, let replacement = replacement(of: cluster.utf8) {
                body(cluster, replacement)
                continue
            }
            let scalars = cluster.unicodeScalars
            for place in scalars.indices {
                let part = Substring(scalars[place...place])
                body(part, replacement(of: part.utf8))
            }
        }
    }

    /// The characters of the normalised text by their width in bytes, and how many characters each adds to the
    /// text; if that is negative, so many follow that it takes in.
    ///
    /// What becomes nothing at the beginning of the text is forgotten, as `tokenizers` does.
    func steps(_ text: [UInt8]) -> [(width: Int, change: Int)] {
        var steps: [(width: Int, change: Int)] = []
        forEachRule(in: text) { part, replacement in
            let widths = String(decoding: replacement ?? Array(part.utf8), as: UTF8.self).unicodeScalars
                .map { UTF8.width($0) }
            let added = widths.count - part.unicodeScalars.count
            for (place, width) in widths.enumerated() {
                steps.append((width, place < widths.count - max(added, 0) ? 0 : 1))
            }
            if added < 0, let last = steps.indices.last { steps[last].change += added }
        }
        return steps
    }
}

/// Base 64 with the alphabet of RFC 4648, section 4.
enum Base64 {
    /// The bytes of `text`; `nil` if it is not base 64 with correct padding.
    static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let padding = text.suffix(2).reversed().prefix { $0 == 0x3D }.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        for (place, byte) in text.dropLast(padding).enumerated() {
            guard let value = value(of: byte) else { return nil }
            bits = bits << 6 | value
            if place % 4 == 3 {
                bytes += [UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF)]
            }
        }
        switch padding {
        case 1: bytes += [UInt8(bits >> 10 & 0xFF), UInt8(bits >> 2 & 0xFF)]
        case 2: bytes.append(UInt8(bits >> 4 & 0xFF))
        default: break
        }
        return bytes
    }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case 0x41...0x5A: UInt32(byte) - 0x41
        case 0x61...0x7A: UInt32(byte) - 0x61 + 26
        case 0x30...0x39: UInt32(byte) - 0x30 + 52
        case 0x2B: 62
        case 0x2F: 63
        default: nil
        }
    }
}
