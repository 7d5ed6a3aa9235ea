import Synchronization
import Testing

@testable import SwiftletTensor

@Suite("Thread pool")
struct ThreadPoolTests {
    @Test("visits every index once", arguments: [1, 2, 3, 8], [0, 1, 2, 7, 1000])
    func visits(threads: Int, count: Int) {
        let pool = ThreadPool(threadCount: threads)
        #expect(pool.threadCount == threads)
        var visits = [Int](repeating: 0, count: count)
        visits.withUnsafeMutableBufferPointer { visits in
            for _ in 0..<20 { pool.run(count) { visits[$0] += 1 } }
        }
        #expect(visits.allSatisfy { $0 == 20 })
    }

    @Test("short runs in quick succession see each other's writes")
    func manyRuns() {
        let pool = ThreadPool(threadCount: 3)
        var values = [0, 0, 0, 0, 0]
        values.withUnsafeMutableBufferPointer { values in
            for round in 0..<20_000 {
                pool.run(values.count) { index in
                    values[index] = values[index] == round ? round + 1 : -1
                }
            }
        }
        #expect(values == [Int](repeating: 20_000, count: 5))
    }

    @Test("wakes threads that have gone to sleep")
    func sleepers() async throws {
        let pool = ThreadPool(threadCount: 3)
        let sum = Atomic<Int>(0)
        for _ in 0..<5 {
            try await Task.sleep(for: .milliseconds(20))
            pool.run(100) { sum.add($0, ordering: .relaxed) }
        }
        #expect(sum.load(ordering: .relaxed) == 5 * 4950)
    }

    @Test("work inside work runs in place")
    func nested() {
        let pool = ThreadPool(threadCount: 3), other = ThreadPool(threadCount: 2)
        let sum = Atomic<Int>(0)
        pool.run(10) { _ in
            pool.run(10) { _ in
                other.run(3) { _ in sum.add(1, ordering: .relaxed) }
            }
        }
        #expect(sum.load(ordering: .relaxed) == 300)
    }

    private final class Counter: Sendable { let sum = Atomic<Int>(0) }

    @Test("callers on several threads take turns")
    func concurrentCallers() async {
        let pool = ThreadPool(threadCount: 3), counter = Counter()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<200 { pool.run(7) { counter.sum.add($0, ordering: .relaxed) } }
                }
            }
        }
        #expect(counter.sum.load(ordering: .relaxed) == 4 * 200 * 21)
    }

    @Test("ends its threads with its life, asleep or not")
    func lifetimes() {
        for round in 0..<50 {
            let pool = ThreadPool(threadCount: 1 + round % 5)
            if round % 2 == 0 { pool.run(10) { _ in } }
        }
    }

    @Test(
        "ranges of rows tile the whole at multiples of the grain", arguments: [1, 3, 4], [0, 1, 5, 64, 1001])
    func ranges(grain: Int, rows: Int) {
        let pool = ThreadPool(threadCount: 2)
        var hits = [Int](repeating: 0, count: rows)
        hits.withUnsafeMutableBufferPointer { hits in
            pool.run(rows: rows, grain: grain) { range in
                precondition(
                    range.lowerBound % grain == 0
                        && (range.upperBound % grain == 0 || range.upperBound == rows))
                for row in range { hits[row] += 1 }
            }
        }
        #expect(hits.allSatisfy { $0 == 1 })
    }

    @Test func defaultCountIsPositive() { #expect(ThreadPool.defaultThreadCount >= 1) }

    #if os(Linux)
        @Test("reads lists of processors")
        func processorLists() {
            #expect(processors(inList: "0-3,8") == [0, 1, 2, 3, 8])
            #expect(processors(inList: " 5\n") == [5])
            for malformed in ["", "2-1", "x", "1-2-3", "0-99999999999"] {
                #expect(processors(inList: malformed) == [])
            }
        }
    #endif
}
