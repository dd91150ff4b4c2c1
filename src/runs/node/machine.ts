import { arch, cpus, hostname, platform, totalmem } from "node:os";
import type { Machine } from "../log.js";

/** This machine and this moment, for the headers of logs. */
export function describeMachine(): Machine {
  return {
    node: process.versions.node,
    platform: `${platform()} ${arch()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    host: hostname(),
    startedAt: new Date().toISOString(),
  };
}
