/** Run as a process of its own by {@link describeBackends}: starts the backend named, and reports the outcome. */
import { startAlone } from "./index.js";

const outcome = await startAlone(process.argv[2]!);
process.send?.(outcome, () => process.exit());
