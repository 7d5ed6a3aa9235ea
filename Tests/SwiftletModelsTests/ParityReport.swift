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
        print("| Checkpoint | Largest difference |\n|---|---|")
        for (path, name) in ModelFixture.all + EncoderTests.checkpoints {
            let bench = Bench(try ModelFixture.model(path), activations: .exact)
            var worst: Float = 0
            for prompt in try ModelFixture(name).prompts {
                let found =
                    bench.model.configuration.form.isBidirectional
                    ? try EncoderTests.states(prompt.ids, bench)
                    : try bench.logits(prompt.ids, bench.sequence())
                worst = max(worst, largestDifference(found, prompt.logits))
            }
            print("| `\(path)` | \(String(format: "%.1e", worst)) |")
            #expect(worst <= ParityTests.tolerance)
        }
    }
}
