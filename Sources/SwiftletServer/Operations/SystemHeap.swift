#if canImport(Glibc)
    import Glibc
#endif

/// What the system's allocator is told, where that is glibc: left to itself it keeps what was freed.
///
/// The header of these functions is in no module, so they are looked up by name; without them nothing happens.
public enum SystemHeap {
    /// Lets large blocks, such as bodies, go back to the system as soon as they are freed, and all threads share one heap.
    ///
    /// Otherwise the size from which blocks are mapped grows to the largest that was freed, and such blocks leave holes;
    /// and every thread has a heap with holes of its own. Threads keep small blocks for themselves in either case, so that
    /// they seldom wait for each other.
    public static func keepSmall() {
        #if canImport(Glibc)
            typealias SetOption = @convention(c) (_ option: CInt, _ value: CInt) -> CInt
            guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "mallopt") else { return }
            let setOption = unsafeBitCast(symbol, to: SetOption.self)
            let (mapThreshold, mostArenas): (CInt, CInt) = (-3, -8)  // M_MMAP_THRESHOLD, M_ARENA_MAX
            _ = setOption(mapThreshold, 128 << 10)
            _ = setOption(mostArenas, 1)
        #endif
    }

    /// Gives all pages that hold nothing back to the system.
    ///
    /// - Complexity: milliseconds; it looks at every free block.
    static func trim() {
        #if canImport(Glibc)
            typealias Trim = @convention(c) (_ keep: Int) -> CInt
            guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "malloc_trim") else { return }
            _ = unsafeBitCast(symbol, to: Trim.self)(0)
        #endif
    }
}
