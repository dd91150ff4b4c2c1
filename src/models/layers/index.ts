/**
 * The layers of this package's models that TensorFlow.js does not have. `tf.loadLayersModel` finds them once this module is
 * imported.
 */
export { CausalAttention } from "./causal-attention.js";
export { GroupNormalization } from "./group-normalization.js";
export { TokenEmbedding } from "./token-embedding.js";
