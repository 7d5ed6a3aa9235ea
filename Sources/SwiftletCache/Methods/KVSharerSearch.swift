/// The greedy search for a sharing map, with everything that it tried.
///
/// Source: Yang et al., 2024, arXiv:2410.18517, §3.2 and Algorithm 1.
package struct KVSharerSearch: Hashable, Sendable {
    /// What became of one pair.
    package enum Action: String, Sendable {
        /// The model stays close to itself: the layer borrows from now on.
        case accept
        /// It does not; the pair is not tried again.
        case reject
        /// The layer borrows already.
        case skip
    }

    /// One pair of the ranking.
    package struct Step: Hashable, Sendable {
        package let pair: KVSharer.Pair
        package let action: Action
        /// Similarity of the final hidden states; `nil` if the pair was skipped.
        package let similarity: Double?
        /// The flattened map that was tried; `nil` if the pair was skipped.
        package let candidate: [Int]?
    }

    /// The layer whose cache each layer reads.
    package private(set) var map: [Int]
    /// Borrowers in the order in which they were found.
    package private(set) var borrowers: [Int] = []
    /// Every pair that was looked at.
    package private(set) var trace: [Step] = []
    /// Borrowers that were asked for.
    package let target: Int

    /// Whether as many layers borrow as were asked for; otherwise the map is the best that was found.
    package var reachesTarget: Bool { borrowers.count == target }

    /// Goes through the ranking until `target` layers borrow.
    ///
    /// - Parameters:
    ///   - layers: number of layers.
    ///   - ranking: pairs, best first.
    ///   - target: layers that shall borrow; 0 leaves the identity map.
    ///   - threshold: a pair is accepted if the similarity is greater.
    ///   - similarity: of the model under a map to the original; an error ends the search.
    package init<Failure: Error>(
        layers: Int, ranking: [KVSharer.Pair], target: Int, threshold: Double,
        similarity: (_ map: [Int]) throws(Failure) -> Double
    ) throws(Failure) {
        self.target = target
        map = Array(0..<layers)
        for pair in ranking where borrowers.count < target {
            guard map[pair.borrower] == pair.borrower else {
                trace.append(Step(pair: pair, action: .skip, similarity: nil, candidate: nil))
                continue
            }
            var candidate = map
            candidate[pair.borrower] = pair.owner
            candidate = KVSharer.flattened(candidate)
            let value = try similarity(candidate)
            let action = value > threshold ? Action.accept : .reject
            trace.append(Step(pair: pair, action: action, similarity: value, candidate: candidate))
            guard action == .accept else { continue }
            map = candidate
            borrowers.append(pair.borrower)
        }
    }
}
