import SwiftletTensor

/// Where a checkpoint keeps the tensors of a model. Tensors go by their names in GGUF files, which are the same for all
/// architectures; a map says what they are called elsewhere, and which of them are stored as one.
package struct TensorMap: Sendable {
    /// Some rows of a stored tensor: of each of `groups` equal groups the rows `range`.
    package struct Part: Sendable {
        let stem: String
        let groups: Int
        let groupSize: Int
        let range: Range<Int>

        init(_ stem: String, _ range: Range<Int>, of groupSize: Int, groups: Int = 1) {
            self.stem = stem
            self.range = range
            self.groupSize = groupSize
            self.groups = groups
        }
    }

    /// What names of the model itself begin with, as a rule.
    var prefix = ""
    /// What they begin with in other files of the same models.
    var otherPrefixes: [String] = []
    /// By GGUF stem, such as `token_embd`.
    var global: [String: String] = [:]
    /// What names of a layer begin with, before its number.
    var layerPrefix = "blk"
    /// By GGUF stem of a layer's tensor, such as `attn_q`; what is not listed is not renamed.
    var layer: [String: String] = [:]
    /// By GGUF name of a layer's tensor, such as `exp_probs_b.bias`, where the other name does not end alike.
    var whole: [String: String] = [:]
    /// Tensors of a layer that are stored as parts of another one.
    var parts: [String: Part] = [:]
    /// Tensors of a layer whose matrices are stored as `[columns, rows]`.
    var transposed: Set<String> = []
    /// Tensors of a layer that are stored one by one; `*` stands for their number.
    var stacked: [String: String] = [:]

    /// The names of GGUF files, with what is stored as one there.
    package static func gguf(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        let (width, kvWidth) = (c.headCount * c.headSize, c.kvHeadCount * c.headSize)
        map.divide("attn_qkv", ["attn_q": width, "attn_k": kvWidth, "attn_v": kvWidth])
        if c.form.isGated { map.divide("ffn_up", ["ffn_gate": c.innerSize, "ffn_up": c.innerSize]) }
        return map
    }

    /// Lists parts that follow each other in `stem`, in the order of attention or of the gate.
    mutating func divide(_ stem: String, _ sizes: KeyValuePairs<String, Int>, groups: Int = 1) {
        let total = sizes.reduce(0) { $0 + $1.value }
        var first = 0
        for (name, size) in sizes {
            parts[name] = Part(
                stem, first / groups..<(first + size) / groups, of: total / groups, groups: groups)
            first += size
        }
    }

    /// The stored names of a tensor, the usual one first.
    func names(of name: String) -> [String] {
        let (stem, kind) = Self.split(name)
        let full: String
        if let (index, role) = Self.layerRole(stem) {
            if let name = whole[role + kind] { return spellings(of: "\(layerPrefix).\(index).\(name)") }
            full = "\(layerPrefix).\(index).\(layer[role] ?? role)"
        } else {
            full = global[String(stem)] ?? String(stem)
        }
        let spellings = spellings(of: full)
        // The first checkpoints of BERT call the weight and the bias of a norm otherwise.
        let old = full.hasSuffix(".LayerNorm") ? [".weight": ".gamma", ".bias": ".beta"][String(kind)] : nil
        return spellings.map { $0 + kind } + (old.map { old in spellings.map { $0 + old } } ?? [])
    }

    /// The part of another tensor that this one is, with the stored names of that.
    func part(of name: String) -> (part: Part, names: [String])? {
        let (stem, kind) = Self.split(name)
        guard let (index, role) = Self.layerRole(stem), let part = parts[role] else { return nil }
        return (part, spellings(of: "\(layerPrefix).\(index).\(part.stem)").map { $0 + kind })
    }

    /// The names under which one of several stacked tensors is stored alone.
    func names(ofMember member: Int, in name: String) -> [String]? {
        let (stem, kind) = Self.split(name)
        guard let (index, role) = Self.layerRole(stem), let pattern = stacked[role] else { return nil }
        let path = pattern.split(separator: "*", omittingEmptySubsequences: false).joined(
            separator: "\(member)")
        return spellings(of: "\(layerPrefix).\(index).\(path)").map { $0 + kind }
    }

    /// Whether a matrix is stored as `[columns, rows]`.
    func isTransposed(_ name: String) -> Bool {
        guard let (_, role) = Self.layerRole(Self.split(name).stem) else { return false }
        return transposed.contains(role)
    }

    /// Whether the matrix that this one is a part of is stored as `[columns, rows]`.
    func transposedPart(of name: String) -> Bool {
        guard let (_, role) = Self.layerRole(Self.split(name).stem), let part = parts[role] else {
            return false
        }
        return transposed.contains(part.stem)
    }

    private func spellings(of name: String) -> [String] {
        guard name.hasPrefix(prefix) else { return [name] + otherPrefixes.map { $0 + name } }
        return [name] + otherPrefixes.map { $0 + name.dropFirst(prefix.count) }
    }

    /// A name without its last component, and that: `.weight` or `.bias`.
    private static func split(_ name: String) -> (stem: Substring, kind: Substring) {
        let dot = name.lastIndex(of: ".") ?? name.endIndex
        return (name[..<dot], name[dot...])
    }

    private static func layerRole(_ stem: Substring) -> (index: Substring, role: String)? {
        let parts = stem.split(separator: ".", maxSplits: 2)
        guard parts.count == 3, parts[0] == "blk" else { return nil }
        return (parts[1], String(parts[2]))
    }
}

extension TensorMap {
    /// The names of Llama's checkpoints.
    package static var llama: TensorMap {
        var map = TensorMap()
        map.prefix = "model."
        map.otherPrefixes = ["", "model.language_model.", "language_model.model.", "language_model."]
        map.global = ["token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"]
        map.layerPrefix = "model.layers"
        map.layer = [
            "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
            "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
            "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj",
        ]
        return map
    }

    /// The same with other names for some tensors of a layer.
    package static func llama(_ layer: [String: String]) -> TensorMap {
        var map = llama
        map.layer.merge(layer) { $1 }
        return map
    }
}
