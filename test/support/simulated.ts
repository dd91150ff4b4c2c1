import type { VirtualClock } from "../../src/foundation/virtual-clock.js";
import { withModelledCompute } from "../../src/runs/modelled-compute.js";
import {
  createSimulatedNetwork,
  type SimulatedNetwork,
  type SimulatedNetworkOptions,
} from "../../src/transports/simulated/network.js";
import type { NetworkSettings } from "../../src/transports/simulated/settings.js";
import type { GossipOptions } from "./gossip.js";

/** What makes `createGossip` run over a simulated network. `made` gets the network, to do harm to it. */
export function overNetwork(
  clock: VirtualClock,
  settings: NetworkSettings,
  { made, ...more }: Partial<SimulatedNetworkOptions> & { made?: (network: SimulatedNetwork) => void } = {},
): Pick<GossipOptions, "clock" | "connect" | "compute"> {
  return {
    clock,
    connect({ neighbours }, maximumPayloadBytes) {
      const network = createSimulatedNetwork({ clock, settings, neighbours, maximumPayloadBytes, ...more });
      made?.(network);
      return neighbours.map((_, id) => network.endpoint(id));
    },
    compute: (trainer, id) => {
      const isSlow = settings.slow?.peers?.includes(id);
      return withModelledCompute(trainer, clock, settings.computeMs * (isSlow ? settings.slow!.factor : 1));
    },
  };
}
