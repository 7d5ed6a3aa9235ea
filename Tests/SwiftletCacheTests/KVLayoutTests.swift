import SwiftletTensor
import Testing

@testable import SwiftletCache

@Suite("Layouts, formats and selections")
struct KVLayoutTests {
    let shape = KVLayerShape(headCount: 4, kvHeadCount: 2, keySize: 8, valueSize: 8)

    @Test("the plain layout owns every slot")
    func plain() throws {
        let layout = KVLayout(layers: Array(repeating: shape, count: 3))
        #expect(layout.owners == [0, 1, 2])
        #expect((0..<3).allSatisfy(layout.ownsSlot))
        #expect(try KVLayout(layers: layout.layers, owners: [0, 1, 2]) == layout)
    }

    @Test("a map of every kind over three layers is taken or refused")
    func everyMap() {
        for map in 0..<125 {
            let owners = [map / 25 - 1, map / 5 % 5 - 1, map % 5 - 1]  // each in -1...3
            let isSound = owners.enumerated().allSatisfy { layer, owner in
                (0...layer).contains(owner) && owners[owner] == owner
            }
            let layout = try? KVLayout(layers: Array(repeating: shape, count: 3), owners: owners)
            #expect((layout != nil) == isSound, "\(owners)")
        }
    }

    @Test(
        "a refused map names layer and owner",
        arguments: [[0, 2, 2], [0, 0, 1], [1, 1, 2], [0, -1, 0], [0, 1, 9]])
    func message(owners: [Int]) throws {
        let error = #expect(throws: SwiftletError.self) {
            try KVLayout(layers: Array(repeating: shape, count: 3), owners: owners)
        }
        let layer = try #require(
            owners.indices.first { !(0...$0).contains(owners[$0]) || owners[owners[$0]] != owners[$0] })
        #expect(error?.code == .invalidArgument)
        #expect(try #require(error).message.contains("layer \(layer) to \(owners[layer])"))
    }

    @Test("a map of the wrong length is refused", arguments: [[], [0], [0, 1, 2, 3]] as [[Int]])
    func length(owners: [Int]) throws {
        let error = #expect(throws: SwiftletError.self) {
            try KVLayout(layers: Array(repeating: shape, count: 3), owners: owners)
        }
        #expect(try #require(error).message.contains("\(owners.count) entries"))
    }

    @Test("layers of different shapes cannot share")
    func shapes() {
        var others = Array(repeating: shape, count: 5)
        others[0].headCount = 2
        others[1].kvHeadCount = 4
        others[2].keySize = 4
        others[3].valueSize = 4
        others[4].window = 8
        for other in others {
            #expect(throws: SwiftletError.self) { try KVLayout(layers: [shape, other], owners: [0, 0]) }
        }
    }

    @Test("only formats with a row writer are taken", arguments: NumberFormat.allCases)
    func formats(format: NumberFormat) {
        let isSupported = KVFormat.supported.contains(format)
        #expect(((try? KVFormat(key: format, value: .f16)) != nil) == isSupported)
        #expect(((try? KVFormat(key: .f32, value: format)) != nil) == isSupported)
    }

    @Test("the largest are chosen, ties go to the lower index, NaN goes last")
    func largest() {
        let scores: [Float] = [1, 3, .nan, 3, -.infinity, 2, 3]
        #expect(scores.indicesOfLargest(0) == [])
        #expect(scores.indicesOfLargest(-1) == [])
        #expect(scores.indicesOfLargest(1) == [1])
        #expect(scores.indicesOfLargest(2) == [1, 3])
        #expect(scores.indicesOfLargest(4) == [1, 3, 5, 6])
        #expect(scores.indicesOfLargest(99) == [0, 1, 2, 3, 4, 5, 6])
        #expect([Float](repeating: .nan, count: 3).indicesOfLargest(2) == [0, 1])
        #expect([Float]().indicesOfLargest(2) == [])
    }

    @Test("a selection answers for every head")
    func selections() {
        #expect(KVSelection.allHeads([1, 4]).rows(ofHead: 3) == [1, 4])
        #expect(KVSelection.perHead([[1], [], [0, 2]]).rows(ofHead: 2) == [0, 2])
    }
}
