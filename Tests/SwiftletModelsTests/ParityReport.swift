import Foundation
import SwiftletTensor
import Testing

@testable import SwiftletModels

/// Prints the table of docs/models.md, if asked.
@Suite("ParityReport")
struct ParityReport {
    @Test(
        "largest difference from the reference, checkpoint by checkpoint",
        .enabled(if: ProcessInfo.processInfo.environment["SWIFTLET_PARITY"] != nil))
    func table() throws {
        print("| Checkpoint | Largest difference of a logit |\n|---|---|")
        for (path, name) in ModelFixture.all {
            let bench = Bench(try ModelFixture.model(path), activations: .exact)
            var worst: Float = 0
            for prompt in try ModelFixture(name).prompts {
                worst = max(
                    worst, largestDifference(try bench.logits(prompt.ids, bench.sequence()), prompt.logits))
            }
            print("| `\(path)` | \(String(format: "%.1e", worst)) |")
            #expect(worst <= ParityTests.tolerance)
        }
    }
}
