public import SwiftletCache
import SwiftletModels
public import SwiftletTensor

extension Model {
    /// Reads a cache policy for this model.
    ///
    /// - Parameters:
    ///   - specification: as `--kv-policy` takes it; `nil` is the full cache.
    ///   - budget: as `--kv-budget` takes it; `nil` is the policy's default.
    /// - Throws: `.invalidArgument` for what cannot be read or cannot work, with the reason; errors of files
    ///   that the policy names.
    public func policy(_ specification: String?, budget: String? = nil) throws(SwiftletError) -> KVPolicy {
        guard let specification else {
            guard budget == nil else {
                throw SwiftletError(
                    .invalidArgument,
                    "--kv-budget needs a policy that keeps to it; add --kv-policy, such as --kv-policy snapkv"
                )
            }
            return .full
        }
        let bound = try budget.map { text throws(SwiftletError) in try KVBudget(parsing: text) }
        return try KVPolicy(
            parsing: specification, budget: bound, layers: network.cacheLayers,
            profiles: ModelProfiles(model: self))
    }
}
