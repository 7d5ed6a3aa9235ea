package import SwiftletTensor

/// What a scheduler has to know of a sequence before it may run beside others.
extension KVSequence {
    /// The most bytes that an empty sequence will hold at any time until it has read a first prompt and gone on for
    /// some tokens.
    ///
    /// Where rows follow the text, what a forecast expects is raised to what may be at worst.
    ///
    /// - Parameters:
    ///   - count: tokens of the prompt, at least 1.
    ///   - generated: tokens that follow it.
    ///   - chunk: tokens of the prompt that are processed at a time.
    /// - Throws: `.invalidArgument` if the budget is below what the policy keeps in any case.
    package func mostBytes(reading count: Int, generating generated: Int, chunk: Int) throws(SwiftletError)
        -> Int
    {
        let prompt = try forecast(reading: count, chunk: chunk)
        let slack = states.reduce(0) { $0 + $1.slot.shape.kvHeadCount } * KVHead.positionSlack
        guard policy.evicts else {
            let whole = generated > 0 ? try forecast(reading: count + generated, chunk: chunk) : prompt
            return max(prompt.peakBytes, whole.peakBytes) + slack
        }
        let added = try rowsAdded(by: generated, after: count)
        let grown = try forecast(reading: count, chunk: chunk, adding: added)
        // Evidence of generated tokens is counted whole, since a forecast knows that of the prompt only.
        let needs = policy.decodeNeeds(promptLength: count)
        let evidence = states.reduce(0) { sum, state in
            let bytes = state.evidenceBytes(needs)
            return sum + bytes.fixed + Int(grown.meanRows.rounded(.up)) * bytes.perToken
        }
        let uneven = prompt.dependsOnText || policy.heads != nil ? pageBytes : 0
        return max(prompt.peakBytes, grown.heldBytes + evidence) + uneven + slack
    }

    /// Most rows by which a KV head grows, on average, while tokens are generated.
    private func rowsAdded(by generated: Int, after count: Int) throws(SwiftletError) -> Int {
        switch policy.effectiveDecodeRule {
        case .append: return generated
        case .own where policy.selector?.boundsGeneration != true: return generated
        case .own, .everyStep, .periodic:
            let budget = try budgetRows(promptLength: count)
            return min(generated, max(budget - count, 0) + 1)
        }
    }

    /// Bytes of one page of every KV head of every layer that stores rows.
    package var pageBytes: Int { states.reduce(0) { $0 + $1.slot.pageBytesOfAllHeads } }

    /// Bytes held beside the pages of ``pool``: positions, evidence and index.
    package var bytesBesidePages: Int {
        let use = use
        return use.bytes - use.pages
    }

    /// Whether the rows are as a full cache holds them, in the pool that new rows go to.
    package var isFull: Bool {
        prefixIsReusable
            && (rowsFollowFromTokens
                || !policy.evicts && !format.ages && retrieval?.slowRows(length: length) == nil)
    }

    /// A sequence that goes on behind the first tokens of another one with the same layout and format, under a policy
    /// of its own; neither drops rows.
    ///
    /// Pages are shared until one of the two writes.
    package convenience init(
        continuing other: KVSequence, after count: Int, under policy: KVPolicy
    ) throws(SwiftletError) {
        precondition(
            other.isFull && policy.prefixIsReusable && count <= other.length, "\(count) of \(other.length)")
        self.init(forking: other)
        retrieval = nil
        try truncate(to: count)
        pastPeakBytes = 0
        retrieval = policy.retrieval
        compressor = nil
        needs = KVEvidence()
    }
}
