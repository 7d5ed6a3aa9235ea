import SwiftletTensor

/// The tensors of a model as GGUF files store them: experts in one stack, and some tensors of a layer as one.
struct GGUFGrouping {
    /// One tensor of the file.
    struct Group {
        let name: String
        /// In the order of their rows.
        var members: [NamedTensor]
        /// Dimensions of the whole, outermost first.
        var shape: [Int]
    }

    private(set) var groups: [Group] = []
    private var indices: [String: Int] = [:]

    /// - Parameter merged: tensors of a layer that are stored as one, by their stems.
    init(_ weights: [NamedTensor], merged: [(stem: String, parts: [String])]) {
        for weight in weights { add(weight, merged) }
        for rule in merged {
            for index in groups.indices where groups[index].members.count > 1 {
                sort(&groups[index], rule.parts)
            }
        }
    }

    private mutating func add(_ weight: NamedTensor, _ merged: [(stem: String, parts: [String])]) {
        let fields = weight.name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if let last = fields.last, Int(last) != nil, weight.name.contains("_exps.") {
            // One of several experts: `blk.0.ffn_up_exps.weight.3`.
            insert(weight, fields.dropLast().joined(separator: "."), stacks: true)
        } else if fields.count == 4, let rule = merged.first(where: { $0.parts.contains(fields[2]) }) {
            insert(
                weight, [fields[0], fields[1], rule.stem, fields[3]].joined(separator: "."), stacks: false)
        } else {
            insert(weight, weight.name, stacks: false)
        }
    }

    private mutating func insert(_ weight: NamedTensor, _ name: String, stacks: Bool) {
        let shape = weight.tensor.shape
        guard let index = indices[name] else {
            indices[name] = groups.count
            groups.append(Group(name: name, members: [weight], shape: stacks ? [1] + shape : shape))
            return
        }
        groups[index].members.append(weight)
        groups[index].shape[0] += stacks ? 1 : shape.first ?? 0
    }

    /// Puts the parts of a layer's tensor into the order of the rule.
    private func sort(_ group: inout Group, _ parts: [String]) {
        func place(_ weight: NamedTensor) -> Int? {
            weight.name.split(separator: ".").dropFirst(2).first.flatMap { parts.firstIndex(of: String($0)) }
        }
        guard group.members.allSatisfy({ place($0) != nil }) else { return }
        group.members.sort { (place($0) ?? 0) < (place($1) ?? 0) }
    }
}
