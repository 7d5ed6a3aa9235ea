package import SwiftletCache
import SwiftletFormats
import SwiftletModels
public import SwiftletTensor

/// What `eval compare` measured of a model, as far as a plan cites it.
public struct PlanReport: Sendable {
    /// A policy under a bound, with its mean score over all ways to ask.
    public struct Entry: Hashable, Sendable {
        /// As `--kv-policy` takes it.
        public let policy: String
        /// As `--kv-budget` takes it; `nil` for none.
        public let budget: String?
        /// From 0 to 1.
        public let score: Double

        /// Whether this is what was measured of a policy under a bound.
        func measures(_ policy: String, _ budget: KVBudget?) -> Bool {
            self.policy == policy && self.budget == budget?.description
        }
    }

    /// The file.
    public let path: String
    /// When it was made, as it says.
    public let date: String
    /// Whether model and report have the same hash; otherwise only architecture and size could be compared.
    public let isVerified: Bool
    /// What was measured.
    public let entries: [Entry]

    /// Reads `report.json` of a directory.
    ///
    /// - Throws: `.mismatch` if it is about another model, `.malformed` if it is no report, `.unreadable`.
    public init(directory: String, for header: ModelHeader) throws(SwiftletError) {
        path = "\(directory)/report.json"
        let json = try JSON.parse(contentsOf: path)
        guard let manifest = json["manifest"], let hash = manifest["model_hash"]?.string,
            let entries = json["entries"], entries.kind == .array
        else {
            throw SwiftletError(
                .malformed,
                "\(path) has no manifest with 'model_hash' and no list 'entries'; make it with: swiftlet eval compare"
            )
        }
        date = manifest["date"]?.string ?? ""
        let own = try header.fingerprint()
        isVerified = own != nil
        let isSame =
            own.map { $0 == hash }
            ?? (manifest["architecture"]?.string == header.configuration.architecture
                && manifest["weight_bytes"]?.int == header.weightBytes)
        guard isSame else {
            throw SwiftletError(
                .mismatch,
                "\(path) is about another model, \(manifest["model"]?.string ?? hash) "
                    + "(\(manifest["weight_bytes"]?.int ?? 0) bytes of weights, hash \(hash)), not about \(header.name) "
                    + "(\(header.weightBytes) bytes\(own.map { ", hash \($0)" } ?? "")); measure this one with: "
                    + "swiftlet eval compare")
        }
        self.entries = entries.elements.compactMap(Self.entry)
    }

    private static func entry(_ json: JSON) -> Entry? {
        guard let policy = json["policy"]?.string else { return nil }
        let scores = ["agnostic", "aware"].compactMap { json["quality"]?[$0]?["score"]?.double }
        guard !scores.isEmpty else { return nil }
        return Entry(
            policy: policy, budget: json["budget"]?.string,
            score: scores.reduce(0, +) / Double(scores.count))
    }

    /// The score of a policy, if it was measured.
    package func score(_ policy: String, _ budget: KVBudget?) -> Double? {
        entries.first { $0.measures(policy, budget) }?.score
    }
}
