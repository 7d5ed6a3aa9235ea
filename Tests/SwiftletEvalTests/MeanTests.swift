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
}
