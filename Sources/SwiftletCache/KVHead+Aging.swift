import SwiftletTensor

/// How rows change their format as they age.
extension KVHead {
    /// Stores the pages anew that have reached the next stage of the format.
    ///
    /// - Complexity: O(stages) while no page has; a page is stored once per stage.
    mutating func age() throws(SwiftletError) {
        guard geometry.format.ages else { return }
        let reached = geometry.format.stages.map { $0.pages(of: rowCount) }
        guard reached != settled else { return }
        for index in pages.indices {
            let old = pages[index].geometry.stage
            let stage = KIVICodec.Split(
                keys: max(old.keys, reached.count { $0.keys > index }),
                values: max(old.values, reached.count { $0.values > index }))
            if stage != old { try convert(page: index, to: try geometry.staged(stage)) }
        }
        settled = reached
    }

    /// Makes a page ready for one of its rows to be written: a page of groups becomes one of new rows again.
    mutating func open(page index: Int) throws(SwiftletError) {
        if pages[index].geometry.isGrouped {
            try convert(page: index, to: geometry)
        } else {
            try makeUnique(page: index)
        }
    }

    /// Makes the last page ready for new rows, which are never stored as old ones.
    mutating func openLastPage() throws(SwiftletError) {
        guard geometry.format.ages, rowCount % KVPage.rowCapacity != 0,
            pages[pages.count - 1].geometry.stage != geometry.stage
        else { return }
        try convert(page: pages.count - 1, to: geometry)
    }

    private mutating func convert(page index: Int, to geometry: KVPageGeometry) throws(SwiftletError) {
        guard let page = pages[index].converted(to: geometry, in: pool, kernels) else { throw pool.noRoom }
        replace(page: index, by: page)
        settled = []
    }
}
