import Foundation
import SwiftletModels
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletEngine

@Suite("Profiles of models")
struct KVProfileTests {
    private let model: Model
    private let directory = TemporaryDirectory()

    init() throws { model = try EngineFixture.model() }

    private func calibration(_ change: (inout KVCalibration.Options) -> Void = { _ in }) throws
        -> KVCalibration
    {
        var options = KVCalibration.Options()
        (options.samples, options.tokens, options.threadCount) = (2, 12, 1)
        change(&options)
        let text = Array("The quick brown fox jumps over the lazy dog, and the dog does not mind.".utf8)
        return try KVCalibration(text: text, named: "fox.txt", model: model, options: options)
    }

    @Test("a file gives back what was learned", arguments: KVProfileMethod.allCases)
    func roundTrip(method: KVProfileMethod) throws {
        let calibration = try calibration()
        let found =
            switch method {
            case .uncomp: try calibration.uncomp()
            case .kvsharer: try calibration.kvsharer(borrowers: 1, threshold: -1)
            }
        let profile = try #require(found)
        let path = directory.path + "/profile.json"
        try profile.write(to: path)
        #expect(try KVProfile(path: path, for: model) == profile)
        #expect(profile.content.method == method && profile.provenance.samples == 2)
        #expect(profile.provenance.tokens == 12 && profile.provenance.text == "fox.txt")
        #expect(profile.subject.fingerprint == model.fingerprint)
        _ = try model.policy("\(method.rawValue):\(path)" + (method == .uncomp ? ",window=2" : ""))
    }

    @Test("the same text and seed give the same profile, on any number of threads")
    func repeats() throws {
        let one = try calibration().uncomp()
        #expect(try calibration { $0.threadCount = 3 }.uncomp() == one)
        let other = try calibration { $0.seed = 7 }.uncomp()
        #expect(other?.provenance.seed == 7 && other != one)
    }

    @Test("the order of pairs can be turned round, and a file keeps it")
    func order() throws {
        let model = try Model.load(nil)
        let text = String(repeating: "The old lighthouse keeper counted the waves. ", count: 40)
        var options = KVCalibration.Options()
        options.samples = 2
        let calibration = try KVCalibration(
            text: Array(text.utf8), named: "waves", model: model, options: options)
        var firsts: [Int: KVSharerStrategy.Order] = [:]
        for order in KVSharerStrategy.Order.allCases {
            let profile = try #require(try calibration.kvsharer(borrowers: 1, threshold: -1, order: order))
            let path = directory.path + "/\(order.rawValue).json"
            try profile.write(to: path)
            guard case .kvsharer(let strategy) = try KVProfile(path: path, for: model).content else { return }
            #expect(strategy.order == order)
            let first = try #require(strategy.trace.first)
            firsts[first.borrower * 100 + first.owner] = order
        }
        #expect(firsts.count == 2, "both orders try the same pair first: \(firsts)")
    }

    @Test("a profile of another model is refused, and both are named")
    func otherModel() throws {
        let path = directory.path + "/map.json"
        try #require(try calibration().kvsharer(borrowers: 1, threshold: -1)).write(to: path)
        let other = try Model.load(nil)
        expectError(.mismatch, path, model.name, other.name, other.fingerprint, "kv profile") {
            _ = try other.policy("kvsharer:\(path)")
            return nil
        }
        expectError(.mismatch, "kvsharer", "uncomp") {
            _ = try model.policy("uncomp:\(path)")
            return nil
        }
    }

    @Test("a profile that was damaged is refused with the place", arguments: 0..<60 as Range<UInt64>)
    func damaged(seed: UInt64) throws {
        let path = directory.path + "/damaged.json"
        let profile = try #require(try calibration().kvsharer(borrowers: 1, threshold: -1))
        var random = SplitMix64(seed: seed)
        var bytes = Array(profile.json.utf8)
        switch seed % 3 {
        case 0: bytes.removeSubrange(Int.random(in: 0..<bytes.count - 2, using: &random)...)
        case 1:
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        default:
            let names = ["format", "version", "method", "model", "fingerprint", "calibration", "map", "seed"]
            let name = names[Int(seed) / 3 % names.count]
            bytes = Array(profile.json.replacingOccurrences(of: "\"\(name)\"", with: "\"x\"").utf8)
        }
        try Data(bytes).write(to: URL(filePath: path))
        do {  // A changed byte may also leave a sound file, as in a name.
            _ = try KVProfile(path: path, for: model)
            #expect(seed % 3 == 1)
        } catch {
            #expect(
                [.malformed, .mismatch, .unsupported].contains(error.code), "\(error.code): \(error.message)")
            #expect(error.message.contains(path))
        }
    }

    @Test("texts and settings that cannot work are refused")
    func refusals() throws {
        expectError(.invalidArgument, "--tokens") {
            _ = try calibration { $0.tokens = 1 }; return nil
        }
        expectError(.invalidArgument, "fox.txt") {
            _ = try calibration { $0.tokens = 60_000 }.uncomp()
            return nil
        }
        expectError(.invalidArgument, "borrow") {
            _ = try calibration().kvsharer(borrowers: model.configuration.layerCount)
            return nil
        }
        expectError(.invalidArgument, "--threshold") {
            _ = try calibration().kvsharer(borrowers: 1, threshold: 2)
            return nil
        }
        #expect(try calibration().uncomp { _, _ in false } == nil)
    }
}

@Suite("Fingerprints of models")
struct FingerprintTests {
    @Test("a model has the same fingerprint every time, others have another")
    func identity() throws {
        let first = try EngineFixture.model().fingerprint
        #expect(first.count == 32 && first.allSatisfy(\.isHexDigit))
        #expect(try EngineFixture.model().fingerprint == first)
        #expect(try Model.load(nil).fingerprint != first)
    }

    @Test("a copy under another name is the same model, changed weights are not")
    func weights() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/copy.gguf"
        var bytes = try Data(contentsOf: URL(filePath: EngineFixture.path))
        try bytes.write(to: URL(filePath: path))
        let original = try EngineFixture.model().fingerprint
        #expect(try Model.load(path).fingerprint == original)
        bytes[bytes.count - 40] ^= 1
        try bytes.write(to: URL(filePath: path), options: .atomic)
        #expect(try Model.load(path).fingerprint != original)
    }

    @Test("what is combined cannot run into what comes next")
    func boundaries() {
        func hash(_ words: [String]) -> String {
            var hash = Fingerprint()
            for word in words { hash.combine(word) }
            return hash.hexadecimal
        }
        #expect(hash(["ab", "c"]) != hash(["a", "bc"]))
        #expect(hash([]) != hash([""]) && hash(["", "a"]) != hash(["a", ""]))
        #expect(hash(["a\0"]) != hash(["a"]))
    }
}
