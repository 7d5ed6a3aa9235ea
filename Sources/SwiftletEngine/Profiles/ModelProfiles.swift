import SwiftletCache
import SwiftletTensor

/// Reads calibrated files about a model for a cache policy; files about other models are refused.
struct ModelProfiles: KVProfileReader {
    let model: Model

    func sharingMap(at path: String) throws(SwiftletError) -> [Int] {
        let profile = try KVProfile(path: path, for: model)
        guard case .kvsharer(let strategy) = profile.content else {
            throw refusal(path, profile, expected: .kvsharer)
        }
        return strategy.map
    }

    func headRanks(at path: String) throws(SwiftletError) -> [[Double]] {
        let profile = try KVProfile(path: path, for: model)
        guard case .uncomp(let ranks) = profile.content else {
            throw refusal(path, profile, expected: .uncomp)
        }
        return ranks.ranks
    }

    private func refusal(
        _ path: String, _ profile: KVProfile, expected: KVProfileMethod
    ) -> SwiftletError {
        SwiftletError(
            .mismatch,
            "\(path) is a profile for \(profile.content.method.rawValue), expected one for \(expected.rawValue); "
                + "make it with: swiftlet kv profile --method \(expected.rawValue)")
    }
}
