import Foundation
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("Specifications of cache policies")
struct KVPolicyParsingTests {
    private struct NoProfiles: KVProfileReader {
        func sharingMap(at path: String) throws(SwiftletError) -> [Int] { [0, 0] }
        func headRanks(at path: String) throws(SwiftletError) -> [[Double]] { [] }
    }

    private func parse(_ text: String, budget: KVBudget? = nil, window: Int? = nil) throws -> KVPolicy {
        let shape = KVLayerShape(headCount: 4, kvHeadCount: 2, keySize: 8, valueSize: 8, window: window)
        return try KVPolicy(
            parsing: text, budget: budget, layers: [shape, shape], profiles: NoProfiles())
    }

    @Test("components set their parts")
    func components() throws {
        #expect(try !parse("full").evicts)
        #expect(try parse("f16").format == .f16)
        #expect(try parse("full+f32").format == .f32)
        #expect(try parse("full", budget: .rows(5)).budget == .rows(5))
        #expect(try parse("cache:k=q8_0,v=q4_0").format == KVFormat(key: .q8_0, value: .q4_0))
        #expect(try parse("age").format?.stages.count == 2)
        #expect(try parse("rotate+kivi").rotates)
        #expect(try parse("tova+kivi").effectiveDecodeRule == .periodic(interval: 64))
        #expect(try parse("h2o+cache:v=q5_1").format == KVFormat(key: .f16, value: .q5_1))
    }

    @Test(
        "what cannot be read or cannot work is refused with a reason",
        arguments: [
            ("", "is empty"), ("fulll", "did you mean 'full'"), ("full+full", "both decide which rows stay"),
            ("f16+f32", "both decide the number format"), ("slots", "only where a selector drops some"),
            ("random+slots", "goes by the positions"), ("pyramidinfer+slots", "both decide"),
            ("uncomp:p,kernel=4", "an odd number"),
            ("full:x=1", "has no setting 'x'; it has no settings"), ("full:7", "not of the form name=value"),
            ("table", "needs a file"), ("+full", "unknown component ''"), ("full+", "unknown component ''"),
            ("table:/no/such/file", "/no/such/file"), ("q8_0+cache:v=q4_0", "both decide the number format"),
            ("cache:k=q6_K", "expected f32, f16"), ("cache:x=q8_0", "has no setting 'x'"),
            ("kivi:bits=3", "2 or 4"), ("kivi:residual=100", "multiple of 64"), ("kivi+q8_0", "both decide"),
            ("age:q4_0=8,then=q8_0", "from q4_0 to q8_0"), ("age:f16=0", "whole number"),
            ("rotate+rotate", "both decide how rows are rotated"),
            ("tova:decode=every+kivi", "at every step"),
        ])
    func refused(text: String, reason: String) throws {
        do {
            _ = try parse(text)
            Issue.record("'\(text)' was accepted")
        } catch let error as SwiftletError {
            #expect(error.message.contains(reason), "\(error.message)")
        }
    }

    @Test("a table of budgets is read from a file")
    func table() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/a+b.txt"
        try "[3, 4]\n".write(toFile: path, atomically: true, encoding: .utf8)
        let policy = try? parse("table:\(folder.path)/a\\+b.txt")
        #expect(policy == nil, "a table alone selects nothing")
        #expect(try LayerTable.rows(at: path) == [3, 4])
        try "3 x".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: SwiftletError.self) { try LayerTable.rows(at: path) }
    }
}

@Suite("Budgets of a cache")
struct KVBudgetTests {
    @Test(
        "shares, rows and bytes",
        arguments: [
            ("20%", KVBudget.share(0.2)), ("100%", .share(1)), ("0.5%", .share(0.005)), ("512", .rows(512)),
            ("64MiB", .bytes(64 << 20)), ("1.5KiB", .bytes(1_536)), ("2GB", .bytes(2_000_000_000)),
            ("7B", .bytes(7)),
        ])
    func parse(text: String, budget: KVBudget) throws {
        #expect(try KVBudget(parsing: text) == budget)
        #expect(try KVBudget(parsing: budget.description) == budget)
    }

    @Test(
        "everything else is refused",
        arguments: ["", "0", "-3", "0%", "101%", "-1%", "x", "20 %", "MiB", "1e30GiB", "nan%", "12XB"])
    func refused(text: String) {
        #expect(throws: SwiftletError.self) { try KVBudget(parsing: text) }
    }

    @Test("a share keeps what the reference keeps, but at least one row")
    func share() {
        #expect(KVBudget.rows(of: 100, share: 1 - 0.9) == 9)
        #expect(KVBudget.rows(of: 10, share: 1 - 0.9) == 1)
        #expect(KVBudget.rows(of: 30, share: 0.5) == 15)
    }

    @Test("shares of a total are exact and stay below the caps", arguments: 0..<50 as Range<UInt64>)
    func split(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int.random(in: 1...9, using: &random)
        let weights = (0..<count).map { _ in Double.random(in: 0...3, using: &random) }
        let caps = (0..<count).map { _ in Int.random(in: 1...50, using: &random) }
        let total = Int.random(in: 0...300, using: &random)
        let shares = KVShares.split(total, weights: weights, floor: Double(total / 20), caps: caps)
        #expect(shares.reduce(0, +) == min(total, caps.reduce(0, +)))
        #expect(zip(shares, caps).allSatisfy { (0...$1).contains($0) })
    }
}
