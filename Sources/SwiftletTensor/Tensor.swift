import CSwiftletKernels

/// A read-only view of numbers that somebody else keeps in memory, usually a mapped file.
///
/// Copying a tensor copies no numbers. Numbers are row-major: in shape `[rows, cols]`, a row is contiguous.
public struct Tensor: Sendable {
    /// Dimensions, outermost first; empty for a single number.
    public let shape: [Int]
    /// How the numbers are stored.
    public let format: NumberFormat
    private nonisolated(unsafe) let start: UnsafeRawPointer?
    private let byteCount: Int
    private let owner: any AnyObject & Sendable

    /// Views `bytes`, which `owner` keeps alive and unchanged.
    ///
    /// The sizes must agree, and a row must fill whole blocks. Bytes that are not aligned for their numbers,
    /// as happens in files written without padding, are copied.
    public init(
        shape: [Int], format: NumberFormat, bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable
    ) {
        let expected = Self.byteCount(shape: shape, format: format)
        precondition(
            bytes.count == expected, "\(shape) \(format) needs \(expected ?? -1), not \(bytes.count)")
        let aligned = UInt(bitPattern: bytes.baseAddress) % UInt(format.alignment) == 0
        let storage = aligned ? nil : ByteStorage(copying: bytes)
        self.shape = shape
        self.format = format
        start = (storage?.bytes ?? bytes).baseAddress
        byteCount = bytes.count
        self.owner = storage ?? owner
    }

    /// Copies stored numbers whose size agrees with the shape.
    public init(shape: [Int], format: NumberFormat, copying bytes: [UInt8]) {
        let storage = bytes.withUnsafeBytes { ByteStorage(copying: $0) }
        self.init(shape: shape, format: format, bytes: storage.bytes, owner: storage)
    }

    /// Copies single-precision numbers, as many as the shape holds.
    public init(shape: [Int], floats: [Float]) {
        let storage = floats.withUnsafeBytes { ByteStorage(copying: $0) }
        self.init(shape: shape, format: .f32, bytes: storage.bytes, owner: storage)
    }

    /// The stored numbers; valid while this tensor, or a copy of it, lives.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: byteCount) }

    /// A view of some of the outermost rows, in a shape of as many numbers; copies nothing.
    ///
    /// - Parameter shape: `nil` keeps all dimensions but the first.
    package func slice(_ range: Range<Int>, shape: [Int]? = nil) -> Tensor {
        let count = self.shape.first ?? 0
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count)")
        let size = count > 0 ? byteCount / count : 0
        return Tensor(
            shape: shape ?? [range.count] + self.shape.dropFirst(), format: format,
            bytes: UnsafeRawBufferPointer(
                rebasing: bytes[range.lowerBound * size..<range.upperBound * size]), owner: owner)
    }

    /// The same numbers in another shape.
    package func reshaped(_ shape: [Int]) -> Tensor {
        Tensor(shape: shape, format: format, bytes: bytes, owner: owner)
    }

    /// How many numbers there are.
    public var elementCount: Int { Self.elementCount(of: shape) ?? 0 }

    /// Bytes of a tensor, or `nil` if a dimension is negative, rows do not fill whole blocks or the size
    /// overflows.
    package static func byteCount(shape: [Int], format: NumberFormat) -> Int? {
        guard (shape.last ?? 1) % format.blockElements == 0, let count = elementCount(of: shape) else {
            return nil
        }
        return format.byteCount(of: count)
    }

    /// The product of the dimensions, or `nil` if one is negative or the product overflows.
    package static func elementCount(of shape: [Int]) -> Int? {
        var count = 1
        var overflows = false
        for dimension in shape {
            guard dimension >= 0 else { return nil }
            if dimension == 0 { return shape.allSatisfy { $0 >= 0 } ? 0 : nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            overflows = overflows || overflow
            count = product
        }
        return overflows ? nil : count
    }
}

extension NumberFormat {
    /// The address of a stored number, or of a block, must be a multiple of this.
    package var alignment: Int {
        switch self {
        case .i8, .u8, .f8_e4m3, .f8_e5m2, .mxfp4, .nvfp4: 1
        case .f32, .i32: 4
        case .i64, .f64: 8
        default: 2
        }
    }
}

extension Tensor {
    /// All numbers as single precision, rounded to nearest where they are wider; shape ``shape``, row-major.
    ///
    /// - Complexity: linear; allocates four bytes per number.
    public func floats() throws(SwiftletError) -> [Float] {
        if let kernel = format.kernel { return dequantized(kernel) }
        return switch format {
        case .i8: numbers(Int8.self) { Float($0) }
        case .u8: numbers(UInt8.self) { Float($0) }
        case .i16: numbers(Int16.self) { Float($0) }
        case .i32: numbers(Int32.self) { Float($0) }
        case .i64: numbers(Int64.self) { Float($0) }
        case .f64: numbers(Double.self) { Float($0) }
        case .f8_e4m3: eightBits(Self.e4m3)
        case .f8_e5m2: eightBits(Self.e5m2)
        default: throw SwiftletError(.unsupported, "numbers stored as \(format) cannot be decoded")
        }
    }

    private func dequantized(_ kernel: sl_format) -> [Float] {
        let count = elementCount
        return [Float](unsafeUninitializedCapacity: count) { floats, initialized in
            guard let source = bytes.baseAddress, let target = floats.baseAddress, count > 0 else { return }
            withExtendedLifetime(owner) {
                Kernels.best.dequantize(kernel, source, into: target, count: count)
            }
            initialized = count
        }
    }

    private func eightBits(_ table: [Float]) -> [Float] { numbers(UInt8.self) { table[Int($0)] } }

    /// What every byte means: sign, 4 bits of exponent, 3 of fraction; all ones is NaN, there is no infinity.
    private static let e4m3: [Float] = (0..<256).map { byte in
        let sign: Float = byte < 128 ? 1 : -1
        let exponent = byte >> 3 & 15, fraction = Float(byte & 7) / 8
        if byte & 127 == 127 { return .nan }
        return exponent == 0
            ? sign * fraction * 0x1p-6
            : sign * (1 + fraction) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
    }

    /// The upper half of binary16.
    private static let e5m2: [Float] = (0..<256).map { byte in Float(Reference.half(UInt16(byte) << 8)) }

    private func numbers<Stored: BitwiseCopyable>(_: Stored.Type, _ decode: (Stored) -> Float) -> [Float] {
        withExtendedLifetime(owner) { bytes.bindMemory(to: Stored.self).map(decode) }
    }
}
