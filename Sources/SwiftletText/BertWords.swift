/// Words as BERT sees them: white space lies between them, and each punctuation character is one.
///
/// Source: `BertPreTokenizer` of Hugging Face `tokenizers` 0.23.
enum BertWords {
    private static let separators = CharacterSet.space.union(BertClasses.punctuation)
    /// One bit for each character below U+10000, whether it ends a word.
    private static let bitmap = separators.bitmap

    /// Calls `body` with the range of every word, from left to right.
    @inline(__always)
    static func forEach(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
        guard let base = text.baseAddress else { return }
        let (separators, classes) = (separators, UnicodeClasses.shared)
        bitmap.withUnsafeBufferPointer { bitmap in
            var start = 0
            var i = 0
            while i < text.count {
                let (value, width) = UTF8Text.decode(base, i, text.count)
                let separates =
                    value < 0x10000
                    ? bitmap[Int(value >> 6)] >> UInt64(value & 63) & 1 == 1 : separators.contains(value)
                i += width
                guard separates else { continue }
                if start < i - width { body(start..<i - width) }
                if !classes[value].contains(.space) { body(i - width..<i) }
                start = i
            }
            if start < text.count { body(start..<text.count) }
        }
    }
}
