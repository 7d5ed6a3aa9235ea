import SwiftletCache
import SwiftletTensor

/// Reads calibrated files about a model for a cache policy.
struct ModelProfiles: KVProfileReader {
    func sharingMap(at path: String) throws(SwiftletError) -> [Int] {
        throw SwiftletError(.unsupported, "\(path): sharing maps cannot be read yet")
    }

    func headRanks(at path: String) throws(SwiftletError) -> [[Double]] {
        throw SwiftletError(.unsupported, "\(path): head ranks cannot be read yet")
    }
}
