import SwiftletCache
import SwiftletFormats
import SwiftletTensor

/// Which layer reads whose cache, and how that was found.
public struct KVSharerStrategy: Hashable, Sendable {
    /// One pair that was looked at.
    public struct Step: Hashable, Sendable {
        /// The layer that would borrow.
        public var borrower: Int
        /// The layer whose cache it would read.
        public var owner: Int
        /// `accept`, `reject` or `skip`.
        public var action: String
        /// Mean cosine of the final hidden states with the original's; `nil` if it was skipped.
        public var similarity: Double?
    }

    /// Which pairs of layers are tried first.
    public enum Order: String, CaseIterable, Sendable {
        /// The most different ones, as the paper does.
        case dissimilar
        /// The most alike ones, as a control.
        case similar
    }

    /// The layer whose cache each layer reads.
    public var map: [Int]
    /// Borrowers that were asked for.
    public var target: Int
    /// Least similarity, exclusive.
    public var threshold: Double
    /// Which pairs were tried first.
    public var order: Order
    /// All pairs in the order in which they were tried.
    public var trace: [Step]

    /// Layers that borrow.
    public var borrowerCount: Int { map.indices.filter { map[$0] != $0 }.count }

    init(_ search: KVSharerSearch, threshold: Double, order: Order) {
        map = search.map
        target = search.target
        self.threshold = threshold
        self.order = order
        trace = search.trace.map {
            Step(
                borrower: $0.pair.borrower, owner: $0.pair.owner, action: $0.action.rawValue,
                similarity: $0.similarity)
        }
    }

    init(_ reader: KVProfileFields) throws(SwiftletError) {
        let settings = try reader.object("settings")
        target = try settings.integer("target")
        threshold = try settings.number("threshold")
        order = try Self.order(settings)
        map = try reader.integers("map")
        for (layer, owner) in map.enumerated() where !(0...layer).contains(owner) || map[owner] != owner {
            throw SwiftletError(
                .malformed,
                "\(reader.source): 'map' sends layer \(layer) to \(owner), which is not an earlier layer that "
                    + "keeps its own cache")
        }
        trace = []
        for step in try reader.objects("trace") {
            trace.append(
                Step(
                    borrower: try step.integer("borrower"), owner: try step.integer("owner"),
                    action: try step.string("action"),
                    similarity: step.has("similarity") ? try step.number("similarity") : nil))
        }
    }

    /// What the setting `order` says; files of version 0.1 without it have the paper's order.
    private static func order(_ settings: KVProfileFields) throws(SwiftletError) -> Order {
        guard settings.has("order") else { return .dissimilar }
        let name = try settings.string("order")
        guard let order = Order(rawValue: name) else {
            throw SwiftletError(
                .malformed, "\(settings.source): 'order' is '\(name)'; expected 'dissimilar' or 'similar'")
        }
        return order
    }

    func write(to json: inout JSONWriter) {
        json.key("settings")
        json.object { json in
            json.member("target", target)
            json.member("threshold", threshold)
            json.member("order", order.rawValue)
        }
        json.key("map")
        json.array { json in for owner in map { json.value(owner) } }
        json.member("reaches_target", borrowerCount == target)
        json.key("trace")
        json.array { json in
            for step in trace {
                json.object { json in
                    json.member("borrower", step.borrower)
                    json.member("owner", step.owner)
                    json.member("action", step.action)
                    if let similarity = step.similarity { json.member("similarity", similarity) }
                }
            }
        }
    }
}
