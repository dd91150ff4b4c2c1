/** Whether compression keeps up and models agree. */
import { metricText, numberText } from "../foundation/format.js";
import type { PeerRecord } from "./peer-record.js";
import { type Gap, qualityGap, WORST_SHARE } from "./quality-gap.js";
import { meanOf, peersText, type Reason, type RunRecords, rateText } from "./reason.js";
import { meanOver } from "./spans.js";

/**
 * ‖δ‖/‖x‖ above which compression does not keep up: what was never sent outweighs the model. Digits on rings: 0.15
 * where 4 bits reached the accuracy of full models, 26 and 44 where 1 bit and 1 % of the entries did not.
 */
export const LARGE_RESIDUAL = 1;
/** A residual that is this many times what it was halfway grows; towards a steady state it stays below. */
export const RESIDUAL_GREW = 1.25;
/** From here on growth counts: smaller residuals grow as models do. */
export const SMALL_RESIDUAL = 0.3;
/** `WORST_SHARE` where no closing consensus follows and the peer keeps its model: a few examples of a small test set are less. */
export const OPEN_WORST_SHARE = 0.98;
/** (1/n) Σ‖x_i − x̄‖² / ‖x̄‖² above which models disagree: 0.05 was harmless, 0.2 was not. */
export const LARGE_DISAGREEMENT = 0.1;
/** The same without a closing consensus and without accuracies that would show the harm: models 3 % apart. */
export const OPEN_DISAGREEMENT = 0.001;
/** Disagreement that is this many times what it was halfway grows without end … */
export const DISAGREEMENT_GREW = 10;
/** … where it is not mere rounding. */
export const SMALL_DISAGREEMENT = 1e-6;
/**
 * Disagreement that was this many times as large halfway still falls. Digits after 20 rounds: 1.2 on a ring of 8, which
 * is healthy after 40, and 1.35 on an expander of 100, healthy after 320. Too few bits reach 1.4, but at disagreements
 * that are large.
 */
export const DISAGREEMENT_FELL = 1.1;

export function gossipReasons(records: RunRecords): Reason[] {
  const { subject, peers } = records;
  if (subject.payloads === "nothing") {
    return [{ code: "nothing-sent", isProblem: false, text: "peers learn alone: nothing is sent" }];
  }
  return [
    ...rateTooLarge(peers),
    ...agreement(records),
    ...(subject.payloads === "compressed" ? compression(records) : []),
    ...drift(peers),
  ];
}

function rateTooLarge(peers: readonly PeerRecord[]): Reason[] {
  const warned = peers.filter(({ rateWarning }) => rateWarning);
  const [first] = warned;
  if (!first) return [];
  return [
    {
      ...{ code: "consensus-rate-too-large", isProblem: true, peers: warned.map(({ peer }) => peer) },
      text: first.rateWarning!,
    },
  ];
}

function agreement(records: RunRecords): Reason[] {
  const { graph, peers, subject } = records;
  const gap = qualityGap(records);
  const disagreement = graph?.disagreement ?? meanOf(peers.map((peer) => peer.disagreement));
  const grown = growthOf(graph);
  if (grown !== undefined) {
    return [
      {
        ...{ code: "disagreement-grows", isProblem: true, value: grown },
        text: `the models' distance grew ${numberText(grown)} times since halfway`,
        advice: `lower --consensus-rate (${rateText(peers[0]!.consensusRate)} now) or compress less`,
      },
    ];
  }
  if (gap && gap.share < WORST_SHARE) {
    if (!isStillFalling(graph)) return [disagree(gapText(gap), gap.share, faster(records))];
    return [disagree(`${gapText(gap)}; their distance still falls`, gap.share, "take more rounds")];
  }
  if (disagreement !== undefined && disagreement > LARGE_DISAGREEMENT) {
    return [disagree(distanceText(disagreement), disagreement, faster(records))];
  }
  if (!subject.closes) {
    const advice = 'set --closing-rounds to "auto"';
    if (gap && gap.share < OPEN_WORST_SHARE) return [disagree(gapText(gap), gap.share, advice)];
    if (!gap && disagreement !== undefined && disagreement > OPEN_DISAGREEMENT) {
      return [disagree(distanceText(disagreement), disagreement, advice)];
    }
  }
  if (disagreement === undefined) return [];
  const text = `models agree (distance ${shareText(disagreement)} of ‖x̄‖²)`;
  return [{ code: "models-agree", isProblem: false, text, value: disagreement }];
}

