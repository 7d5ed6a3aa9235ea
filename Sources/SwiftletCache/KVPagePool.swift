public import SwiftletTensor
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
/// whole system pages, so resident memory follows the bytes held. Only a few pages wait to be taken again, so that
/// one that comes and goes with every token costs no call of the system. Safe to use from several threads.
///
/// A pool can lie in a temporary file, so that the system may take its memory back and read it in again. One whose
/// pages stay until the end can ask for large system pages: rows that are fetched singly from everywhere then cost no
/// walk through the page tables. Memory in use then grows by 2 MiB at a time, and what single pages give back may stay
/// with the process until the system needs it.
public final class KVPagePool: Sendable {
    private struct State {
        var arenas: [Arena] = []
        var free: [Int: [UInt]] = [:]  // page size → addresses of free pages
        var waiting: [(address: UInt, byteCount: Int)] = []  // given back, but still in memory
        var waitingBytes = 0
        var sharers: [UInt: Int] = [:]  // system page of which pages in memory hold parts → how many
        var heldBytes = 0
        var peakBytes = 0
    }

    private struct Arena {
        let base: UInt
        let byteCount: Int

        /// System pages that are in memory, or `nil` if the system does not say.
        func residentPages(of size: Int) -> Int? {
            #if canImport(Darwin)
                var flags = [CChar](repeating: 0, count: (byteCount + size - 1) / size)
            #else
                var flags = [UInt8](repeating: 0, count: (byteCount + size - 1) / size)
            #endif
            guard mincore(UnsafeMutableRawPointer(bitPattern: base), byteCount, &flags) == 0 else {
                return nil
            }
            return flags.reduce(0) { $0 + Int($1 & 1) }
        }
    }

    private static let arenaBytes = 4 << 20
    /// At most this part of the bytes in use waits to be taken again.
    private static let waitingPart = 64
    private static let systemPage = UInt(sysconf(Int32(_SC_PAGESIZE)))

    private let state = Mutex(State())
    private let file: PageFile?
    private let largePages: Bool

    /// A pool in memory that holds nothing yet.
    ///
    /// - Parameter largePages: asks the system for large pages, where it has them.
    public init(largePages: Bool = false) {
        file = nil
        self.largePages = largePages
    }

    /// A pool in a temporary file of a directory; the file has no name any more when this returns.
    ///
    /// - Throws: `.unwritable` if no file can be made there.
    public init(directory: String) throws(SwiftletError) {
        file = try PageFile(directory: directory)
        largePages = false
    }

    /// Whether pages lie in a file.
    public var isFile: Bool { file != nil }

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

    /// Bytes of the pool that the system has in memory; `nil` if it does not say.
    public var residentBytes: Int? {
        state.withLock { state in
            var pages = 0
            for arena in state.arenas {
                guard let resident = arena.residentPages(of: Int(Self.systemPage)) else { return nil }
                pages += resident
            }
            return pages * Int(Self.systemPage)
        }
    }

