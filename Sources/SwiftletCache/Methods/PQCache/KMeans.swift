package import SwiftletTensor

/// Clusters of points by Lloyd's algorithm with squared Euclidean distances.
///
/// Source: Lloyd, 1982, "Least squares quantization in PCM"; the rules for empty clusters and for the end are
/// those that PQCache (Zhang et al., 2024, arXiv:2407.12820) takes over from its library.
package struct KMeans {
    /// How long to iterate.
    package struct Limits: Hashable, Sendable {
        /// Rounds of assignment and update at most; 0 only assigns.
        package var iterations: Int
        /// The end is near enough when the squared shifts of all centroids sum to at most this share of the mean
        /// variance of a dimension.
        package var tolerance: Double

        package init(iterations: Int, tolerance: Double = 1e-4) {
            self.iterations = iterations
            self.tolerance = tolerance
        }
    }

    /// Shape `[clusters, size]`.
    package private(set) var centroids: [Float]
    /// The nearest centroid of every point, the lowest of equals.
    package private(set) var labels: [UInt16]
    /// Rounds that changed the centroids.
    package private(set) var iterations = 0

    private let points: Points
    private let clusters: Int
    private var distances: [Float]  // of every point to its centroid, squared
    private var scratch: [Float]

    private struct Points {
        let data: UnsafePointer<Float>
        let stride, count, size: Int
    }

    /// Clusters `count` points of `size` floats, `stride` floats apart.
    ///
    /// - Parameters:
    ///   - initialRows: the points that the centroids start from, one per cluster.
    ///   - limits: when to stop.
    /// - Complexity: `iterations × count × clusters × size` multiply-adds on one thread; 6 bytes per point.
    package init(
        points data: UnsafePointer<Float>, stride: Int, count: Int, size: Int, initialRows: [Int],
        limits: Limits, kernels: Kernels
    ) {
        precondition(initialRows.allSatisfy { (0..<count).contains($0) }, "initial rows beyond \(count)")
        points = Points(data: data, stride: stride, count: count, size: size)
        clusters = initialRows.count
        centroids = initialRows.flatMap { UnsafeBufferPointer(start: data + $0 * stride, count: size) }
        labels = Array(repeating: 0, count: count)
        distances = Array(repeating: 0, count: count)
        scratch = Array(repeating: 0, count: Kernels.assignScratch(size: size))
        run(limits, kernels)
        distances = []
        scratch = []
    }

    private mutating func run(_ limits: Limits, _ kernels: Kernels) {
        let enough = limits.tolerance * meanVariance()
        var previous: [UInt16] = []
        while iterations < limits.iterations {
            assign(kernels)
            let shift = update()
            iterations += 1
            if labels == previous { return }  // they already belong to these centroids
            if shift <= enough { break }
            previous = labels
        }
        assign(kernels)
    }

    private mutating func assign(_ kernels: Kernels) {
        kernels.assign(
            points: points.data, stride: points.stride, count: points.count, size: points.size,
            centroids: centroids, clusters: clusters, labels: &labels, distances: &distances,
            scratch: &scratch)
    }

    /// Moves every centroid to the mean of its points, and empty clusters to outliers.
    ///
    /// - Returns: the sum of the squared shifts.
    private mutating func update() -> Double {
        let size = points.size
        var sums = [Double](repeating: 0, count: clusters * size)
        var counts = [Int](repeating: 0, count: clusters)
        sums.withUnsafeMutableBufferPointer { sums in
            for (index, label) in labels.enumerated() {
                let point = points.data + index * points.stride
                let base = Int(label) * size
                for d in 0..<size { sums[base + d] += Double(point[d]) }
                counts[Int(label)] += 1
            }
        }
        fillEmptyClusters(&sums, &counts)
        var shift = 0.0
        for cluster in 0..<clusters where counts[cluster] > 0 {
            for d in cluster * size..<(cluster + 1) * size {
                let mean = Float(sums[d] / Double(counts[cluster]))
                let moved = Double(mean) - Double(centroids[d])
                shift += moved * moved
                centroids[d] = mean
            }
        }
        return shift
    }

    /// Gives every empty cluster the point that lies farthest from its own centroid, which leaves its former
    /// cluster's mean; where all points lie on centroids, an empty cluster stays as it is.
    private mutating func fillEmptyClusters(_ sums: inout [Double], _ counts: inout [Int]) {
        let size = points.size
        for cluster in 0..<clusters where counts[cluster] == 0 {
            var farthest = -1
            var most: Float = 0
            for (index, distance) in distances.enumerated() where distance > most {
                (farthest, most) = (index, distance)
            }
            guard farthest >= 0 else { return }
            distances[farthest] = 0
            let former = Int(labels[farthest])
            let point = points.data + farthest * points.stride
            for d in 0..<size {
                sums[former * size + d] -= Double(point[d])
                sums[cluster * size + d] = Double(point[d])
            }
            counts[former] -= 1
            counts[cluster] = 1
        }
    }

    /// The variance of a dimension, averaged over the dimensions.
    private func meanVariance() -> Double {
        guard points.count > 0 else { return 0 }
        var total = 0.0
        for d in 0..<points.size {
            var sum = 0.0
            var squares = 0.0
            let shift = Double(points.data[d])  // any point; keeps the squares small
            for index in 0..<points.count {
                let x = Double(points.data[index * points.stride + d]) - shift
                sum += x
                squares += x * x
            }
            let mean = sum / Double(points.count)
            total += squares / Double(points.count) - mean * mean
        }
        return total / Double(points.size)
    }
}
