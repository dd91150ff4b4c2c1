import fc from "fast-check";

/** Property tests draw the same cases in every run; another seed explores others: FAST_CHECK_SEED=7 npx vitest … */
fc.configureGlobal({ seed: Number(process.env.FAST_CHECK_SEED ?? 20260101) });
