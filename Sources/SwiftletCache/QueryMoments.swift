import SwiftletTensor

/// Mean and covariance of vectors that arrive some at a time, accumulated in double precision.
///
/// Sums have the order of the vectors, so that it does not matter how these were cut into calls.
package struct QueryMoments {
    package private(set) var count = 0
    private var sum: [Double]
    private var products: [Double]  // [size, size], on and above the diagonal

    init(size: Int) {
        sum = Array(repeating: 0, count: size)
        products = Array(repeating: 0, count: size * size)
    }

    /// Adds vectors, `[count, size]`.
    ///
    /// - Parameter stride: floats from one to the next.
    mutating func add(_ vectors: UnsafePointer<Float>, stride: Int, count new: Int, _ kernels: Kernels) {
        count += new
        for vector in 0..<new {
            for i in sum.indices { sum[i] += Double(vectors[vector * stride + i]) }
        }
        kernels.addProducts(vectors, stride: stride, count: new, size: sum.count, into: &products)
    }

    /// Writes or reads the sums.
    mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        try state.code(&count, "the number of queries", in: 0...(1 << 48))
        try state.code(&sum, "sums", count: sum.count...sum.count)
        try state.code(&products, "products", count: products.count...products.count)
    }

    /// The mean vector, `[size]`.
    package var mean: [Double] { sum.map { $0 / Double(count) } }

    /// The covariance, `[size, size]`, divided by the count.
    package var covariance: [Double] {
        let mean = mean
        return products.indices.map {
            let (i, j) = $0.quotientAndRemainder(dividingBy: mean.count)
            return products[min(i, j) * mean.count + max(i, j)] / Double(count) - mean[i] * mean[j]
        }
    }
}