const disagree = (finding: string, value: number, advice: string): Reason => ({
  ...{ code: "models-disagree", isProblem: true, value, advice },
  text: `models disagree: ${finding}`,
});

const gapText = ({ metric, worst, mean }: Gap) =>
  `${metric.name} of the worst peer ${metricText(metric, worst)}, of their mean ${metricText(metric, mean)}`;

const distanceText = (disagreement: number) => `their distance is ${shareText(disagreement)} of ‖x̄‖²`;

/** By what disagreement grew since halfway, where it grows without end. */
function growthOf(graph: RunRecords["graph"]): number | undefined {
  const { halfway, last } = courseOf(graph);
  if (!halfway || last === undefined || last < SMALL_DISAGREEMENT) return undefined;
  return last > DISAGREEMENT_GREW * halfway ? last / halfway : undefined;
}

/** Whether models that lie near each other come nearer still: what they lack is time. */
function isStillFalling(graph: RunRecords["graph"]): boolean {
  const { halfway, last } = courseOf(graph);
  if (halfway === undefined || last === undefined || last > LARGE_DISAGREEMENT) return false;
  return halfway > DISAGREEMENT_FELL * last;
}

/** Disagreement seen from outside: halfway through the learning rounds, and at their end. */
function courseOf(graph: RunRecords["graph"]): { halfway: number | undefined; last: number | undefined } {
  const over = (from: number, to: number) => graph && meanOver(graph.spans, "disagreement", from, to);
  return { halfway: over(0.4, 0.6), last: over(0.85, 1) };
}

function compression(records: RunRecords): Reason[] {
  const over = (from: number, to: number) =>
    meanOf(records.peers.map(({ spans }) => meanOver(spans, "residual", from, to)));
  const last = over(0.85, 1);
  if (last === undefined) return [];
  const halfway = over(0.4, 0.6) ?? last;
  const advice = faster(records);
  const residual = `residual is ${numberText(last)} × the model`;
  if (last > SMALL_RESIDUAL && last > RESIDUAL_GREW * halfway) {
    const text = `${residual} and grows (${numberText(halfway)} halfway)`;
    return [{ code: "residual-grows", isProblem: true, text, value: last, advice }];
  }
  if (last > LARGE_RESIDUAL) {
    return [{ code: "residual-large", isProblem: true, text: residual, value: last, advice }];
  }
  const trend = halfway > RESIDUAL_GREW * last ? ", falling" : "";
  const text = `compression keeps up (residual ${numberText(last)} × the model${trend})`;
  return [{ code: "compression-keeps-up", isProblem: false, text, value: last }];
}

/** What lets models agree sooner. A rate that was found is the largest that works. */
function faster({ subject, peers }: RunRecords): string {
  const bits = subject.payloads === "compressed" ? "send more bits" : "take a graph with more edges";
  if (subject.isRateFound) return bits;
  return `raise --consensus-rate (${rateText(peers[0]!.consensusRate)} now) or ${bits}`;
}

function drift(peers: readonly PeerRecord[]): Reason[] {
  const drifting = [...new Set(peers.flatMap((peer) => peer.drifting))].sort((a, b) => a - b);
  return drifting.map((peer) => {
    const by = peers.filter((other) => other.drifting.includes(peer)).map((other) => other.peer);
    return {
      ...{ code: "peer-drifts", isProblem: true, peers: [peer] },
      text: `peer ${peer} drifts from the others (seen by ${peersText(by)})`,
      advice: "look at its data, its program and its machine",
    };
  });
}

/** A share of any size. */
function shareText(share: number): string {
  return `${numberText(100 * share)} %`;
}
