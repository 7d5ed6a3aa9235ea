import SwiftletCache
import SwiftletModels
import SwiftletTensor

/// Reads calibrated files about a model for a cache policy; files about other models are refused.
struct ModelProfiles: KVProfileReader {
    private let profile: (_ path: String) throws(SwiftletError) -> KVProfile

    /// Files about this very model.
    init(model: Model) {
        profile = { path throws(SwiftletError) in try KVProfile(path: path, for: model) }
    }

    /// Files about a model of these sizes, whose weights cannot be compared.
    init(_ configuration: DecoderConfiguration) {
        profile = { path throws(SwiftletError) in
            let profile = try KVProfile(path: path)
            try profile.content.check(configuration, source: path)
            return profile
        }
    }

    func sharingMap(at path: String) throws(SwiftletError) -> [Int] {
        let profile = try profile(path)
        guard case .kvsharer(let strategy) = profile.content else {
            throw refusal(path, profile, expected: .kvsharer)
        }
        return strategy.map
    }

    func headRanks(at path: String) throws(SwiftletError) -> [[Double]] {
        let profile = try profile(path)
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
