import SwiftletFormats
import SwiftletTensor

/// How many directions the queries of every head use.
public struct UNCompProfile: Hashable, Sendable {
    /// Eigenvalues that count.
    public var rank: Int
    /// Effective rank of every query head, averaged over the samples: `[layers][heads]`.
    public var ranks: [[Double]]

    /// Takes what was measured.
    public init(rank: Int, ranks: [[Double]]) {
        self.rank = rank
        self.ranks = ranks
    }

    init(_ reader: KVProfileFields) throws(SwiftletError) {
        rank = try reader.object("settings").integer("rank")
        ranks = try reader.numbers("ranks")
    }

    func write(to json: inout JSONWriter) {
        json.key("settings")
        json.object { $0.member("rank", rank) }
        json.key("ranks")
        json.array { json in
            for layer in ranks { json.array { json in for rank in layer { json.value(rank) } } }
        }
    }
}
