/**
 * Murmuration: decentralised training on a graph of peers, with compressed gossip and no server.
 *
 * @example Simulate eight peers in this process.
 * ```ts
 * import { parseExperiment, parseTopology, simulate } from "murmuration-train";
 *
 * const topology = parseTopology({ graph: { kind: "ring", peers: 8 } }, "my ring");
 * const experiment = parseExperiment({ compressor: "sign", rounds: 200 });
 * const simulation = await simulate(topology, experiment);
 * for await (const { round, consensusDistance, meanEvaluation } of simulation.run()) {
 *   if (meanEvaluation) console.log(round + 1, consensusDistance, meanEvaluation.accuracy);
 * }
 * simulation.dispose();
 * ```
 */
export type {
  Algorithm,
  AlgorithmContext,
  AlgorithmKind,
  Needs,
  Round,
  RoundSteps,
  Sighting,
} from "./algorithm.js";
export { type AlgorithmName, algorithms, defaultAlgorithm } from "./algorithms/index.js";
export { mix } from "./algorithms/mix.js";
export { type Checkpoint, type CheckpointStore, type Saved, saveCheckpoint } from "./checkpoint.js";
export type { Compressor, CompressorContext, CompressorKind } from "./compressor.js";
export { type CompressorSettings, compressorSettings, createCompressor } from "./compressors/index.js";
export type { Dataset, ExampleCounts, Examples, ExamplesDescription, Scaling, Targets } from "./dataset.js";
export { datasetFingerprint } from "./datasets/content.js";
export { type DatasetSettings, loadDataset } from "./datasets/index.js";
export {
  checkParts,
  classTable,
  type MadeSplit,
  partition,
  type SplitSettings,
} from "./datasets/partition.js";
export { type ByClass, type Evaluation, type Metric, type Quality, qualityOf } from "./evaluation.js";
export {
  createExchanges,
  type Exchanges,
  type ExchangesOptions,
  type Outgoing,
  type Patience,
  type Step,
} from "./exchange/exchanges.js";
export { type Fingerprint, modelDigest } from "./exchange/fingerprint.js";
export { decodeFrame, encodeFrame, type Frame, type FrameKind } from "./exchange/frame.js";
export {
  createJournal,
  type Journal,
  type JournalOptions,
  type JournalRecord,
} from "./exchange/journal.js";
export {
  createLedger,
  type Ledger,
  type LedgerOptions,
  type Offer,
  type Refusal,
} from "./exchange/ledger.js";
export type { Settled } from "./exchange/settlement.js";
export type {
  Closed,
  Durability,
  EdgeEvent,
  EdgePosition,
  EdgeTraffic,
  Listener,
  Traffic,
  Transport,
} from "./exchange/transport.js";
export {
  type Activity,
  type Chain,
  chainText,
  type State as PeerState,
  type Waiter,
} from "./exchange/waiting.js";
export { type Clock, stoppedClock, systemClock } from "./foundation/clock.js";
export {
  type CounterName,
  type CounterReport,
  type Counters,
  counterKinds,
  createCounters,
} from "./foundation/counters.js";
export * from "./foundation/errors.js";
export { normal, permutation, type Random, random, randomFromKey } from "./foundation/random.js";
export { createVirtualClock, type VirtualClock } from "./foundation/virtual-clock.js";
export type { DocumentEdge, GraphDocument, GraphFormat } from "./graph-format.js";
export { formatOf, formats, type GraphFileOptions, parseTopologyFile } from "./graph-formats/index.js";
export { documentOf } from "./graph-formats/settings.js";
export { type Closing, closingRates } from "./graphs/closing-rates.js";
export type { Edge, Graph } from "./graphs/graph.js";
export type { GraphSequence, WeightedEdge } from "./graphs/graph-sequence.js";
export { createGraph, type GraphSettings, graphSettings } from "./graphs/index.js";
export { denseWeights, type Mixing, type MixingSequence, type Neighbour } from "./graphs/mixing.js";
export {
  maximumConsensusRate,
  optimalConsensusRate,
  predictedRounds,
  type Spectrum,
  spectralGap,
  spectrum,
} from "./graphs/spectrum.js";
export {
  describeTopology,
  parseTopology,
  type SequenceDescription,
  type Topology,
  type TopologyDescription,
  topologyJsonSchema,
} from "./graphs/topology.js";
export type { TopologyPeer } from "./graphs/topology-peers.js";
export { metropolisMixing, weightedMixing } from "./graphs/weights.js";
export type { Loss, LossKind, Tally } from "./loss.js";
export { createLoss, type LossForTargets, type LossSettings, lossSettings } from "./losses/index.js";
export type { MixingRule, MixingRuleContext, MixingRuleKind } from "./mixing-rule.js";
export {
  createMixingRule,
  type MixingRuleSettings,
  mixingRuleSettings,
} from "./mixing-rules/index.js";
export type { RoundReport, RoundTimes, Sink } from "./observing/report.js";
export type { Optimizer, OptimizerContext, OptimizerKind } from "./optimizer.js";
export {
  createOptimizer,
  type OptimizerSettings,
  optimizerSettings,
  optimizerVectors,
} from "./optimizers/index.js";
export { type Course, createPeer, type Network, type Peer, type PeerOptions, type Plan } from "./peer.js";
export { type Experiment, experimentJsonSchema, parseExperiment } from "./runs/experiment.js";
export { openModel, type UsedModel } from "./runs/model-use.js";
export { createPlan, type Prepared } from "./runs/plan.js";
export {
  evaluateModel,
  type ModelEvaluation,
  type PredictedTarget,
  type Prediction,
  predict,
} from "./runs/predictions.js";
export { type PreparedPeers, type PrepareOptions, preparePeers } from "./runs/prepare.js";
export {
  createSimulation,
  type PreparedSimulation,
  type SimulatedPeer,
  type SimulateOptions,
  type Simulation,
  type SimulationOptions,
  type SimulationRound,
  type StartWorkers,
  simulate,
  type WorkerRun,
} from "./runs/simulate.js";
export {
  decodeModel,
  encodeModel,
  fileOf,
  type ModelCard,
  type ModelFile,
  meanOf,
  type SavedModel,
} from "./saved-model.js";
export { createSchedule, type Schedule, type ScheduleSettings } from "./settings/schedule.js";
export { oneThread, type StartThreads, type Threads } from "./threads/threads.js";
export { createTrainer, type TrainerSettings } from "./trainers/index.js";
export {
  createLearner,
  type Learner,
  type LearnerOptions,
  type LocalRound,
  learnerVectors,
} from "./trainers/learner.js";
export type { Predictor } from "./trainers/predictor.js";
export {
  type LocalSteps,
  stateless,
  type Trainer,
  type TrainerContext,
} from "./trainers/trainer.js";
export { createMemoryTransports } from "./transports/memory.js";
export type { Tamper } from "./transports/simulated/lane.js";
export {
  createSimulatedNetwork,
  type SimulatedNetwork,
  type SimulatedNetworkOptions,
} from "./transports/simulated/network.js";
export { type NetworkSettings, networkJsonSchema, parseNetwork } from "./transports/simulated/settings.js";
export { createLayout, type Layout, type Tensor } from "./vectors/layout.js";
export {
  decodeSafetensors,
  encodeSafetensors,
  type NamedTensor,
  type Safetensors,
} from "./vectors/safetensors.js";
export type { NamedValues, State } from "./vectors/state.js";
export { createVectorSpace, type Vector, type VectorSpace } from "./vectors/vector.js";
