/// Small whole numbers, one per token, in one byte each or two.
struct PQCodes: Sendable {
    /// Bytes per code.
    let width: Int
    private var bytes: [UInt8] = []

    /// Room for numbers below `2^bits`, which is at most 16.
    init(bits: Int) { width = bits <= 8 ? 1 : 2 }

    var count: Int { bytes.count / width }

    var heldBytes: Int { bytes.capacity }

    subscript(token: Int) -> Int {
        width == 1 ? Int(bytes[token]) : Int(bytes[2 * token]) | Int(bytes[2 * token + 1]) << 8
    }

    mutating func reserve(_ count: Int) { bytes.reserveCapacity(count * width) }

    mutating func append(_ code: Int) {
        bytes.append(UInt8(truncatingIfNeeded: code))
        if width == 2 { bytes.append(UInt8(truncatingIfNeeded: code >> 8)) }
    }

    mutating func truncate(to count: Int) { bytes.removeSubrange((count * width)...) }

    /// Lends the codes as the kernels read them: little-endian numbers of ``width`` bytes.
    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes(body)
    }
}
