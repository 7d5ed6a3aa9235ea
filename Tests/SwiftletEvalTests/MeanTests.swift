import Testing

@testable import SwiftletEval

@Suite struct MeanTests {
    @Test func knownNumbers() {
        var mean = Mean()
        for x in [2.0, 4, 4, 4, 5, 5, 7, 9] { mean.add(x) }
        #expect(mean.count == 8)
        #expect(mean.value == 5)
        #expect(abs(mean.variance - 32.0 / 7) < 1e-12)
        #expect(abs(mean.standardError - (4.0 / 7).squareRoot()) < 1e-12)
    }

    @Test func nothingAndOne() {
        var mean = Mean()
        #expect(mean.value == 0 && mean.standardError == 0)
        mean.add(3)
        #expect(mean.value == 3 && mean.standardError == 0)
    }

    @Test("two means are merged as if their numbers had come together", arguments: 0...6)
    func merged(cut: Int) {
        let numbers = [3.5, -1, 7, 7, 0.25, 1e6]
        var (left, right, whole) = (Mean(), Mean(), Mean())
        for (index, x) in numbers.enumerated() {
            if index < cut { left.add(x) } else { right.add(x) }
            whole.add(x)
        }
        left.merge(right)
        #expect(left.count == 6 && abs(left.value - whole.value) < 1e-9)
        #expect(abs(left.variance / whole.variance - 1) < 1e-12)
    }

    @Test("infinite numbers make the mean infinite, opposite ones and NaN make it NaN")
    func infinities() {
        var (mean, other) = (Mean(), Mean())
        for x in [1, .infinity, 2, .infinity] { mean.add(x) }
        #expect(mean.value == .infinity && mean.standardError.isNaN && mean.count == 4)
        other.add(5)
        other.merge(mean)
        #expect(other.value == .infinity && other.count == 5)
        mean.add(-.infinity)
        #expect(mean.value.isNaN)
    }
}
