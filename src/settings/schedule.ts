/** Numbers that change with the round: learning rate γ and consensus rate η. */
import { z } from "zod";

/** A value for every round, from 0. */
export type Schedule = (round: number) => number;

/**
 * How a value moves from `initial`: `constant`; `linear` or `cosine` down to `final` at the last round;
 * `inverse`, initial / (1 + round / `halfAfter`); `exponential`, initial · 2^(−round / `halfAfter`); `step`, times
 * `factor` at each of the rounds `at`. During the
 * first `warmupRounds` it grows linearly from 0.
 */
const movingSchedule = z.strictObject({
  initial: z.number().positive().describe("value of the first round"),
  decay: z
    .enum(["constant", "linear", "cosine", "inverse", "exponential", "step"])
    .default("constant")
    .describe("schedule"),
  final: z.number().nonnegative().default(0).describe("where linear and cosine end"),
  halfAfter: z
    .number()
    .positive()
    .default(100)
    .describe("rounds after which inverse and exponential have halved it"),
  at: z.array(z.int().nonnegative()).default([]).describe("rounds at which step multiplies by factor"),
  factor: z.number().positive().default(0.1).describe("what step multiplies by"),
  warmupRounds: z.int().nonnegative().default(0).describe("rounds over which it first grows from 0"),
});

/** A constant, or a value that moves with the round. */
export const scheduleSettings = z.union([z.number().nonnegative(), movingSchedule]);
/** A constant, or how a value moves from round to round. */
export type ScheduleSettings = z.output<typeof scheduleSettings>;

/** The value of each round, from 0 to `rounds` − 1. */
export function createSchedule(settings: ScheduleSettings, rounds: number): Schedule {
  if (typeof settings === "number") return () => settings;
  const { initial, decay, final, halfAfter, at, factor, warmupRounds } = settings;
  const last = Math.max(1, rounds - 1);
  const decayed: Record<typeof decay, Schedule> = {
    constant: () => initial,
    linear: (round) => initial + (final - initial) * Math.min(1, round / last),
    cosine: (round) => final + ((initial - final) * (1 + Math.cos(Math.PI * Math.min(1, round / last)))) / 2,
    inverse: (round) => initial / (1 + round / halfAfter),
    exponential: (round) => initial * 2 ** (-round / halfAfter),
    step: (round) => initial * factor ** at.filter((boundary) => round >= boundary).length,
  };
  const warm: Schedule = (round) => (round < warmupRounds ? (round + 1) / (warmupRounds + 1) : 1);
  return (round) => decayed[decay](round) * warm(round);
}
