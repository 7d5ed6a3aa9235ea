/// How the blocks of a decoder are put together, where that differs from Llama: every setting's default is Llama's.
public struct DecoderForm: Hashable, Sendable {
    /// What a normalisation computes.
    public enum Norm: Hashable, Sendable {
        /// `x / √(mean x² + ε)`.
        case rms
        /// `(x − mean) / √(variance + ε)`.
        case layer
    }

    /// Where the norms of a layer stand.
    public enum NormPlace: Hashable, Sendable {
        /// Before each block (Llama).
        case before
        /// After each block, before its residual is added (OLMo 2).
        case after
        /// Before and after each block (Gemma 2).
        case around
        /// After each residual has been added (BERT).
        case residual
    }

    /// How attention and the feed-forward block follow each other.
    public enum Residual: Hashable, Sendable {
        /// The feed-forward block sees what attention added.
        case sequential
        /// Both see the layer's input, each through its own norm.
        case parallel
        /// Both see the layer's input through one norm.
        case shared
    }

    /// What is normalised between the projections of queries and keys and their rotation.
    public enum HeadNorm: Hashable, Sendable {
        /// Nothing.
        case none
        /// Every head, with the same weights, `[headSize]`.
        case perHead
        /// Every head with its own weights, `[heads, headSize]`.
        case eachHead
        /// All heads together, `[heads × headSize]`.
        case whole
    }

    /// How a token's position gets into the model.
    public enum Position: Hashable, Sendable {
        /// By rotating queries and keys.
        case rotary
        /// By a table that is added to the embeddings, from an offset on.
        case learned(count: Int, offset: Int)
        /// By what a position of distance costs in every head (ALiBi; Press et al., 2022, arXiv:2108.12409).
        case slopes([Float])
    }

    /// What the norms of layers compute.
    public var norm = Norm.rms
    /// What is added to a norm's stored weight: 1 in Gemma's checkpoints.
    public var normOffset: Float = 0
    /// Whether norms have a weight.
    public var normsHaveWeights = true
    /// Whether norms have a bias.
    public var normsHaveBiases = false
    /// Where norms stand.
    public var normPlace = NormPlace.before
    /// Whether a layer has a norm before attention: not the first one of ModernBERT.
    public var firstLayerHasAttentionNorm = true
    /// How the two blocks follow each other.
    public var residual = Residual.sequential
    /// Norms on queries and keys.
    public var headNorm = HeadNorm.none
    /// What those compute.
    public var headNormKind = Norm.rms
    /// Whether those have a bias.
    public var headNormsHaveBiases = false
    /// Whether a norm follows the last layer.
    public var hasFinalNorm = true
    /// Whether the sum of all embeddings is normalised.
    public var normalizesEmbeddings = false
    /// Rows of the table of token types, of which the first is added to every embedding; 0 for none.
    public var tokenTypeCount = 0
    /// How positions get in.
    public var position = Position.rotary
    /// Whether the feed-forward block is gated.
    public var isGated = true
    /// Multiplies embeddings.
    public var embeddingScale: Float = 1
    /// Multiplies what a block adds to the residual stream.
    public var residualScale: Float = 1
    /// Multiplies logits.
    public var logitScale: Float = 1
    /// Bends logits to `cap·tanh(logit / cap)`.
    public var logitCap: Float?
    /// Bends attention scores to `cap·tanh(score / cap)`.
    public var scoreCap: Float?
    /// Factor of `q·k`; `nil` is 1/√headSize.
    public var attentionScale: Float?
    /// Whether scores are divided by the number of the layer, too, beginning with 1.
    public var dividesScoresByLayer = false
    /// Limits queries, keys and values to ±this.
    public var projectionLimit: Float?
    /// Whether logits have a bias.
    public var hasLogitBias = false
    /// Experts in the place of one feed-forward block.
    public var experts: ExpertForm?
    /// Keys and values of one latent vector per token.
    public var latent: LatentForm?
    /// Short convolutions in the place of attention in some layers.
    public var convolution: ConvolutionForm?
    /// Whether a query sees the tokens after it.
    public var isBidirectional = false

    /// The form of Llama.
    public init() {}
}

/// A feed-forward block of which every token chooses parts.
public struct ExpertForm: Hashable, Sendable {
    /// How a router's scores become weights.
    public enum Gating: Hashable, Sendable {
        /// A softmax over all experts, of which the largest are taken.
        case softmaxThenTop
        /// A softmax over the chosen experts.
        case topThenSoftmax
        /// Each expert's own sigmoid.
        case sigmoid
    }

    /// How groups of experts are ranked, of which only the best are chosen from.
    public enum GroupScore: Hashable, Sendable {
        /// By their best expert (DeepSeek-V2).
        case best
        /// By the sum of their two best (DeepSeek-V3).
        case sumOfTwo
    }

    /// Experts to choose from.
    public var count: Int
    /// Experts that a token uses.
    public var used: Int
    /// Width of one expert.
    public var innerSize: Int
    /// Layers that have experts.
    public var layers: [Bool]
    /// How scores become weights.
    public var gating = Gating.softmaxThenTop
    /// Whether the weights of the chosen are made to sum to 1.
    public var normalizes = false
    /// Multiplies the weights.
    public var scale: Float = 1
    /// Width of the block that every token uses beside its experts; 0 for none.
    public var sharedSize = 0
    /// Whether that block's output is multiplied by a sigmoid.
    public var gatesShared = false
    /// Groups of experts, and how many of them a token chooses from.
    public var groups = 1
    /// How many groups.
    public var usedGroups = 1
    /// How groups are ranked.
    public var groupScore = GroupScore.best
    /// Whether a bias is added to the scores by which experts are chosen, but not to their weights.
    public var hasSelectionBias = false

    /// Experts by their sizes.
    public init(count: Int, used: Int, innerSize: Int, layers: [Bool]) {
        (self.count, self.used, self.innerSize, self.layers) = (count, used, innerSize, layers)
    }
}

/// Layers in which a gated convolution over the last few tokens takes the place of attention.
public struct ConvolutionForm: Hashable, Sendable {
    /// Tokens that a convolution sees, its own included.
    public var size: Int
    /// Layers that have one; the others attend.
    public var layers: [Bool]
    /// Whether it and its projections have biases.
    public var hasBias: Bool

    /// Convolutions by their size.
    public init(size: Int, layers: [Bool], hasBias: Bool = false) {
        (self.size, self.layers, self.hasBias) = (size, layers, hasBias)
    }
}

/// Multi-head latent attention: what is cached of a token is one short vector and one rotated key, for all heads.
///
/// Source: DeepSeek-AI, 2024, arXiv:2405.04434, §2.1.
public struct LatentForm: Hashable, Sendable {
    /// Width of the latent vector of keys and values.
    public var rank: Int
    /// Width of the latent vector of queries; `nil` if queries are projected directly.
    public var queryRank: Int?
    /// Dimensions of a key that do not rotate.
    public var plainSize: Int
    /// Dimensions of a key that do.
    public var rotatedSize: Int
    /// Dimensions of a value.
    public var valueSize: Int

    /// Latent attention by its sizes.
    public init(rank: Int, queryRank: Int?, plainSize: Int, rotatedSize: Int, valueSize: Int) {
        (self.rank, self.queryRank, self.plainSize) = (rank, queryRank, plainSize)
        (self.rotatedSize, self.valueSize) = (rotatedSize, valueSize)
    }
}
