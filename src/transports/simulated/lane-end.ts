import type { Frame } from "../../exchange/frame.js";
import type { EdgeEvent, Traffic } from "../../exchange/transport.js";

/** A running peer at one end of an edge. */
export interface LaneEnd {
  readonly traffic: Traffic;
  emit(event: EdgeEvent): void;
  /** Takes a frame for good, before it is confirmed. */
  readonly keep: (peer: number, frame: Frame) => void;
}
