import CSwiftletKernels
public import SwiftletTensor

/// How the keys or the values of one page are stored.
enum KVCoding: Hashable, Sendable {
    /// Row after row.
    case rows(NumberFormat)
    /// Codes of 2 or 4 bits in groups of 32: keys are grouped along the rows of a channel, values along the channels
    /// of a row, so that keys are written a page at a time.
    case kivi(bits: Int)

    /// The format as the kernels know it.
    var kernel: sl_format? {
        switch self {
        case .rows(let format): format.kernel
        case .kivi(let bits): bits == 2 ? SL_Q2_1 : SL_Q4_1
        }
    }

    /// Whether a row cannot be written without its neighbours.
    var isGrouped: Bool { if case .kivi = self { true } else { false } }
}

extension KVCoding: CustomStringConvertible {
    var description: String {
        switch self {
        case .rows(let format): format.rawValue
        case .kivi(let bits): "kivi\(bits)"
        }
    }
}

/// What rows become once they are old enough: whole pages are then stored anew, once.
struct KVStage: Hashable, Sendable {
    /// Which rows are old enough.
    enum Age: Hashable, Sendable {
        /// All but the newest so many.
        case newest(Int)
        /// As KIVI does.
        case residual(KIVICodec)
    }

    var keys: KVCoding
    var values: KVCoding
    var age: Age

    /// How many pages, from the oldest on, have reached the stage in a cache of `count` rows.
    func pages(of count: Int) -> KIVICodec.Split {
        let rows =
            switch age {
            case .newest(let newest):
                KIVICodec.Split(keys: max(count - newest, 0), values: max(count - newest, 0))
            case .residual(let codec): codec.coded(of: count)
            }
        return KIVICodec.Split(
            keys: rows.keys / KVPage.rowCapacity, values: rows.values / KVPage.rowCapacity)
    }
}

extension KVFormat: CustomStringConvertible {
    /// Such as `q8_0`, `f16/q8_0` for keys and values apart, or `f16 > q8_0 > q4_0` for rows that age.
    public var description: String {
        ([(KVCoding.rows(key), KVCoding.rows(value))] + stages.map { ($0.keys, $0.values) })
            .map { $0 == $1 ? "\($0)" : "\($0)/\($1)" }.joined(separator: " > ")
    }
}

extension KVFormat {
    /// Rows in half precision, whose keys and values become codes as KIVI's do, a page of 64 rows at a time.
    ///
    /// A page of keys is coded when all of it belongs to a whole residual, a page of values when the newest residual
    /// lies behind it: up to 63 values more than the publication keeps stay exact.
    ///
    /// - Throws: `.invalidArgument` unless bits are 2 or 4 and the residual is a multiple of 64.
    /// - Source: Liu et al., 2024, arXiv:2402.02750, §3 and algorithm 1.
    public static func kivi(
        keyBits: Int, valueBits: Int, residual: Int = 128
    ) throws(SwiftletError) -> KVFormat {
        guard [2, 4].contains(keyBits), [2, 4].contains(valueBits) else {
            throw SwiftletError(
                .invalidArgument, "kivi codes of \(keyBits) and \(valueBits) bits; choose 2 or 4")
        }
        guard residual > 0, residual % KVPage.rowCapacity == 0 else {
            throw SwiftletError(
                .invalidArgument,
                "residual of 'kivi' is \(residual); expected a multiple of \(KVPage.rowCapacity), because whole pages "
                    + "are coded")
        }
        var format = KVFormat.f16
        format.stages = [
            KVStage(
                keys: .kivi(bits: keyBits), values: .kivi(bits: valueBits),
                age: .residual(KIVICodec(bits: keyBits, residual: residual)))
        ]
        return format
    }

    /// Precision by age: the newest rows in the first format, those before them in the next, and so on.
    ///
    /// - Parameters:
    ///   - parts: formats and how many rows each holds, newest first.
    ///   - last: the format of all older rows.
    /// - Throws: `.invalidArgument` unless the formats get narrower.
    public static func byAge(
        _ parts: [(format: NumberFormat, rows: Int)], then last: NumberFormat
    ) throws(SwiftletError) -> KVFormat {
        let formats = parts.map(\.format) + [last]
        let widths = formats.compactMap(supported.firstIndex)
        guard widths.count == formats.count, !parts.isEmpty, parts.allSatisfy({ $0.rows > 0 }),
            zip(widths, widths.dropFirst()).allSatisfy({ $0 < $1 })
        else {
            throw SwiftletError(
                .invalidArgument,
                "rows cannot go from \(formats.map(\.rawValue).joined(separator: " to ")) as they age; each format has "
                    + "to come after the one before it in \(names)")
        }
        var format = try KVFormat(key: formats[0], value: formats[0])
        var newest = 0
        for (part, next) in zip(parts, formats.dropFirst()) {
            newest += part.rows
            format.stages.append(KVStage(keys: .rows(next), values: .rows(next), age: .newest(newest)))
        }
        return format
    }

    /// Whether rows are stored anew as they age, so that what is held depends on how many rows followed.
    public var ages: Bool { !stages.isEmpty }

    /// Whether old rows are stored in groups: where one of them leaves, its page is decoded and coded again.
    public var isGrouped: Bool { stages.contains { $0.keys.isGrouped || $0.values.isGrouped } }

    /// The same formats for rows that are rotated by a Walsh–Hadamard matrix before they are stored.
    public var rotated: KVFormat {
        var format = self
        format.isRotated = true
        return format
    }
}
