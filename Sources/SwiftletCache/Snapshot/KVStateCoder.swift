public import SwiftletTensor

/// Writes what a cache holds as bytes, or reads it back: one description serves both directions.
///
/// ```swift
/// mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
///     try state.code(&pending, "pending tokens", in: 0...interval)
/// }
/// ```
///
/// What is read comes from a file and is not trusted: every number has a range and every list a length, and a file
/// that breaks them is refused. Numbers are little-endian.
public struct KVStateCoder: ~Copyable {
    /// Whether values are read; otherwise they are written and stay as they are.
    public let isReading: Bool
    /// Everything written, or everything to read.
    package private(set) var bytes: [UInt8]
    private var offset = 0

    /// Starts writing.
    package init() {
        isReading = false
        bytes = []
    }

    /// Starts reading.
    package init(reading bytes: [UInt8]) {
        isReading = true
        self.bytes = bytes
    }

    // MARK: Numbers

    /// A whole number within a range.
    ///
    /// - Throws: `.malformed`, naming the number, if it is outside.
    public mutating func code(
        _ number: inout Int, _ name: String, in range: ClosedRange<Int>
    ) throws(SwiftletError) {
        var raw = Int64(number)
        try code(raw: &raw)
        number = Int(raw)
        guard range.contains(number) else {
            throw damage("\(name) is \(number), expected \(range.lowerBound) to \(range.upperBound)")
        }
    }

    /// A number of double precision, bit by bit.
    public mutating func code(_ number: inout Double) throws(SwiftletError) { try code(raw: &number) }

    /// A number that has to be what the reader says, such as a size that both sides know.
    public mutating func code(expecting number: Int, _ name: String) throws(SwiftletError) {
        var found = number
        try code(&found, name, in: number...number)
    }

    /// A name that has to be what the reader says.
    public mutating func code(expecting text: String, _ name: String) throws(SwiftletError) {
        var found = text
        try code(&found, "bytes of \(name)", count: 0...256)
        guard found == text else { throw damage("\(name) is '\(found)', expected '\(text)'") }
    }

    // MARK: Lists

    /// Numbers of single precision, bit by bit, with a length within a range.
    public mutating func code(
        _ numbers: inout [Float], _ name: String, count: ClosedRange<Int>
    ) throws(SwiftletError) { try code(raw: &numbers, name, count, filler: 0) }

    /// Numbers of double precision.
    public mutating func code(
        _ numbers: inout [Double], _ name: String, count: ClosedRange<Int>
    ) throws(SwiftletError) { try code(raw: &numbers, name, count, filler: 0) }

    /// Whole numbers of 32 bits, such as positions.
    public mutating func code(
        _ numbers: inout [Int32], _ name: String, count: ClosedRange<Int>
    ) throws(SwiftletError) { try code(raw: &numbers, name, count, filler: 0) }

    /// A text, with a number of UTF-8 bytes within a range.
    public mutating func code(
        _ text: inout String, _ name: String, count: ClosedRange<Int>
    ) throws(SwiftletError) {
        var bytes = Array(text.utf8)
        try code(raw: &bytes, name, count, filler: 0)
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// A list of anything.
    ///
    /// - Parameters:
    ///   - count: lengths that are accepted.
    ///   - blank: what `body` fills in when reading.
    ///   - body: describes one element.
    public mutating func code<Element>(
        _ list: inout [Element], _ name: String, count: ClosedRange<Int>, blank: Element,
        _ body: (inout KVStateCoder, inout Element) throws(SwiftletError) -> Void
    ) throws(SwiftletError) {
        var length = list.count
        try code(&length, "the number of \(name)", in: count)
        if isReading { list = [] }
        for index in 0..<length {
            var element = isReading ? blank : list[index]
            try body(&self, &element)
            if isReading { list.append(element) }
        }
    }

    /// A value that may be missing.
    public mutating func code<Value>(
        _ value: inout Value?, blank: Value,
        _ body: (inout KVStateCoder, inout Value) throws(SwiftletError) -> Void
    ) throws(SwiftletError) {
        var exists = value == nil ? 0 : 1
        try code(&exists, "a flag", in: 0...1)
        guard exists == 1 else { return value = nil }
        var content = value ?? blank
        try body(&self, &content)
        value = content
    }

    /// Memory whose size both sides know.
    package mutating func code(
        memory: UnsafeMutableRawPointer, byteCount: Int
    ) throws(SwiftletError) {
        guard isReading else {
            bytes += UnsafeRawBufferPointer(start: memory, count: byteCount)
            return
        }
        guard byteCount <= bytes.count - offset else { throw damage("it ends too early") }
        bytes.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(start: memory, count: byteCount).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + byteCount]))
        }
        offset += byteCount
    }

    /// Passes over bytes when reading.
    package mutating func skip(_ byteCount: Int) throws(SwiftletError) {
        guard isReading, byteCount > 0 else { return }
        guard byteCount <= bytes.count - offset else { throw damage("it ends too early") }
        offset += byteCount
    }

    /// Ends reading.
    ///
    /// - Throws: `.malformed` if bytes are left.
    package func finish() throws(SwiftletError) {
        guard !isReading || offset == bytes.count else {
            throw damage("\(bytes.count - offset) bytes are left over")
        }
    }

    /// The error of a file that cannot be right.
    public func damage(_ what: String) -> SwiftletError {
        SwiftletError(.malformed, "the saved cache is damaged: \(what)")
    }

    // MARK: Raw values

    private mutating func code<Raw: BitwiseCopyable>(raw: inout Raw) throws(SwiftletError) {
        let size = MemoryLayout<Raw>.size
        try withUnsafeMutableBytes(of: &raw) { raw throws(SwiftletError) in
            guard let base = raw.baseAddress else { return }
            try code(memory: base, byteCount: size)
        }
    }

    private mutating func code<Raw: BitwiseCopyable>(
        raw list: inout [Raw], _ name: String, _ count: ClosedRange<Int>, filler: Raw
    ) throws(SwiftletError) {
        var length = list.count
        try code(&length, "the number of \(name)", in: count)
        let (size, overflow) = length.multipliedReportingOverflow(by: MemoryLayout<Raw>.stride)
        if isReading {
            guard !overflow, size <= bytes.count - offset else { throw damage("\(name) end too early") }
            list = Array(repeating: filler, count: length)
        }
        try list.withUnsafeMutableBufferPointer { list throws(SwiftletError) in
            guard let base = list.baseAddress else { return }
            try code(memory: UnsafeMutableRawPointer(base), byteCount: size)
        }
    }
}