    /// Takes a page of `byteCount` bytes, a multiple of 64; `nil` if the system has no memory left.
    func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        precondition(byteCount > 0 && byteCount % 64 == 0, "page of \(byteCount) bytes")
        return state.withLock { state in
            guard let address = Self.takeWaiting(byteCount, &state) ?? takeFree(byteCount, &state) else {
                return nil
            }
            state.heldBytes += byteCount
            state.peakBytes = max(state.peakBytes, state.heldBytes)
            return UnsafeMutableRawPointer(bitPattern: address)
        }
    }

    private static func takeWaiting(_ byteCount: Int, _ state: inout State) -> UInt? {
        guard let index = state.waiting.lastIndex(where: { $0.byteCount == byteCount }) else { return nil }
        state.waitingBytes -= byteCount
        return state.waiting.remove(at: index).address
    }

    private func takeFree(_ byteCount: Int, _ state: inout State) -> UInt? {
        if state.free[byteCount, default: []].isEmpty, !addArena(to: &state, page: byteCount) { return nil }
        guard let address = state.free[byteCount]?.popLast() else { return nil }
        for page in Self.sharedPages(address, byteCount) { state.sharers[page, default: 0] += 1 }
        return address
    }

    /// Returns a page to the pool, and its memory to the system unless few enough pages wait to be taken again.
    func giveBack(_ page: UnsafeMutableRawPointer, _ byteCount: Int) {
        state.withLock { state in
            state.heldBytes -= byteCount
            state.waiting.append((UInt(bitPattern: page), byteCount))
            state.waitingBytes += byteCount
            while state.waitingBytes > state.heldBytes / Self.waitingPart, let page = state.waiting.popLast()
            {
                state.waitingBytes -= page.byteCount
                Self.free(page.address, page.byteCount, &state)
            }
        }
    }

    private static func free(_ address: UInt, _ byteCount: Int, _ state: inout State) {
        let mask = systemPage - 1
        let first = (address + mask) & ~mask
        let end = (address + UInt(byteCount)) & ~mask
        if end > first { discard(first, Int(end - first)) }
        for page in sharedPages(address, byteCount) {
            let others = state.sharers[page, default: 1] - 1
            state.sharers[page] = others > 0 ? others : nil
            if others == 0 { discard(page, Int(systemPage)) }
        }
        state.free[byteCount, default: []].append(address)
    }

    /// The system pages at both ends of a page that it shares with its neighbours.
    private static func sharedPages(_ address: UInt, _ byteCount: Int) -> [UInt] {
        let mask = systemPage - 1
        let end = address + UInt(byteCount)
        let first = address & mask == 0 ? nil : address & ~mask
        let last = end & mask == 0 || first == end & ~mask ? nil : end & ~mask
        return [first, last].compactMap { $0 }
    }

    /// Gives memory back to the system; its contents are lost unless it lies in a file.
    private static func discard(_ address: UInt, _ byteCount: Int) {
        #if canImport(Darwin)
            let advice = MADV_FREE
        #elseif canImport(Musl)
            let advice = MADV_DONTNEED
        #else
            let advice = Int32(MADV_DONTNEED)
        #endif
        madvise(UnsafeMutableRawPointer(bitPattern: address), byteCount, advice)
    }

    /// Why ``take(_:)`` gave nothing.
    var noRoom: SwiftletError {
        file?.noRoom(held: heldBytes)
            ?? SwiftletError(
                .limit,
                "the system has no memory left for the cache, which holds \(heldBytes) bytes; use a shorter "
                    + "context (-c) or a smaller model")
    }

    private func addArena(to state: inout State, page byteCount: Int) -> Bool {
        let pages = max(Self.arenaBytes / byteCount, 1)
        let whole = Int(Self.systemPage)  // arenas in a file start at one of its pages
        let bytes = (pages * byteCount + whole - 1) / whole * whole
        guard let base = file.map({ $0.map(bytes) }) ?? map(bytes) else { return false }
        let start = UInt(bitPattern: base)
        state.arenas.append(Arena(base: start, byteCount: bytes))
        // Taken from the back, so the list is reversed to hand out rising addresses.
        state.free[byteCount, default: []] += (0..<pages).reversed().map { start + UInt($0 * byteCount) }
        return true
    }

    private func map(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        #if canImport(Glibc) || canImport(Musl)
            if largePages { return Self.mapLarge(byteCount) }
        #endif
        return Self.map(byteCount)
    }

    private static func map(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        return base == MAP_FAILED ? nil : base
    }

    #if canImport(Glibc) || canImport(Musl)
        private static let largePage = 2 << 20

        /// Memory that begins at a large page, whatever the system then makes of the advice.
        private static func mapLarge(_ byteCount: Int) -> UnsafeMutableRawPointer? {
            guard let base = map(byteCount + largePage) else { return nil }
            let skipped = (largePage - Int(UInt(bitPattern: base) % UInt(largePage))) % largePage
            if skipped > 0 { munmap(base, skipped) }
            munmap(base + skipped + byteCount, largePage - skipped)
            madvise(base + skipped, byteCount, Int32(MADV_HUGEPAGE))
            return base + skipped
        }
    #endif
}

/// A file without a name that grows by mapped pieces, whose room on the disk is reserved before they are used.
private final class PageFile: Sendable {
    private struct State {
        var byteCount = 0
        var failure: Int32 = 0
    }

    private let directory: String
    private let descriptor: Int32
    private let state = Mutex(State())

    init(directory: String) throws(SwiftletError) {
        try System.checkPath(directory, .unwritable)
        var template = Array("\(directory)/swiftlet-cache-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw SwiftletError(
                .unwritable,
                "\(directory): no temporary file can be made for the cache: \(System.message(errno)); name "
                    + "another directory")
        }
        self.directory = directory
        unlink(template)
    }

    deinit { close(descriptor) }

    /// The next piece, or `nil` if the disk or the address space has no room.
    func map(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        state.withLock { state in
            state.failure = reserve(state.byteCount, byteCount)
            guard state.failure == 0 else { return nil }
            let base = mmap(
                nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, off_t(state.byteCount))
            guard let base, base != MAP_FAILED else {
                state.failure = errno
                return nil
            }
            madvise(base, byteCount, Int32(MADV_RANDOM))
            state.byteCount += byteCount
            return UnsafeMutableRawPointer?.some(base)
        }
    }

    func noRoom(held byteCount: Int) -> SwiftletError {
        SwiftletError(
            .limit,
            "\(directory): the temporary file of the cache cannot grow beyond \(byteCount) bytes: "
                + "\(System.message(state.withLock { $0.failure })); free some space or name another directory"
        )
    }

    /// Reserves room on the disk, because writing to a page without room kills the process; 0 or an error number.
    private func reserve(_ first: Int, _ byteCount: Int) -> Int32 {
        #if !canImport(Darwin)
            let result = posix_fallocate(descriptor, off_t(first), off_t(byteCount))
            if result != EOPNOTSUPP, result != EINVAL { return result }
        #endif
        return writeZeros(first, byteCount)
    }

    private func writeZeros(_ first: Int, _ byteCount: Int) -> Int32 {
        let zeros = [UInt8](repeating: 0, count: 1 << 16)
        var written = 0
        while written < byteCount {
            let count = pwrite(
                descriptor, zeros, min(zeros.count, byteCount - written), off_t(first + written))
            if count > 0 {
                written += count
            } else if errno != EINTR {
                return count == 0 ? ENOSPC : errno
            }
        }
        return 0
    }
}
