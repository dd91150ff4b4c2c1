// Plays random schedules over the simulated network, each from one integer, and checks what must always hold: the mean
// of all models moves only by the updates, no run hangs, no queue grows, equal seeds give equal logs, and at the barrier
// the models are those of a run without a network. Peers crash and start again from their disks meanwhile. See
// test/support/swarm.ts. No build is needed:
//
//   npm run -s swarm -- [COUNT [SEED]] [--jobs N] [--without FAULT,…] [--peers N] [--rounds N]
//
// 10,000 schedules unless told; `--jobs` shares them among so many processes.
//
// A seed that breaks a law is made smaller and printed as the command that plays it again; exit code 1.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { loadTestCode } from "./test-code.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    without: { type: "string", default: "" },
    peers: { type: "string" },
    rounds: { type: "string" },
    jobs: { type: "string", default: "1" },
  },
});
const [count = 10_000, first = 1] = positionals.map(Number);
const given = {
  without: values.without.split(",").filter((fault) => fault !== ""),
  ...(values.peers !== undefined && { peers: Number(values.peers) }),
  ...(values.rounds !== undefined && { rounds: Number(values.rounds) }),
};
const isReduced = [values.without, values.peers, values.rounds].some((value) => value);
const jobs = Math.min(Number(values.jobs), count);

const started = performance.now();
const passed = jobs > 1 ? await share() : await play();
const seconds = (performance.now() - started) / 1000;
if (passed) console.log(`seeds ${first} to ${first + count - 1} keep every law (${seconds.toFixed(1)} s)`);
else process.exitCode = 1;

/** Plays the schedules. @returns whether all keep the laws; ends with the first that does not */
async function play() {
  const { problemOf, scheduleOf, shrink, commandOf, describe } = await loadTestCode("test/support/swarm.ts");
  const seen = {};
  for (let seed = first; seed < first + count; seed++) {
    const schedule = scheduleOf(seed, given);
    if (count === 1) console.log(describe(schedule));
    for (const fault of schedule.faults) seen[fault] = (seen[fault] ?? 0) + 1;
    const problem = await problemOf(schedule);
    if (problem === undefined) continue;
    console.log(`seed ${seed}: ${problem}`);
    const reduction = isReduced ? given : await shrink(seed);
    const smallest = scheduleOf(seed, reduction);
    console.log(`smallest: ${describe(smallest)}: ${await problemOf(smallest)}`);
    console.log(commandOf(seed, reduction));
    return false;
  }
  const counts = Object.entries(seen).map(([fault, times]) => `${times} with ${fault}`);
  if (count > 1) console.log(`of ${count} schedules ${counts.join(", ")}`);
  return true;
}

/** Plays a part of the schedules in each of several processes. */
async function share() {
  const options = Object.entries(given).flatMap(([name, value]) =>
    value.length === 0 ? [] : [`--${name}`, String(value)],
  );
  const parts = Array.from({ length: jobs }, (_, k) => {
    const from = first + Math.floor((k * count) / jobs);
    const to = first + Math.floor(((k + 1) * count) / jobs);
    const child = spawn(process.execPath, [process.argv[1], String(to - from), String(from), ...options], {
      stdio: "inherit",
    });
    return new Promise((resolve) => child.once("exit", (code) => resolve(code === 0)));
  });
  return (await Promise.all(parts)).every(Boolean);
}
