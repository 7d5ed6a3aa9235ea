package import CSwiftletKernels

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The arithmetic of one instruction set: a thin, checked door to its table of C functions.
///
/// Methods check shapes, then call; they neither allocate nor lock, and may run on many threads at once as
/// long as what they write does not overlap. Every method is compared with ``Reference`` in the tests.
///
/// Results differ between instruction sets in the order of summation. Within one, ``dot(_:_:_:count:)``,
/// ``matvec(_:_:rows:columns:_:into:)`` and ``matmul(_:_:rows:columns:_:stride:tokens:into:stride:scratch:)``
/// agree bit for bit, whatever the number of rows or tokens in a call.
package struct Kernels: @unchecked Sendable {
    /// The table, immutable and alive as long as the process.
    package let table: UnsafePointer<sl_kernels>

    /// The name that `SWIFTLET_ISA` takes: `scalar`, `avx2`, `avxvnni`, `avx512`, `avx512vnni` or `neon`.
    package var name: String { String(cString: table.pointee.name) }

    /// Every table that this build has and this machine can run, slowest first.
    package static let available: [Kernels] = (0..<SL_ISA_COUNT.rawValue).compactMap { isa in
        sl_kernels_for(sl_isa(rawValue: isa)).map(Kernels.init)
    }

    /// What ``selected()`` returns; where that throws, the fastest table.
    ///
    /// Programs call ``selected()`` once at their start, so that a wrong `SWIFTLET_ISA` is reported.
    package static let best: Kernels = (try? selected()) ?? Kernels(table: sl_kernels_best())

    /// The table that the environment variable `SWIFTLET_ISA` names, or the fastest if it is unset or empty.
    ///
    /// - Throws: ``SwiftletError`` if the value is unknown or unavailable here; the message lists the
    ///   choices.
    package static func selected() throws(SwiftletError) -> Kernels {
        try selected(named: getenv("SWIFTLET_ISA").map { String(cString: $0) } ?? "")
    }

    /// The table of one name, or the fastest for an empty name.
    ///
    /// - Throws: ``SwiftletError`` if the name is unknown or unavailable here; the message lists the choices.
    package static func selected(named name: String) throws(SwiftletError) -> Kernels {
        if name.isEmpty { return Kernels(table: sl_kernels_best()) }
        if let found = available.first(where: { $0.name == name }) { return found }
        let names = available.map(\.name).joined(separator: ", ")
        throw SwiftletError(
            .invalidArgument,
            "SWIFTLET_ISA is '\(name)', but this machine offers \(names); choose one of them or unset the variable."
        )
    }
}

/// Checks that a count fills whole blocks of a format.
@inline(__always)
func checkBlocks(_ format: sl_format, _ count: Int) {
    precondition(
        count >= 0 && count % sl_block_elements(format) == 0,
        "\(count) numbers are not whole blocks of \(sl_block_elements(format))")
}
