import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Hands out the memory of cache pages and counts it.
///
/// Pages of one size come from arenas that are mapped from the system; a page that is given back returns its
/// whole system pages at once, so resident memory follows the bytes held. Safe to use from several threads.
public final class KVPagePool: Sendable {
    private struct State {
        var arenas: [Arena] = []
        var free: [Int: [UInt]] = [:]  // page size → addresses of free pages
        var heldBytes = 0
        var peakBytes = 0
    }

    private struct Arena {
        let base: UInt
        let byteCount: Int
    }

    private static let arenaBytes = 4 << 20
    private static let systemPage = UInt(sysconf(Int32(_SC_PAGESIZE)))

    private let state = Mutex(State())

    /// A pool that holds nothing yet.
    public init() {}

    deinit {
        state.withLock { state in
            for arena in state.arenas {
                munmap(UnsafeMutableRawPointer(bitPattern: arena.base), arena.byteCount)
            }
        }
    }

    /// Bytes of the pages in use.
    public var heldBytes: Int { state.withLock { $0.heldBytes } }

    /// The most bytes ever in use at once.
    public var peakBytes: Int { state.withLock { $0.peakBytes } }

    /// Takes a page of `byteCount` bytes, a multiple of 64; `nil` if the system has no memory left.
    func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        precondition(byteCount > 0 && byteCount % 64 == 0, "page of \(byteCount) bytes")
        return state.withLock { state in
            if state.free[byteCount, default: []].isEmpty, !Self.addArena(to: &state, page: byteCount) {
                return nil
            }
            guard let address = state.free[byteCount]?.popLast() else { return nil }
            state.heldBytes += byteCount
            state.peakBytes = max(state.peakBytes, state.heldBytes)
            return UnsafeMutableRawPointer(bitPattern: address)
        }
    }

    /// Returns a page to the pool and its memory to the system.
    func giveBack(_ page: UnsafeMutableRawPointer, _ byteCount: Int) {
        let address = UInt(bitPattern: page)
        let mask = Self.systemPage - 1
        let first = (address + mask) & ~mask
        let end = (address + UInt(byteCount)) & ~mask
        if end > first {
            madvise(UnsafeMutableRawPointer(bitPattern: first), Int(end - first), Self.discard)
        }
        state.withLock { state in
            state.free[byteCount, default: []].append(address)
            state.heldBytes -= byteCount
        }
    }

    #if canImport(Darwin)
        private static let discard = MADV_FREE
    #elseif canImport(Musl)
        private static let discard = MADV_DONTNEED
    #else
        private static let discard = Int32(MADV_DONTNEED)
    #endif

    private static func addArena(to state: inout State, page byteCount: Int) -> Bool {
        let pages = max(arenaBytes / byteCount, 1)
        let bytes = pages * byteCount
        guard let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            base != MAP_FAILED
        else { return false }
        let start = UInt(bitPattern: base)
        state.arenas.append(Arena(base: start, byteCount: bytes))
        // Taken from the back, so the list is reversed to hand out rising addresses.
        state.free[byteCount, default: []] += (0..<pages).reversed().map { start + UInt($0 * byteCount) }
        return true
    }
}
