package import SwiftletTensor

/// A regular expression over UTF-8 that may be ill-formed.
///
/// The syntax is that of Oniguruma; see ``PatternParser``. Used where no ``Scanner`` knows the pattern.
package struct Pattern: Sendable {
    private let program: PatternProgram
    /// The text of the pattern.
    package let text: String

    /// Compiles a pattern.
    ///
    /// - Parameters:
    ///   - text: the expression.
    ///   - source: what to name in errors, such as the path of the file that the pattern comes from.
    /// - Throws: ``SwiftletError`` with the place of what cannot be read.
    package init(_ text: String, source: String) throws(SwiftletError) {
        program = try PatternProgram(Self.node(text, source: source), pattern: text, source: source)
        self.text = text
    }

    /// What a pattern says, however it is written.
    static func node(_ text: String, source: String) throws(SwiftletError) -> PatternNode {
        var parser = PatternParser(Array(text.utf8), source: source)
        return try parser.parse()
    }

    /// Calls `body` with the byte range of every match in `text`, from left to right, without overlap.
    ///
    /// An empty match directly behind another match is skipped, as Oniguruma's iterators do.
    package func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
        // An empty buffer may have no address; the matcher never reads from the end.
        var nothing: UInt8 = 0
        withUnsafePointer(to: &nothing) { nothing in
            let base = text.baseAddress ?? nothing
            var matcher = PatternMatcher(program, base, text.count)
            var start = 0
            var lastEnd: Int?
            while start <= text.count, let match = matcher.firstMatch(from: start) {
                if match.isEmpty, match.lowerBound == lastEnd {
                    guard start < text.count else { break }
                    start += UTF8Text.decode(base, start, text.count).width
                } else {
                    body(match)
                    lastEnd = match.upperBound
                    start = match.upperBound
                }
            }
        }
    }
}
